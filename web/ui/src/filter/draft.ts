/** The text under the typist's hands: checked by the gateway while it changes, in force once it is right and wanted. */

import { type ReadonlySignal, signal } from "@preact/signals";
import type { Problem } from "../protocol/api";
import { EVERYTHING, type ReadFilter } from "../protocol/filter";
import { Asking } from "./asking";

/** Without typing, before the gateway is asked. */
export const CHECK_MS = 150;

/** Without typing, before a right text is put in force unasked. */
export const APPLY_MS = 800;

/** Where the text stands towards the filter in force. */
export type Standing =
  /** It says what is in force. */
  | { readonly kind: "applied" }
  /** The gateway has not yet read it. */
  | { readonly kind: "unread" }
  /** It is right, and not yet in force. */
  | { readonly kind: "ready"; readonly read: ReadFilter }
  | { readonly kind: "wrong"; readonly problem: Problem }
  /** The gateway could not say; it is asked again. */
  | { readonly kind: "unanswered"; readonly problem: Problem };

/** What the draft needs of the page. */
export interface DraftPlace {
  read(text: string, signal: AbortSignal): Promise<ReadFilter>;
  /** Put a filter in force. */
  apply(read: ReadFilter): void;
  /** Whether the typist is choosing how a word goes on: until then nothing is said of it. */
  choosing(): boolean;
}

export class FilterDraft {
  private readonly textSignal = signal("");
  private readonly standingSignal = signal<Standing>({ kind: "applied" });
  private readonly asking = new Asking<ReadFilter>({
    answered: (read) => this.right(read),
    refused: (problem) => {
      this.wanted = false;
      this.standingSignal.value = { kind: "wrong", problem };
    },
    unanswered: (problem) => {
      this.standingSignal.value = { kind: "unanswered", problem };
    },
  });
  private inForce: ReadFilter = EVERYTHING;
  private timer: ReturnType<typeof setTimeout> | undefined;
  /** Enter was pressed while the gateway reads: apply what it answers. */
  private wanted = false;
  private editedAt = 0;

  constructor(private readonly place: DraftPlace) {}

  get text(): ReadonlySignal<string> {
    return this.textSignal;
  }

  get standing(): ReadonlySignal<Standing> {
    return this.standingSignal;
  }

  /** Begin with a filter in force, and with a text that is not in force if there is one. */
  begin(filter: ReadFilter, text: string | null = null): void {
    this.show(filter);
    if (text !== null) this.edit(text);
  }

  /** The typist changed the text. */
  edit(text: string): void {
    if (text === this.textSignal.value) return;
    this.stop();
    this.textSignal.value = text;
    this.editedAt = Date.now();
    // What was said of the text before stays until the gateway has read the new one, so that nothing flickers.
    if (this.standingSignal.value.kind !== "wrong") this.standingSignal.value = { kind: "unread" };
    this.later(CHECK_MS, () => this.check());
  }

  /** Enter: put it in force as soon as it is known to be right. */
  apply(): void {
    const standing = this.standingSignal.value;
    if (standing.kind === "applied") return;
    if (standing.kind === "ready") {
      this.settle(standing.read);
      return;
    }
    this.stop();
    this.wanted = true;
    this.check();
  }

  /** Escape: back to the filter in force. Answers whether there was anything to put back. */
  putBack(): boolean {
    if (this.standingSignal.value.kind === "applied") return false;
    this.show(this.inForce);
    return true;
  }

  /** A filter came in force, by these hands or by others. */
  take(filter: ReadFilter): void {
    if (filter.text !== this.inForce.text) this.show(filter);
  }

  /** The typist left the field: what is in force is shown in its canonical words. */
  leave(): void {
    if (this.standingSignal.value.kind === "applied") this.show(this.inForce);
  }

  /** Let go of timers and questions. */
  stop(): void {
    clearTimeout(this.timer);
    this.asking.stop();
    this.wanted = false;
  }

  private show(filter: ReadFilter): void {
    this.stop();
    this.inForce = filter;
    this.textSignal.value = shownText(filter);
    this.standingSignal.value = { kind: "applied" };
  }

  private settle(read: ReadFilter): void {
    this.stop();
    this.standingSignal.value = { kind: "applied" };
    if (read.text === this.inForce.text) return;
    this.inForce = read;
    this.place.apply(read);
  }

  private check(): void {
    if (!this.wanted && this.place.choosing()) {
      this.standingSignal.value = { kind: "unread" };
      this.later(CHECK_MS, () => this.check());
      return;
    }
    const text = this.textSignal.value;
    this.asking.ask((signal) => this.place.read(text, signal));
  }

  private right(read: ReadFilter): void {
    if (this.wanted || read.text === this.inForce.text) {
      this.settle(read);
      return;
    }
    this.standingSignal.value = { kind: "ready", read };
    this.later(Math.max(0, this.editedAt + APPLY_MS - Date.now()), () => this.applyUnasked(read));
  }

  private applyUnasked(read: ReadFilter): void {
    if (this.place.choosing()) this.later(CHECK_MS, () => this.applyUnasked(read));
    else this.settle(read);
  }

  private later(ms: number, what: () => void): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(what, ms);
  }
}

/** A filter as it stands in the field: nothing where every trade is meant. */
export function shownText(filter: ReadFilter): string {
  return filter.text === EVERYTHING.text ? "" : filter.text;
}
