/** Puts to calls: the figure, what it means in words, and how it went. */

import type { Sums } from "../protocol/api";

/** Parts of the small line: wide enough that a part seldom is without trades. */
export const PARTS = 12;

/** Nearer to 1 than this, calls and puts are about even. */
const EVEN = 0.05;

/** `0.72`, `12.4`, `∞` without calls; null where nothing was traded. */
export function ratioText(puts: number, calls: number): string | null {
  if (calls === 0) return puts === 0 ? null : "∞";
  const ratio = puts / calls;
  if (ratio >= 999.5) return ">999";
  if (ratio >= 99.95) return ratio.toFixed(0);
  return ratio.toFixed(ratio >= 9.995 ? 1 : 2);
}

export function ratioWords(puts: number, calls: number): string {
  if (puts === 0 && calls === 0) return "no trades";
  if (puts === 0) return "only calls";
  if (calls === 0) return "only puts";
  const ratio = puts / calls;
  if (Math.abs(ratio - 1) <= EVEN) return "about even";
  return ratio > 1 ? "more puts" : "more calls";
}

export interface PutCallLine {
  /** Unix ms, the end of each part. */
  readonly times: readonly number[];
  /** Share of puts, 0 to 1; null for a part without trades. Half is a ratio of 1. */
  readonly premium: readonly (number | null)[];
  readonly volume: readonly (number | null)[];
}

/**
 * The ratio over time, as the puts' share of both: unlike the ratio it has a value without calls, and half as many
 * puts stand as far from the middle as twice as many.
 */
export function putCallLine(series: readonly (Sums & { readonly to: number })[], parts = PARTS): PutCallLine {
  const times: number[] = [];
  const premium: (number | null)[] = [];
  const volume: (number | null)[] = [];
  const width = Math.max(1, Math.ceil(series.length / parts));
  for (let from = 0; from < series.length; from += width) {
    const part = series.slice(from, from + width);
    const sum = (of: (each: Sums) => number) => part.reduce((total, each) => total + of(each), 0);
    times.push((part.at(-1) as { to: number }).to);
    premium.push(
      share(
        sum((each) => each.put_premium),
        sum((each) => each.call_premium),
      ),
    );
    volume.push(
      share(
        sum((each) => each.put_volume),
        sum((each) => each.call_volume),
      ),
    );
  }
  return { times, premium, volume };
}

function share(puts: number, calls: number): number | null {
  const both = puts + calls;
  return both === 0 ? null : puts / both;
}
