import { describe, expect, it } from "vitest";
import { type Clock, Frames } from "./frames";

/** A browser of sixty frames a second, in which each draw takes so long. */
class Browser implements Clock {
  time = 0;
  private readonly waiting: { at: number; run: () => void; cancelled: boolean }[] = [];

  now = () => this.time;
  frame = (run: () => void) => this.add((Math.floor(this.time / 16) + 1) * 16, run);
  cancelFrame = (id: number) => {
    (this.waiting[id] as { cancelled: boolean }).cancelled = true;
  };
  after = (ms: number, run: () => void) =>
    this.add(this.time + ms, run) as unknown as ReturnType<typeof setTimeout>;

  runTo(end: number): void {
    for (;;) {
      const next = this.waiting.filter((each) => !each.cancelled).sort((a, b) => a.at - b.at)[0];
      if (next === undefined || next.at > end) break;
      this.time = Math.max(this.time, next.at);
      next.cancelled = true;
      next.run();
    }
    this.time = Math.max(this.time, end);
  }

  private add(at: number, run: () => void): number {
    return this.waiting.push({ at, run, cancelled: false }) - 1;
  }
}

function drawing(drawMs: number) {
  const browser = new Browser();
  const drawn: number[] = [];
  const frames = new Frames(() => {
    drawn.push(browser.time);
    browser.time += drawMs;
  }, browser);
  return { browser, drawn, frames };
}

describe("Frames", () => {
  it("draws once a frame, however often it is asked", () => {
    const { browser, drawn, frames } = drawing(1);
    for (let ask = 0; ask < 5; ask++) frames.ask();
    browser.runTo(100);
    expect(drawn).toEqual([16]);
  });

  it("draws in every frame where drawing is light", () => {
    const { browser, drawn, frames } = drawing(2);
    for (let ms = 0; ms < 160; ms += 4) {
      frames.ask();
      browser.runTo(ms);
    }
    expect(drawn.length).toBe(9);
  });

  it("leaves the page as long as a heavy draw took, and then draws what was asked for meanwhile", () => {
    const { browser, drawn, frames } = drawing(50);
    for (let ms = 0; ms < 1_000; ms += 10) {
      frames.ask();
      browser.runTo(ms);
    }
    const pauses = drawn.slice(1).map((at, index) => at - (drawn[index] as number));
    expect(Math.min(...pauses)).toBeGreaterThanOrEqual(100);
    expect(drawn.length).toBeGreaterThan(7);
    const before = drawn.length;
    browser.runTo(2_000);
    expect(drawn.length - before).toBeLessThanOrEqual(1);
  });

  it("draws nothing more once it is stopped", () => {
    const { browser, drawn, frames } = drawing(1);
    frames.ask();
    frames.stop();
    browser.runTo(100);
    expect(drawn).toEqual([]);
  });
});
