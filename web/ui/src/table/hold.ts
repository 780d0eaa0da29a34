/** Holds the view still: decides which changes of the tape are drawn now and which wait until it is let go. */

import type { Trade } from "../protocol/trade";
import type { Changes } from "../tape/trade_rows";

/** Why the view stands still: the pointer or the keyboard is on rows, they are scrolled, or it is paused. */
export type Reason = "pointer" | "keys" | "scrolled" | "paused";

/** What the table shows now. */
export interface Shown {
  has(id: string): boolean;
  /** The row below which rows may come to stand; null where none may. */
  stillDownTo(): Trade | null;
}

/** What is to be drawn. `rebuild` stands for all: take every row that is held. */
export interface Drawing {
  readonly rebuild: boolean;
  readonly add: readonly Trade[];
  readonly update: readonly Trade[];
  readonly remove: readonly string[];
}

const NOTHING: Drawing = { rebuild: false, add: [], update: [], remove: [] };
const ALL: Drawing = { rebuild: true, add: [], update: [], remove: [] };

export class Hold {
  private readonly reasons = new Set<Reason>();
  /** Ids of new rows; the rows wait in `TradeRows`, whose bound is theirs. */
  private readonly waiting = new Set<string>();
  /** Rows that no longer pass, shown struck out. */
  private readonly struck = new Set<string>();
  /** Rows that the tape let go, still shown. */
  private readonly evicted = new Set<string>();
  /** New rows that were let go again before anybody saw them. */
  private missed = 0;
  private anew = false;

  /** The reason to name, the strongest first; null while rows flow. */
  get reason(): Reason | null {
    for (const each of ["paused", "scrolled", "keys", "pointer"] as const) {
      if (this.reasons.has(each)) return each;
    }
    return null;
  }

  /** How many new rows wait. */
  get count(): number {
    return this.waiting.size;
  }

  /** Whether there were more than can be shown. */
  get overflowed(): boolean {
    return this.missed > 0;
  }

  isStruck(id: string): boolean {
    return this.struck.has(id);
  }

  set(reason: Reason, on: boolean): void {
    if (on) this.reasons.add(reason);
    else this.reasons.delete(reason);
  }

  /** Another subscription: nothing waits any more. */
  forget(): void {
    this.waiting.clear();
    this.struck.clear();
    this.evicted.clear();
    this.missed = 0;
    this.anew = false;
  }

  /** Sort changes into what is drawn now and what waits. */
  take(changes: Changes, shown: Shown): Drawing {
    if (this.reason === null) return this.flow(changes, shown);
    return changes.reset ? this.keep(changes, shown) : this.wait(changes, shown);
  }

  /** What was held back, once nothing holds the view; `get` finds a row that waits. */
  release(get: (id: string) => Trade | undefined): Drawing {
    if (this.reason !== null) return NOTHING;
    if (this.anew) {
      this.forget();
      return ALL;
    }
    const add: Trade[] = [];
    for (const id of this.waiting) {
      const trade = get(id);
      if (trade) add.push(trade);
    }
    const remove = [...this.struck, ...this.evicted];
    this.forget();
    return { rebuild: false, add, update: [], remove };
  }

  private flow(changes: Changes, shown: Shown): Drawing {
    if (changes.reset) return ALL;
    const { add, update } = sorted(changes, shown);
    const remove = [...changes.gone.map((trade) => trade.id), ...changes.dropped];
    return { rebuild: false, add, update, remove: remove.filter((id) => shown.has(id)) };
  }

  private wait(changes: Changes, shown: Shown): Drawing {
    const { add: fresh, update } = sorted(changes, shown);
    for (const { id } of update) {
      this.struck.delete(id);
      this.evicted.delete(id);
    }
    // What comes to stand below all that is in view, as a page of older rows does, moves nothing.
    const lowest = shown.stillDownTo();
    const add: Trade[] = [];
    for (const trade of fresh) {
      if (lowest !== null && isBelow(trade, lowest)) add.push(trade);
      else this.waiting.add(trade.id);
    }
    for (const trade of changes.gone) {
      this.waiting.delete(trade.id);
      if (!shown.has(trade.id)) continue;
      this.struck.add(trade.id);
      update.push(trade);
    }
    for (const id of changes.dropped) {
      if (this.waiting.delete(id)) this.missed += 1;
      else if (shown.has(id)) this.evicted.add(id);
    }
    return { rebuild: false, add, update, remove: [] };
  }

  /** A snapshot while the view is held: rows that are shown stay, with what the snapshot knows of them. */
  private keep(changes: Changes, shown: Shown): Drawing {
    this.forget();
    this.anew = true;
    const { add, update } = sorted(changes, shown);
    for (const trade of add) this.waiting.add(trade.id);
    return { rebuild: false, add: [], update, remove: [] };
  }
}

/** New rows and changed ones, told apart by what is shown: a struck row that passes again is there already. */
function sorted(changes: Changes, shown: Shown): { add: Trade[]; update: Trade[] } {
  const add: Trade[] = [];
  const update: Trade[] = [];
  for (const trade of changes.added) (shown.has(trade.id) ? update : add).push(trade);
  for (const trade of changes.changed) if (shown.has(trade.id)) update.push(trade);
  return { add, update };
}

function isBelow(trade: Trade, lowest: Trade): boolean {
  return trade.ts < lowest.ts || (trade.ts === lowest.ts && trade.seq < lowest.seq);
}
