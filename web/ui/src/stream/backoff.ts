/** Pauses between attempts: full jitter between nothing and a bound that doubles, as the Python client waits. */

const FIRST_MS = 500;
const LAST_MS = 30_000;

export class Backoff {
  private bound = FIRST_MS;

  constructor(private readonly random: () => number = Math.random) {}

  /** The next pause, ms. */
  next(): number {
    const pause = this.random() * this.bound;
    this.bound = Math.min(this.bound * 2, LAST_MS);
    return pause;
  }

  /** A connection held: begin small again. */
  reset(): void {
    this.bound = FIRST_MS;
  }
}
