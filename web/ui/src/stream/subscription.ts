/** One subscription of the stream: what was asked, where it stands, and the rows that it holds. */

import { batch, type ReadonlySignal, signal } from "@preact/signals";
import type { FilterObject } from "../protocol/filter";
import {
  type Batch,
  ENDING_ERRORS,
  HISTORY_ERRORS,
  type HistoryPage,
  type Snapshot,
  type StreamError,
  type Subscribe,
} from "../protocol/messages";
import type { Trade } from "../protocol/trade";
import { TradeRows } from "../tape/trade_rows";
import { OlderRows } from "./older_rows";

/** What is subscribed to: a filter, or a saved or shared channel by its name or link id. */
export type Wanted = { readonly filter: FilterObject | string } | { readonly channel: string };

export class Subscription {
  readonly rows = new TradeRows();
  readonly olderRows = new OlderRows();
  /** asked: nothing came yet; live: it flows; ended: the gateway ended or refused it. */
  readonly state = signal<"asked" | "live" | "ended">("asked");
  /** The last error of the gateway about this subscription; null once rows come again. */
  readonly problem = signal<StreamError | null>(null);
  /** Trades that the gateway left out of batches since the snapshot. */
  readonly skipped = signal(0);
  /** Told of rows that are new here, with each message; for counters, not for the table. */
  onFresh: ((fresh: readonly Trade[], message: Snapshot | Batch) => void) | null = null;
  /** Where to resume; null before the first rows. */
  private pos: string | null = null;
  /** Something came on the present connection. */
  private flows = false;
  private onWire: string;

  constructor(
    /** The page's own name for it. */
    readonly name: string,
    /** What a lost connection is resumed with; a channel that was renamed is wanted by its new name. */
    public wanted: Wanted,
    wire: string,
  ) {
    this.onWire = wire;
    this.rows.onLetGo = (newest) => this.olderRows.letGo(newest);
  }

  /**
   * Its name on the wire, which no other subscription ever had: what was on its way for one that was replaced
   * can't be taken for what this one gets.
   */
  get wire(): string {
    return this.onWire;
  }

  /** Whether there are older rows to ask for. */
  get more(): ReadonlySignal<boolean> {
    return this.olderRows.more;
  }

  /** Whether a page of older rows is on its way. */
  get loading(): ReadonlySignal<boolean> {
    return this.olderRows.loading;
  }

  /** The question for older rows that can be sent now. */
  get question(): OlderRows["unsent"] {
    return this.flows ? this.olderRows.unsent : null;
  }

  /** What subscribes it, going on where it stands. */
  subscribing(): Subscribe {
    return {
      op: "subscribe",
      sub: this.wire,
      ...this.wanted,
      ...(this.pos === null ? {} : { since: this.pos }),
    };
  }

  takeSnapshot(message: Snapshot): void {
    batch(() => {
      this.alive(message.pos);
      this.skipped.value = 0;
      this.olderRows.takeSnapshot(message);
      const fresh = this.rows.replace(message.rows);
      this.onFresh?.(fresh, message);
    });
  }

  takeBatch(message: Batch): void {
    batch(() => {
      this.alive(message.pos);
      if (message.skipped) this.skipped.value += message.skipped;
      if (message.rows.length === 0 && !message.gone?.length) return;
      const fresh = this.rows.apply(message.rows, message.gone);
      this.onFresh?.(fresh, message);
    });
  }

  takePage(message: HistoryPage): void {
    batch(() => {
      if (this.olderRows.takePage(message)) this.rows.append(message.rows);
    });
  }

  takeError(message: StreamError): void {
    batch(() => {
      if (HISTORY_ERRORS.has(message.code) && this.olderRows.takeError(message)) return;
      this.problem.value = message;
      if (!ENDING_ERRORS.has(message.code)) return;
      this.state.value = "ended";
      this.flows = false;
      this.olderRows.end();
    });
  }

  /** Want other trades, under another name on the wire: the rows stay until the snapshot comes. */
  beginAnew(wanted: Wanted, wire: string): void {
    this.wanted = wanted;
    this.onWire = wire;
    this.pos = null;
    this.flows = false;
    batch(() => {
      this.state.value = "asked";
      this.problem.value = null;
      this.olderRows.end();
    });
  }

  /** The connection is lost. */
  interrupted(): void {
    this.flows = false;
    this.olderRows.interrupted();
  }

  private alive(pos: string): void {
    this.pos = pos;
    this.flows = true;
    this.state.value = "live";
    this.problem.value = null;
  }
}
