/** The tickers with the most premium, as the list draws them. */

import { money, signedMoney } from "../format";
import type { Stats } from "../protocol/api";

export interface TopTicker {
  readonly underlying: string;
  readonly premium: number;
  /** Bullish minus bearish premium, dollars. */
  readonly net: number;
  /** Length of the bar's parts, 0 to 1; the first ticker's bar is 1 in all. */
  readonly calls: number;
  readonly puts: number;
  /** All of it in a sentence. */
  readonly words: string;
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
      words: `${each.underlying}: ${money(each.premium)}, calls ${share}%, puts ${100 - share}%, ${lean(net)}`,
    };
  });
}

/** `net bullish +$1.2M`, `net bearish -$300K`, `balanced`. */
export function lean(net: number): string {
  if (net === 0) return "balanced";
  return `net ${net > 0 ? "bullish" : "bearish"} ${signedMoney(net)}`;
}
