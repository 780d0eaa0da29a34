/** A trade as the gateway tells it: field names and units are those of `schemas/trade.py`. */

export type Right = "C" | "P";
export type Side = "above_ask" | "ask" | "mid" | "bid" | "below_bid" | "none";
export type Sentiment = "bullish" | "bearish" | "neutral";

/** One version of one trade; null is unknown. Money is dollars a share, `premium` dollars, times unix ms. */
export interface Trade {
  readonly id: string;
  /** Rises with each version; the greater one is the newer. */
  readonly seq: number;
  readonly ts: number;
  readonly received: number;
  readonly underlying: string;
  readonly symbol: string;
  readonly right: Right;
  /** yyyymmdd. */
  readonly expiry: number;
  readonly strike: number;
  readonly price: number;
  readonly size: number;
  readonly premium: number;
  readonly bid: number | null;
  readonly ask: number | null;
  readonly underlying_price: number | null;
  readonly dte: number;
  readonly otm_pct: number | null;
  readonly volume: number | null;
  readonly open_interest: number | null;
  readonly vol_oi: number | null;
  /** A fraction: 0.5 is 50 %. */
  readonly iv: number | null;
  readonly delta: number | null;
  readonly side: Side;
  readonly sentiment: Sentiment;
  readonly flags: readonly string[];
  readonly conditions: readonly string[];
  /** MIC. */
  readonly exchange: string;
}

/** Newest first: by exchange time, then by `seq`, as the gateway orders pages. */
export function newestFirst(a: Trade, b: Trade): number {
  return b.ts - a.ts || b.seq - a.seq;
}
