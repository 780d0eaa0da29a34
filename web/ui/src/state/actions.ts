/** What parts of the page offer to the keyboard and to each other, by name, without knowing one another. */

export type ActionName =
  /** Put the cursor into the filter. */
  | "editFilter"
  /** Open or close the panel of the filter. */
  | "togglePanel"
  | "saveChannel"
  | "nextRow"
  | "previousRow"
  /** Open the contract of the row that has the focus. */
  | "openRow"
  /** Back to the newest trades. */
  | "newest"
  | "exportCsv"
  | "chooseColumns"
  | "help";

export class Actions {
  private readonly offered = new Map<ActionName, () => void>();

  /** Offer an action while a part is there; the answer takes it back. */
  offer(name: ActionName, run: () => void): () => void {
    this.offered.set(name, run);
    return () => {
      if (this.offered.get(name) === run) this.offered.delete(name);
    };
  }

  /** Do it, where a part offers it. */
  run(name: ActionName): void {
    this.offered.get(name)?.();
  }
}
