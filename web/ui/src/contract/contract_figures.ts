/** What the prints of a contract come to: the figures at the head of its panel, and the lines of its pictures. */

import type { Trade } from "../protocol/trade";

export interface Bundle {
  readonly contracts: number;
  /** Dollars. */
  readonly premium: number;
}

export interface ContractFigures {
  /** Of the day, by the newest print; null is unknown. */
  readonly volume: number | null;
  readonly openInterest: number | null;
  readonly volOi: number | null;
  /** Sums over the prints that are held, without cancelled ones. */
  readonly prints: number;
  readonly held: Bundle;
  /** At the ask or above. */
  readonly bought: Bundle;
  /** At the bid or below. */
  readonly sold: Bundle;
}

const NONE: Bundle = { contracts: 0, premium: 0 };

export function figuresOf(trades: readonly Trade[]): ContractFigures {
  let newest: Trade | null = null;
  let held = NONE;
  let bought = NONE;
  let sold = NONE;
  let prints = 0;
  for (const trade of trades) {
    if (trade.volume !== null && trade.seq > (newest?.seq ?? -1)) newest = trade;
    if (isCancelled(trade)) continue;
    prints += 1;
    held = plus(held, trade);
    const lean = leanOf(trade);
    if (lean > 0) bought = plus(bought, trade);
    else if (lean < 0) sold = plus(sold, trade);
  }
  return {
    volume: newest?.volume ?? null,
    openInterest: newest?.open_interest ?? null,
    volOi: newest?.vol_oi ?? null,
    prints,
    held,
    bought,
    sold,
  };
}

function plus(sum: Bundle, trade: Trade): Bundle {
  return { contracts: sum.contracts + trade.size, premium: sum.premium + trade.premium };
}

export function isCancelled(trade: Trade): boolean {
  return trade.flags.includes("cancelled");
}

/** 1 at the ask or above, -1 at the bid or below, else 0. */
export function leanOf(trade: Pick<Trade, "side">): 1 | 0 | -1 {
  if (trade.side === "ask" || trade.side === "above_ask") return 1;
  return trade.side === "bid" || trade.side === "below_bid" ? -1 : 0;
}

/** The prints that are drawn, the oldest first, and their columns. */
export interface Course {
  readonly prints: readonly Trade[];
  /** Unix ms. */
  readonly times: readonly number[];
  readonly prices: readonly number[];
  readonly bids: readonly (number | null)[];
  readonly asks: readonly (number | null)[];
  readonly volumes: readonly (number | null)[];
  readonly openInterest: readonly (number | null)[];
}

export function courseOf(newestFirst: readonly Trade[]): Course {
  const prints = newestFirst.filter((trade) => !isCancelled(trade)).reverse();
  const column = <T>(of: (trade: Trade) => T) => prints.map(of);
  return {
    prints,
    times: column((trade) => trade.ts),
    prices: column((trade) => trade.price),
    bids: column((trade) => trade.bid),
    asks: column((trade) => trade.ask),
    volumes: column((trade) => trade.volume),
    openInterest: column((trade) => trade.open_interest),
  };
}

/** Where the day's volume passed open interest: the index of the first print above it, or that it was above before. */
export type Crossing = { readonly at: number } | "before" | "not yet" | "unknown";

export function crossingOf(course: Course): Crossing {
  let below = false;
  let known = false;
  for (let index = 0; index < course.prints.length; index++) {
    const volume = course.volumes[index];
    const openInterest = course.openInterest[index];
    if (volume == null || openInterest == null) continue;
    known = true;
    if (volume <= openInterest) below = true;
    else {
      // The print itself may be what took it above.
      const without = volume - (course.prints[index] as Trade).size;
      return below || without <= openInterest ? { at: index } : "before";
    }
  }
  return known ? "not yet" : "unknown";
}
