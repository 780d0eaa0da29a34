/** One question to the gateway that is asked again whenever its answer may have changed. */

import { type ReadonlySignal, signal } from "@preact/signals";
import { Problem } from "../protocol/api";
import { isRefusal, Pace } from "./pace";

/** Questions that change quicker than this, as while typing, are not all asked. */
export const SETTLE_MS = 200;

export interface Answered<Question, Answer> {
  readonly question: Question;
  readonly value: Answer;
  /** Unix ms. */
  readonly at: number;
}

export interface Polling<Question, Answer> {
  /** Ask the gateway. Throws Problem. */
  readonly ask: (question: Question, signal: AbortSignal) => Promise<Answer>;
  /** After how long an answer is asked for again though nothing is known to have changed, ms; Infinity is never. */
  readonly idleMs: (question: Question) => number;
  readonly pace?: Pace;
}

export class Poll<Question, Answer> {
  private readonly answerSignal = signal<Answered<Question, Answer> | null>(null);
  private readonly problemSignal = signal<Problem | null>(null);
  private readonly questionSignal = signal<Question | null>(null);
  private readonly pace: Pace;
  private running: AbortController | null = null;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private awake = false;
  /** Whether something happened since the last answer was asked for. */
  private stale = true;
  /** Earliest time of the next question, and the latest where nothing happens; ms of `performance.now`. */
  private earliest = 0;
  private latest = 0;

  constructor(private readonly polling: Polling<Question, Answer>) {
    this.pace = polling.pace ?? new Pace();
  }

  /** The last answer; it stays, with its question, while another is asked. */
  get answer(): ReadonlySignal<Answered<Question, Answer> | null> {
    return this.answerSignal;
  }

  /** Why the present question has no answer of now; null where it has. */
  get problem(): ReadonlySignal<Problem | null> {
    return this.problemSignal;
  }

  get question(): ReadonlySignal<Question | null> {
    return this.questionSignal;
  }

  /** Ask this from now on; null asks nothing. What a former question still gets is dropped. */
  ask(question: Question | null): void {
    if (same(question, this.questionSignal.peek())) return;
    this.running?.abort();
    this.running = null;
    this.questionSignal.value = question;
    this.stale = true;
    const problem = this.problemSignal.peek();
    const settled = performance.now() + SETTLE_MS;
    // A gateway that has asked for time is not asked sooner because the question is another.
    this.earliest = problem !== null && !isRefusal(problem) ? Math.max(this.earliest, settled) : settled;
    this.problemSignal.value = null;
    this.schedule();
  }

  /** Whether anybody looks and the gateway can be reached; asleep, nothing is asked. */
  wake(awake: boolean): void {
    this.awake = awake;
    this.schedule();
  }

  /** Something happened that may change the answer. */
  happened(): void {
    if (this.stale) return;
    this.stale = true;
    this.schedule();
  }

  /** Ask nothing more. */
  stop(): void {
    this.ask(null);
    this.wake(false);
  }

  private schedule(): void {
    clearTimeout(this.timer);
    const question = this.questionSignal.peek();
    if (question === null || !this.awake || this.running !== null) return;
    const due = this.stale ? this.earliest : this.latest;
    if (due === Number.POSITIVE_INFINITY) return;
    this.timer = setTimeout(() => void this.run(question), Math.max(0, due - performance.now()));
  }

  private async run(question: Question): Promise<void> {
    const running = new AbortController();
    this.running = running;
    this.stale = false;
    const begun = performance.now();
    let pause: number;
    try {
      const value = await this.polling.ask(question, running.signal);
      if (this.running !== running) return;
      pause = this.pace.answered(performance.now() - begun);
      this.answerSignal.value = { question, value, at: Date.now() };
      this.problemSignal.value = null;
    } catch (error) {
      if (this.running !== running) return;
      const problem = error instanceof Problem ? error : new Problem(0, "internal", String(error));
      pause = this.pace.failed(problem);
      this.problemSignal.value = problem;
      this.stale = true;
    }
    this.running = null;
    this.earliest = performance.now() + pause;
    this.latest = Math.max(this.earliest, performance.now() + this.polling.idleMs(question));
    this.schedule();
  }
}

function same(one: unknown, other: unknown): boolean {
  return one === other || JSON.stringify(one) === JSON.stringify(other);
}
