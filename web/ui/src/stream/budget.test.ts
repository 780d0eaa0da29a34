import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Budget } from "./budget";
import { SILENCE_MS } from "./stream";

/** The gateway's own count (`engine/access/rates.py`): so many at once, then so many a minute. */
class Rate {
  private left: number;
  private at: number | null = null;

  constructor(private readonly perMinute: number) {
    this.left = perMinute;
  }

  allow(now: number): boolean {
    if (this.at !== null) {
      this.left = Math.min(this.perMinute, this.left + ((now - this.at) * this.perMinute) / 60_000);
    }
    this.at = now;
    this.left -= 1;
    return this.left >= 0;
  }
}

describe("a budget", () => {
  it("stays below the gateway's limit, also where the network holds messages back", () => {
    const turns = fc.array(
      fc.record({
        wait: fc.integer({ min: 0, max: 20_000 }),
        stalled: fc.integer({ min: 0, max: SILENCE_MS }),
      }),
      { maxLength: 200 },
    );
    fc.assert(
      fc.property(fc.integer({ min: 10, max: 1_000 }), turns, (perMinute, asked) => {
        const budget = new Budget(perMinute, 0);
        const rate = new Rate(perMinute);
        let now = 0;
        let arrived = 0;
        for (const { wait, stalled } of asked) {
          now += wait;
          now += budget.pause(now);
          expect(budget.pause(now)).toBe(0);
          budget.spend();
          arrived = Math.max(arrived, now + stalled);
          expect(rate.allow(arrived)).toBe(true);
        }
      }),
    );
  });

  it("begins from nothing where the gateway says that it was too much", () => {
    const budget = new Budget(60, 0);
    budget.empty();
    expect(budget.pause(0)).toBeGreaterThan(1_000);
  });
});
