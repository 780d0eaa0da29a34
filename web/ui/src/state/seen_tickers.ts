/** Tickers that came by since the page was opened, for completion: the most seen first. */

import type { Trade } from "../protocol/trade";

/** Tickers that are counted at most. */
export const SEEN_TICKERS = 500;

/** Counts by Space-Saving (Metwally et al., 2005): beyond the bound a new ticker takes the place and count of the rarest. */
export class SeenTickers {
  private readonly counts = new Map<string, number>();

  constructor(private readonly bound = SEEN_TICKERS) {}

  /** Count the tickers of these trades. */
  see(trades: readonly Trade[]): void {
    for (const { underlying } of trades) {
      const count = this.counts.get(underlying);
      this.counts.set(underlying, (count ?? this.makeRoom()) + 1);
    }
  }

  /** All that are held, the most seen first. */
  names(): string[] {
    return [...this.counts].sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1)).map(([name]) => name);
  }

  /** The count that a new ticker begins with. */
  private makeRoom(): number {
    if (this.counts.size < this.bound) return 0;
    let rarest = "";
    let least = Number.POSITIVE_INFINITY;
    for (const [name, count] of this.counts) {
      if (count < least) [rarest, least] = [name, count];
    }
    this.counts.delete(rarest);
    return least;
  }
}
