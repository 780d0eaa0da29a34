/** One subscription of the stream: what was asked, where it stands, and the rows that it holds. */

import { signal } from "@preact/signals";
import type { FilterObject } from "../protocol/filter";
import type { Batch, HistoryPage, Snapshot, StreamError } from "../protocol/messages";
import type { Row, Trade } from "../protocol/trade";
import { TradeRows } from "../tape/trade_rows";

/** What is subscribed to: a filter, or a saved or shared channel by its name or link id. */
export type Wanted = { readonly filter: FilterObject | string } | { readonly channel: string };

/** Errors after which the subscription is no more. */
const ENDING: ReadonlySet<string> = new Set([
  "bad_filter",
  "unknown_channel",
  "subscription_limit",
  "channel_deleted",
]);

export class Subscription {
  readonly rows = new TradeRows();
  /** asked: nothing came yet; live: it flows; ended: the gateway ended or refused it. */
  readonly state = signal<"asked" | "live" | "ended">("asked");
  /** The last error of the gateway about this subscription; null once rows come again. */
  readonly problem = signal<StreamError | null>(null);
  /** Whether there are older rows to ask for. */
  readonly more = signal(false);
  /** Trades that the gateway left out of batches since the snapshot. */
  readonly skipped = signal(0);
  /** Whether a page of older rows is on its way. */
  readonly loading = signal(false);
  /** Where to resume; null before the first rows. */
  pos: string | null = null;
  /** Where older rows begin. */
  before: string | null = null;
  /** Told of rows that are new here, with each message; for counters, not for the table. */
  onFresh: ((fresh: readonly Trade[], message: Snapshot | Batch) => void) | null = null;

  constructor(
    /** The page's own name for it. */
    readonly name: string,
    /** What a lost connection is resumed with; a channel that was renamed is wanted by its new name. */
    public wanted: Wanted,
  ) {}

  takeSnapshot(message: Snapshot, read: (row: Row) => Trade): void {
    this.pos = message.pos;
    this.before = message.before;
    this.more.value = message.more;
    this.skipped.value = 0;
    this.alive();
    const trades = message.rows.map(read);
    this.rows.replace(trades);
    this.onFresh?.(trades, message);
  }

  takeBatch(message: Batch, read: (row: Row) => Trade): void {
    this.pos = message.pos;
    if (message.skipped) this.skipped.value += message.skipped;
    this.alive();
    if (message.rows.length === 0 && !message.gone) return;
    const fresh = this.rows.apply(message.rows.map(read), message.gone?.map(read));
    this.onFresh?.(fresh, message);
  }

  takePage(message: HistoryPage, read: (row: Row) => Trade): void {
    this.before = message.before;
    this.more.value = message.more && message.before !== null;
    this.loading.value = false;
    this.rows.apply(message.rows.map(read));
  }

  takeError(message: StreamError): void {
    this.problem.value = message;
    this.loading.value = false;
    if (ENDING.has(message.code)) this.state.value = "ended";
  }

  private alive(): void {
    this.state.value = "live";
    this.problem.value = null;
  }
}
