/** The trades that a subscription holds: the rules of docs/stream.md, upsert by id and greater `seq`. */

import { newestFirst, type Trade } from "../protocol/trade";

/** Newest trades that are kept while following; older ones come back by history. */
export const ROWS_KEPT = 5_000;

/** As many while somebody looks at older rows. */
export const ROWS_MOST = 20_000;

/** Withdrawn trades that are remembered, so that an older version does not bring one back. */
export const WITHDRAWN_KEPT = 5_000;

/** What happened since the reader last looked. `reset` comes before the rest: forget all, then take `added`. */
export interface Changes {
  readonly reset: boolean;
  /** Newest first. */
  readonly added: readonly Trade[];
  readonly changed: readonly Trade[];
  /** No longer pass the filter, as they are now. */
  readonly gone: readonly Trade[];
  /** Ids that were let go because there were more rows than the bound. */
  readonly dropped: readonly string[];
}

/** An id that changed since the reader last looked. */
interface Touched {
  /** Whether the reader has it. */
  readonly shown: boolean;
  /** What withdrew it last; null where it was let go, or is held. */
  gone: Trade | null;
}

export class TradeRows {
  private readonly byId = new Map<string, Trade>();
  /**
   * The first version of each trade that is held, the oldest first by exchange time, then by id. A rewrite leaves
   * both as they are, so nothing moves, and what gave way once would always give way again.
   */
  private order: Trade[] = [];
  /** Id to the `seq` that withdrew it, the one withdrawn longest ago first. */
  private readonly withdrawn = new Map<string, number>();
  /** Holds no more than what the reader has and what is held together. */
  private touched = new Map<string, Touched>();
  /** The reader is to begin anew; nothing is noted until it has. */
  private reset = true;
  private most = ROWS_KEPT;
  private readonly watchers = new Set<() => void>();

  /** Told the newest exchange time, unix ms, of rows that were let go because there were too many. */
  onLetGo: ((newest: number) => void) | null = null;

  get size(): number {
    return this.byId.size;
  }

  /** Whether there is no room for older rows. */
  get full(): boolean {
    return this.size >= ROWS_MOST;
  }

  get(id: string): Trade | undefined {
    return this.byId.get(id);
  }

  /** How many rows are kept at most, up to ROWS_MOST; more are let go, the oldest first. */
  get limit(): number {
    return this.most;
  }

  set limit(rows: number) {
    this.most = Math.min(rows, ROWS_MOST);
    if (this.trim()) this.tell();
  }

  /** All that is held, newest first. */
  sorted(): Trade[] {
    const trades = [];
    // From the newest to the oldest the order is almost right already, which makes the sort cheap.
    for (let place = this.order.length - 1; place >= 0; place--) {
      trades.push(this.byId.get((this.order[place] as Trade).id) as Trade);
    }
    return trades.sort(newestFirst);
  }

  /** Called after each change, once a message; what changed is told by `drain`. */
  watch(watcher: () => void): () => void {
    this.watchers.add(watcher);
    return () => this.watchers.delete(watcher);
  }

  /** A snapshot: forget all rows, take these. Answers with the trades that were not held before. */
  replace(trades: readonly Trade[]): Trade[] {
    const before = new Set(this.byId.keys());
    this.byId.clear();
    this.order = [];
    this.withdrawn.clear();
    this.rewind();
    this.most = ROWS_KEPT;
    const fresh = this.take(trades).filter((trade) => !before.has(trade.id));
    this.trim();
    this.tell();
    return this.held(fresh);
  }

  /** A batch: rows that pass and rows that no longer do. Answers with the trades that are new here. */
  apply(trades: readonly Trade[], gone: readonly Trade[] = []): Trade[] {
    const fresh = this.take(trades);
    for (const trade of gone) this.withdraw(trade);
    this.trim();
    this.tell();
    return this.held(fresh);
  }

  /** A page of older rows: somebody looks at them, so the limit is ROWS_MOST until it is set again. */
  append(trades: readonly Trade[]): void {
    this.take(trades);
    this.most = ROWS_MOST;
    this.trim();
    this.tell();
  }

