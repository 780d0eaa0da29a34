/** The trades that a subscription holds: the rules of docs/stream.md, upsert by id and greater `seq`. */

import { newestFirst, type Trade } from "../protocol/trade";

/** Newest trades that are kept while following; older ones come back by history. */
export const ROWS_KEPT = 5_000;

/** As many while somebody looks at older rows. */
export const ROWS_MOST = 20_000;

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

type Kind = "added" | "changed";

export class TradeRows {
  private readonly byId = new Map<string, Trade>();
  /** Withdrawn ids with the `seq` that withdrew them, so that an older version does not bring one back. */
  private readonly withdrawn = new Map<string, number>();
  private pending = new Map<string, Kind>();
  private pendingGone = new Map<string, Trade>();
  private pendingDropped = new Set<string>();
  private reset = true;
  private readonly watchers = new Set<() => void>();

  /** How many rows are kept at most; more are let go, the oldest first. */
  limit = ROWS_KEPT;

  get size(): number {
    return this.byId.size;
  }

  get(id: string): Trade | undefined {
    return this.byId.get(id);
  }

  /** All that is held, newest first. */
  sorted(): Trade[] {
    return [...this.byId.values()].sort(newestFirst);
  }

  /** Called after each change, once a message; what changed is told by `drain`. */
  watch(watcher: () => void): () => void {
    this.watchers.add(watcher);
    return () => this.watchers.delete(watcher);
  }

  /** A snapshot: forget all rows, take these. */
  replace(trades: readonly Trade[]): void {
    this.byId.clear();
    this.withdrawn.clear();
    this.rewind();
    for (const trade of trades) this.byId.set(trade.id, trade);
    this.tell();
  }

  /** A batch: rows that pass and rows that no longer do. Answers with the trades that are new here. */
  apply(trades: readonly Trade[], gone: readonly Trade[] = []): Trade[] {
    const fresh = [];
    for (const trade of trades) if (this.put(trade)) fresh.push(trade);
    for (const trade of gone) this.withdraw(trade);
    this.trim();
    this.tell();
    return fresh;
  }

  /** What happened since the last call; what a reset leaves is `added`. */
  drain(): Changes {
    const { reset, pending, pendingGone, pendingDropped } = this;
    this.reset = false;
    this.forget();
    if (reset) return { reset, added: this.sorted(), changed: [], gone: [], dropped: [] };
    const added: Trade[] = [];
    const changed: Trade[] = [];
    for (const [id, kind] of pending) {
      const trade = this.byId.get(id);
      if (trade) (kind === "added" ? added : changed).push(trade);
    }
    return {
      reset,
      added: added.sort(newestFirst),
      changed,
      gone: [...pendingGone.values()],
      dropped: [...pendingDropped],
    };
  }

  /** Let the reader begin anew with all that is held: for one who comes later. */
  rewind(): void {
    this.reset = true;
    this.forget();
  }

  private forget(): void {
    this.pending = new Map();
    this.pendingGone = new Map();
    this.pendingDropped = new Set();
  }

  private put(trade: Trade): boolean {
    const known = this.byId.get(trade.id);
    if (known ? known.seq >= trade.seq : (this.withdrawn.get(trade.id) ?? -1) >= trade.seq) return false;
    this.byId.set(trade.id, trade);
    this.withdrawn.delete(trade.id);
    const wasGone = this.pendingGone.delete(trade.id);
    if (!known && !wasGone) this.pending.set(trade.id, "added");
    else if (!this.pending.has(trade.id)) this.pending.set(trade.id, "changed");
    return !known;
  }

  private withdraw(trade: Trade): void {
    const known = this.byId.get(trade.id);
    if (known && known.seq > trade.seq) return;
    this.withdrawn.set(trade.id, trade.seq);
    if (!known) return;
    this.byId.delete(trade.id);
    if (this.pending.get(trade.id) === "added") this.pending.delete(trade.id);
    else {
      this.pending.delete(trade.id);
      this.pendingGone.set(trade.id, trade);
    }
  }

  private trim(): void {
    if (this.withdrawn.size > ROWS_KEPT) {
      const [oldest] = this.withdrawn.keys();
      if (oldest !== undefined) this.withdrawn.delete(oldest);
    }
    // Sorting for each surplus row would cost; a tenth above the bound it is done for many at once.
    if (this.byId.size <= this.limit * 1.1) return;
    for (const trade of this.sorted().slice(this.limit)) {
      this.byId.delete(trade.id);
      if (this.pending.get(trade.id) !== "added") this.pendingDropped.add(trade.id);
      this.pending.delete(trade.id);
    }
  }

  private tell(): void {
    for (const watcher of this.watchers) watcher();
  }
}
