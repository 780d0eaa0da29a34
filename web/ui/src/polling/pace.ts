/** How soon the gateway may be asked again for what the page asks for again and again. */

import type { Problem } from "../protocol/api";

/** Shortest pause between an answer and the next question. */
export const PAUSE_LEAST_MS = 3_000;

/** A pause is so many times as long as the answer took, so that one page takes a tenth of a gateway's turn at most. */
export const PAUSE_FACTOR = 10;

/** Longest pause that doubling comes to; the gateway may ask for more. */
export const PAUSE_MOST_MS = 60_000;

const TOO_MANY = 429;

export class Pace {
  private failures = 0;

  /** `random` (0 to 1) spreads the pages that a gateway turned away at one moment. */
  constructor(private readonly random: () => number = Math.random) {}

  /** The pause after an answer that took so long, ms. */
  answered(tookMs: number): number {
    this.failures = 0;
    return Math.max(PAUSE_LEAST_MS, PAUSE_FACTOR * tookMs);
  }

  /** The pause after a problem, ms. */
  failed(problem: Problem): number {
    if (isRefusal(problem)) return PAUSE_MOST_MS;
    this.failures += 1;
    const doubled = Math.min(PAUSE_MOST_MS, PAUSE_LEAST_MS * 2 ** (this.failures - 1));
    const asked = 1_000 * (problem.retryAfter ?? 0);
    return Math.max(doubled, asked) * (1 + this.random() / 4);
  }
}

/** Whether the question itself is refused: another one may be asked at once. */
export function isRefusal(problem: Problem): boolean {
  return problem.status >= 400 && problem.status < 500 && problem.status !== TOO_MANY;
}
