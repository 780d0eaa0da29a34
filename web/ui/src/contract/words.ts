/** How a contract and its prints are written. */

import { clock, expiry } from "../format";
import type { Side, Trade } from "../protocol/trade";
import type { Course, Crossing } from "./contract_figures";

/** `SPY 600 Call 2026-12-18 (27 days)`. */
export function contractName(trade: Trade): string {
  const right = trade.right === "C" ? "Call" : "Put";
  return `${trade.underlying} ${trade.strike} ${right} ${expiry(trade.expiry)} (${daysLeft(trade.dte)})`;
}

function daysLeft(dte: number): string {
  if (dte === 0) return "expires today";
  return dte === 1 ? "1 day" : `${dte} days`;
}

/** A sign for each side besides its name, so that colour is never alone. */
export const SIDES: Readonly<Record<Side, { readonly sign: string; readonly words: string }>> = {
  above_ask: { sign: "▲", words: "above ask" },
  ask: { sign: "▲", words: "ask" },
  mid: { sign: "●", words: "mid" },
  bid: { sign: "▼", words: "bid" },
  below_bid: { sign: "▼", words: "below bid" },
  none: { sign: "○", words: "no side" },
};

/** The page says once for all that its data are synthetic. */
const UNSAID = "synthetic";

/** Flags as people read them: `multi leg, sweep`. */
export function flagWords(flags: readonly string[]): string {
  return flags
    .filter((flag) => flag !== UNSAID)
    .map((flag) => flag.replaceAll("_", " "))
    .join(", ");
}

export function crossingWords(crossing: Crossing, course: Course): string {
  if (crossing === "unknown") return "open interest unknown";
  if (crossing === "not yet") return "below open interest";
  if (crossing === "before") return "above open interest before these prints";
  return `passed open interest at ${clock(course.times[crossing.at] as number)}`;
}
