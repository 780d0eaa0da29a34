/** One question at a time to the gateway: a newer one takes the place of the last, and one that it could not answer is put again. */

import { Problem } from "../protocol/api";

/** Before a question is put again where the gateway named no time. */
export const RETRY_MS = 2_000;

/** What became of a question; never told of one that a newer one replaced. */
export interface Hearer<Answer> {
  answered(answer: Answer): void;
  /** What was asked for is wrong; it is not asked again. */
  refused(problem: Problem): void;
  /** The gateway could not say; it is asked again. */
  unanswered(problem: Problem): void;
}

export class Asking<Answer> {
  private running: AbortController | null = null;
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly hearer: Hearer<Answer>) {}

  /** Ask after so many milliseconds. */
  ask(question: (signal: AbortSignal) => Promise<Answer>, afterMs = 0): void {
    this.stop();
    if (afterMs === 0) this.put(question);
    else this.timer = setTimeout(() => this.put(question), afterMs);
  }

  /** Let go of what is asked or to be asked. */
  stop(): void {
    clearTimeout(this.timer);
    this.running?.abort();
    this.running = null;
  }

  private put(question: (signal: AbortSignal) => Promise<Answer>): void {
    const running = new AbortController();
    this.running = running;
    question(running.signal).then(
      (answer) => {
        if (this.running === running) this.hearer.answered(answer);
      },
      (error: unknown) => {
        if (this.running !== running) return;
        const problem = error instanceof Problem ? error : new Problem(0, "internal", String(error));
        if (!passes(problem)) {
          this.hearer.refused(problem);
          return;
        }
        this.hearer.unanswered(problem);
        this.timer = setTimeout(
          () => this.put(question),
          problem.retryAfter === null ? RETRY_MS : problem.retryAfter * 1_000,
        );
      },
    );
  }
}

function passes({ status }: Problem): boolean {
  return status === 0 || status === 429 || status >= 500;
}
