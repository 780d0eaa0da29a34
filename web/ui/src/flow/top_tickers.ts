/** The tickers with the most premium, as the list draws them. */

import type { Stats } from "../protocol/api";

export interface TopTicker {
  readonly underlying: string;
  readonly premium: number;
  /** Bullish minus bearish premium, dollars. */
  readonly net: number;
  /** Length of the bar's parts, 0 to 1; the first ticker's bar is 1 in all. */
  readonly calls: number;
  readonly puts: number;
  /** What the bar shows: `calls 75%, puts 25%`. */
  readonly split: string;
  /** What the sign of `net` means. */
  readonly lean: "net bullish" | "net bearish" | "balanced";
}

export function topTickers(stats: Pick<Stats, "underlyings">): TopTicker[] {
  const most = stats.underlyings[0]?.premium ?? 0;
  if (most <= 0) return [];
  return stats.underlyings.map((each) => {
    const share = each.premium === 0 ? 0 : Math.round((100 * each.call_premium) / each.premium);
    const net = each.net_bullish_premium;
    return {
      underlying: each.underlying,
      premium: each.premium,
      net,
      calls: each.call_premium / most,
      puts: each.put_premium / most,
      split: `calls ${share}%, puts ${100 - share}%`,
      lean: net === 0 ? "balanced" : net > 0 ? "net bullish" : "net bearish",
    };
  });
}