  /** What happened since the last call; what a reset leaves is `added`. */
  drain(): Changes {
    if (this.reset) {
      this.reset = false;
      return { reset: true, added: this.sorted(), changed: [], gone: [], dropped: [] };
    }
    const added: Trade[] = [];
    const changed: Trade[] = [];
    const gone: Trade[] = [];
    const dropped: string[] = [];
    for (const [id, touched] of this.touched) {
      const trade = this.byId.get(id);
      if (trade) (touched.shown ? changed : added).push(trade);
      else if (touched.gone) gone.push(touched.gone);
      else dropped.push(id);
    }
    this.touched = new Map();
    return { reset: false, added: added.sort(newestFirst), changed, gone, dropped };
  }

  /** Let the reader begin anew with all that is held: for one who comes later. */
  rewind(): void {
    this.reset = true;
    this.touched = new Map();
  }

  /** Take rows in; answers with those that were not held. */
  private take(trades: readonly Trade[]): Trade[] {
    const fresh = new Map<string, Trade>();
    for (const trade of trades) {
      const known = this.byId.get(trade.id);
      if (known ? known.seq >= trade.seq : (this.withdrawn.get(trade.id) ?? -1) >= trade.seq) continue;
      if (!this.reset && !this.touched.has(trade.id)) {
        this.touched.set(trade.id, { shown: known !== undefined, gone: null });
      }
      this.byId.set(trade.id, trade);
      this.withdrawn.delete(trade.id);
      if (known === undefined || fresh.has(trade.id)) fresh.set(trade.id, trade);
    }
    const found = [...fresh.values()];
    this.place(found);
    return found;
  }

  /** Put trades that were not held where they belong: most often at the end. */
  private place(trades: readonly Trade[]): void {
    const last = this.order.at(-1);
    const added = [...trades].sort(oldestFirst);
    const first = added[0];
    if (first === undefined) return;
    for (const trade of added) this.order.push(trade);
    // Two runs, each in order: the sort of the engine merges them.
    if (last !== undefined && oldestFirst(last, first) > 0) this.order.sort(oldestFirst);
  }

  private withdraw(trade: Trade): void {
    const known = this.byId.get(trade.id);
    if (known && known.seq > trade.seq) return;
    const before = this.withdrawn.get(trade.id) ?? -1;
    this.withdrawn.delete(trade.id);
    this.withdrawn.set(trade.id, Math.max(before, trade.seq));
    if (this.withdrawn.size > WITHDRAWN_KEPT) {
      const [longest] = this.withdrawn.keys();
      this.withdrawn.delete(longest as string);
    }
    if (known === undefined) return;
    this.order.splice(this.placeOf(known), 1);
    this.forget(trade.id, trade);
  }

  /** Let the oldest go where there are too many; whether there were. */
  private trim(): boolean {
    const surplus = this.order.length - this.most;
    if (surplus <= 0) return false;
    const oldest = this.order.splice(0, surplus);
    for (const { id } of oldest) this.forget(id, null);
    this.onLetGo?.((oldest.at(-1) as Trade).ts);
    return true;
  }

  private forget(id: string, gone: Trade | null): void {
    this.byId.delete(id);
    if (this.reset) return;
    const touched = this.touched.get(id);
    if (touched === undefined) this.touched.set(id, { shown: true, gone });
    else if (touched.shown) touched.gone = gone;
    // It came and went between two looks: nothing to tell.
    else this.touched.delete(id);
  }

  private placeOf(trade: Trade): number {
    let low = 0;
    let high = this.order.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (oldestFirst(this.order[middle] as Trade, trade) < 0) low = middle + 1;
      else high = middle;
    }
    if (this.order[low]?.id === trade.id) return low;
    return this.order.findIndex((each) => each.id === trade.id);
  }

  private held(trades: readonly Trade[]): Trade[] {
    return trades.filter((trade) => this.byId.has(trade.id));
  }

  private tell(): void {
    for (const watcher of this.watchers) watcher();
  }
}

function oldestFirst(a: Trade, b: Trade): number {
  if (a.ts !== b.ts) return a.ts - b.ts;
  return a.id < b.id ? -1 : a.id > b.id ? 1 : 0;
}
