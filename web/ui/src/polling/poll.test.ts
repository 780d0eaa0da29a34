import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Problem } from "../protocol/api";
import { Pace } from "./pace";
import { Poll, SETTLE_MS } from "./poll";

/** A gateway in memory: what it is asked waits until the test answers. */
class Asked {
  readonly questions: string[] = [];
  readonly signals: AbortSignal[] = [];
  private readonly waiting: { resolve: (value: string) => void; reject: (error: unknown) => void }[] = [];

  readonly ask = (question: string, signal: AbortSignal): Promise<string> => {
    this.questions.push(question);
    this.signals.push(signal);
    return new Promise((resolve, reject) => this.waiting.push({ resolve, reject }));
  };

  /** Answer question number `index` after `ms`. */
  async answer(index: number, value: string, ms = 0): Promise<void> {
    await vi.advanceTimersByTimeAsync(ms);
    this.waiting[index]?.resolve(value);
    await vi.advanceTimersByTimeAsync(0);
  }

  async fail(index: number, problem: unknown): Promise<void> {
    this.waiting[index]?.reject(problem);
    await vi.advanceTimersByTimeAsync(0);
  }
}

const IDLE_MS = 30_000;

describe("Poll", () => {
  let gateway: Asked;
  let poll: Poll<string, string>;

  beforeEach(() => {
    vi.useFakeTimers();
    gateway = new Asked();
    poll = new Poll({ ask: gateway.ask, idleMs: () => IDLE_MS, pace: new Pace(() => 0) });
  });

  afterEach(() => {
    poll.stop();
    vi.useRealTimers();
  });

  async function begin(question = "SPY"): Promise<void> {
    poll.wake(true);
    poll.ask(question);
    await vi.advanceTimersByTimeAsync(SETTLE_MS);
  }

  it("asks nothing before it is awake", async () => {
    poll.ask("SPY");
    await vi.advanceTimersByTimeAsync(IDLE_MS);
    expect(gateway.questions).toEqual([]);
    poll.wake(true);
    await vi.advanceTimersByTimeAsync(0);
    expect(gateway.questions).toEqual(["SPY"]);
  });

  it("asks again only when something happened, and not before its pause is over", async () => {
    await begin();
    await gateway.answer(0, "one");
    await vi.advanceTimersByTimeAsync(10_000);
    expect(gateway.questions).toHaveLength(1);
    poll.happened();
    await vi.advanceTimersByTimeAsync(0);
    expect(gateway.questions).toHaveLength(2);
    await gateway.answer(1, "two");
    poll.happened();
    await vi.advanceTimersByTimeAsync(2_999);
    expect(gateway.questions).toHaveLength(2);
    await vi.advanceTimersByTimeAsync(1);
    expect(gateway.questions).toHaveLength(3);
    expect(poll.answer.value).toMatchObject({ question: "SPY", value: "two" });
  });

  it("counts what happens while an answer is on its way", async () => {
    await begin();
    poll.happened();
    await gateway.answer(0, "one");
    await vi.advanceTimersByTimeAsync(3_000);
    expect(gateway.questions).toHaveLength(2);
  });

  it("pauses ten times as long as a slow answer took", async () => {
    await begin();
    await gateway.answer(0, "slow", 2_000);
    poll.happened();
    await vi.advanceTimersByTimeAsync(19_999);
    expect(gateway.questions).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(1);
    expect(gateway.questions).toHaveLength(2);
  });

  it("asks after a long quiet though nothing happened", async () => {
    await begin();
    await gateway.answer(0, "one");
    await vi.advanceTimersByTimeAsync(IDLE_MS);
    expect(gateway.questions).toHaveLength(2);
  });

  it("never asks again by itself where its idle time has no end", async () => {
    poll = new Poll({ ask: gateway.ask, idleMs: () => Number.POSITIVE_INFINITY, pace: new Pace(() => 0) });
    await begin();
    await gateway.answer(0, "one");
    await vi.advanceTimersByTimeAsync(86_400_000);
    expect(gateway.questions).toHaveLength(1);
    poll.happened();
    await vi.advanceTimersByTimeAsync(0);
    expect(gateway.questions).toHaveLength(2);
  });

  it("aborts a former question, and drops its answer even where it still comes", async () => {
    await begin("SPY");
    poll.ask("QQQ");
    expect(gateway.signals[0]?.aborted).toBe(true);
    await vi.advanceTimersByTimeAsync(SETTLE_MS);
    await gateway.answer(1, "of QQQ");
    await gateway.answer(0, "of SPY");
    expect(poll.answer.value).toMatchObject({ question: "QQQ", value: "of QQQ" });
  });

  it("drops a problem of a former question", async () => {
    await begin("SPY");
    poll.ask("QQQ");
    await gateway.fail(0, new DOMException("aborted", "AbortError"));
    expect(poll.problem.value).toBeNull();
  });

  it("keeps the former answer while another question is asked", async () => {
    await begin("SPY");
    await gateway.answer(0, "of SPY");
    poll.ask("QQQ");
    await vi.advanceTimersByTimeAsync(SETTLE_MS);
    expect(gateway.questions).toEqual(["SPY", "QQQ"]);
    expect(poll.answer.value?.question).toBe("SPY");
  });

  it("does not ask questions that change at once", async () => {
    poll.wake(true);
    for (const question of ["S", "SP", "SPY"]) {
      poll.ask(question);
      await vi.advanceTimersByTimeAsync(SETTLE_MS / 2);
    }
    await vi.advanceTimersByTimeAsync(SETTLE_MS);
    expect(gateway.questions).toEqual(["SPY"]);
  });

  it("does not begin anew for the same question", async () => {
    await begin("SPY");
    poll.ask("SPY");
    expect(gateway.signals[0]?.aborted).toBe(false);
  });

  it("says a problem, keeps the answer, and asks again when the gateway said", async () => {
    await begin();
    await gateway.answer(0, "one");
    poll.happened();
    await vi.advanceTimersByTimeAsync(3_000);
    const problem = new Problem(429, "rate", "Too often.", null, null, null, 9);
    await gateway.fail(1, problem);
    expect(poll.problem.value).toBe(problem);
    expect(poll.answer.value?.value).toBe("one");
    await vi.advanceTimersByTimeAsync(8_999);
    expect(gateway.questions).toHaveLength(2);
    await vi.advanceTimersByTimeAsync(1);
    expect(gateway.questions).toHaveLength(3);
    await gateway.answer(2, "two");
    expect(poll.problem.value).toBeNull();
  });

  it("gives a gateway its time also when the question changes", async () => {
    await begin("SPY");
    await gateway.fail(0, new Problem(503, "source", "Redis is away.", null, null, null, 5));
    poll.ask("QQQ");
    await vi.advanceTimersByTimeAsync(4_999);
    expect(gateway.questions).toEqual(["SPY"]);
    await vi.advanceTimersByTimeAsync(1);
    expect(gateway.questions).toEqual(["SPY", "QQQ"]);
  });

  it("asks another question at once where only the former was refused", async () => {
    await begin("1d");
    await gateway.fail(0, new Problem(400, "parameter", "Too many trades.", "window"));
    poll.ask("15m");
    await vi.advanceTimersByTimeAsync(SETTLE_MS);
    expect(gateway.questions).toEqual(["1d", "15m"]);
  });

  it("asks nothing while asleep, and what it missed when awake again", async () => {
    await begin();
    await gateway.answer(0, "one");
    poll.wake(false);
    poll.happened();
    await vi.advanceTimersByTimeAsync(10 * IDLE_MS);
    expect(gateway.questions).toHaveLength(1);
    poll.wake(true);
    await vi.advanceTimersByTimeAsync(0);
    expect(gateway.questions).toHaveLength(2);
  });

  it("shows an error that is no problem document as a problem", async () => {
    await begin();
    await gateway.fail(0, new TypeError("not JSON"));
    expect(poll.problem.value?.message).toContain("not JSON");
  });
});
