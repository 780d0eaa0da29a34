/** Pauses between attempts: full jitter between nothing and a bound that doubles, as the Python client waits. */

/** Longest first pause, and longest pause. */
export const FIRST_MS = 500;
export const LAST_MS = 30_000;

export class Backoff {
  private bound: number;

  constructor(
    private readonly firstMs = FIRST_MS,
    private readonly lastMs = LAST_MS,
    private readonly random: () => number = Math.random,
  ) {
    this.bound = firstMs;
  }

  /** The next pause, ms. */
  next(): number {
    const pause = this.random() * this.bound;
    this.bound = Math.min(this.bound * 2, this.lastMs);
    return pause;
  }

  /** A connection held: begin small again. */
  reset(): void {
    this.bound = this.firstMs;
  }
}
