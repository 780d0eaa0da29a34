/** How much may be said to a gateway that counts what it is told: some at once, then so many a minute. */

/**
 * Parts of the gateway's limit that are used at once and each minute from then on. What a stalled network delivers
 * together, up to SILENCE_MS long, still stays below the limit.
 */
const AT_ONCE = 0.5;
const PACE = 0.9;

export class Budget {
  private readonly most: number;
  private readonly perMs: number;
  private left: number;

  /** `perMinute` is the gateway's own limit; `now` is ms of any clock that does not jump, here and below. */
  constructor(
    perMinute: number,
    private at: number,
  ) {
    this.most = Math.max(1, Math.floor(perMinute * AT_ONCE));
    this.perMs = (perMinute * PACE) / 60_000;
    this.left = this.most;
  }

  /** How long until one more may be said, ms; 0 is now. */
  pause(now: number): number {
    this.left = Math.min(this.most, this.left + (now - this.at) * this.perMs);
    this.at = now;
    return this.left >= 1 ? 0 : Math.ceil((1 - this.left) / this.perMs);
  }

  /** One was said. */
  spend(): void {
    this.left -= 1;
  }

  /** The gateway counts more than is known here: begin from nothing. */
  empty(): void {
    this.left = 0;
  }
}
