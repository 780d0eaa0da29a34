/** The prints of one contract on one day in New York, as far as they are held: upsert by id, the newest kept. */

import { day } from "../format";
import type { Trade } from "../protocol/trade";
import { TradeRows } from "../tape/trade_rows";

/** Prints that are held; of a contract with more the newest. */
export const PRINTS_MOST = 2_000;

export class PrintsOfDay {
  private readonly rows = new TradeRows();
  private readonly day: string;

  /** `ts` is any time of the day, unix ms. */
  constructor(
    readonly symbol: string,
    readonly ts: number,
  ) {
    this.rows.limit = PRINTS_MOST;
    this.day = day(ts);
  }

  /** Whether a trade is one of them. */
  has(trade: Trade): boolean {
    return trade.symbol === this.symbol && day(trade.ts) === this.day;
  }

  /** Whether exactly this version of a trade is held, or a later one. */
  holds(trade: Trade): boolean {
    return (this.rows.get(trade.id)?.seq ?? -1) >= trade.seq;
  }

  /** Take what belongs to them; the rest is passed over. */
  apply(trades: readonly Trade[], gone: readonly Trade[] = []): void {
    this.rows.apply(
      trades.filter((trade) => this.has(trade)),
      gone,
    );
  }

  get full(): boolean {
    return this.rows.size >= PRINTS_MOST;
  }

  newestFirst(): Trade[] {
    return this.rows.sorted();
  }
}
