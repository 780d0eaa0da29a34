/** How far down a subscription's rows are whole, and the question for the rows below. */

import { signal } from "@preact/signals";
import { cursorFrom } from "../protocol/cursor";
import type { HistoryPage, Snapshot, StreamError } from "../protocol/messages";

interface Question {
  readonly before: string;
  readonly limit: number;
  /** Asked on this connection: an answer is on its way. */
  sent: boolean;
  /** A snapshot came since it was sent: the answer may be of another filter. */
  void: boolean;
}

export class OlderRows {
  /** Whether there are older rows to ask for. */
  readonly more = signal(false);
  /** Whether they are asked for. */
  readonly loading = signal(false);
  /** Why the last question failed; null once another is asked. */
  readonly problem = signal<StreamError | null>(null);
  /** Where rows below begin; null where there are none, or nothing came yet. */
  private before: string | null = null;
  /** Exchange time down to which nothing is missing, unix ms. */
  private whole = Number.POSITIVE_INFINITY;
  private question: Question | null = null;

  /** Want rows below; whether that is a question to send. One at a time. */
  want(limit: number): boolean {
    if (this.question !== null || this.before === null) return false;
    this.question = { before: this.before, limit, sent: false, void: false };
    this.loading.value = true;
    this.problem.value = null;
    return true;
  }

  /** The question that is still to be sent. */
  get unsent(): Pick<Question, "before" | "limit"> | null {
    return this.question?.sent === false ? this.question : null;
  }

  sent(): void {
    if (this.question !== null) this.question.sent = true;
  }

  /** All rows were replaced. */
  takeSnapshot(message: Snapshot): void {
    // Below a snapshot of no rows is everything: its position says so.
    this.before = message.before ?? (message.more ? message.pos : null);
    this.whole = wholeTo(message);
    this.more.value = this.before !== null;
    this.problem.value = null;
    if (this.question?.sent) this.question.void = true;
    else this.done();
  }

  /** Whether the page is what was asked for: then its rows belong to the others. */
  takePage(message: HistoryPage): boolean {
    const { question } = this;
    if (question === null) return false;
    this.done();
    if (question.void) return false;
    // Rows that were let go meanwhile have left a gap above this page: the next one begins there.
    if (this.before === question.before) {
      this.before = message.before;
      this.whole = wholeTo(message);
      this.more.value = this.before !== null;
    }
    return true;
  }

  /** An error that answers the question; false where none was open. */
  takeError(message: StreamError): boolean {
    const { question } = this;
    if (question === null || !question.sent) return false;
    this.done();
    if (!question.void) this.problem.value = message;
    return true;
  }

  /** Rows up to this exchange time were let go: from there on they are to be asked for again. */
  letGo(newest: number): void {
    if (newest < this.whole) return;
    this.whole = newest + 1;
    this.before = cursorFrom(newest);
    this.more.value = true;
  }

  /** The connection is lost: an answer that was on its way is asked for again. */
  interrupted(): void {
    if (this.question === null) return;
    if (this.question.void) this.done();
    else this.question.sent = false;
  }

  /** Nothing is to be asked any more. */
  end(): void {
    this.before = null;
    this.more.value = false;
    this.done();
  }

  private done(): void {
    this.question = null;
    this.loading.value = false;
  }
}

/** The oldest row's time where there is more below it; else everything that there is has come. */
function wholeTo(message: Snapshot | HistoryPage): number {
  if (!message.more) return Number.NEGATIVE_INFINITY;
  return message.rows.at(-1)?.ts ?? Number.POSITIVE_INFINITY;
}
