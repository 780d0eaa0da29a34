import { describe, expect, it } from "vitest";
import { Problem } from "../protocol/api";
import { PAUSE_LEAST_MS, PAUSE_MOST_MS, Pace } from "./pace";

const busy = (retryAfter: number | null = null) =>
  new Problem(503, "search", "Not in time.", null, null, null, retryAfter);

describe("Pace", () => {
  it("pauses ten times as long as the answer took, and not less than three seconds", () => {
    const pace = new Pace();
    expect(pace.answered(12)).toBe(PAUSE_LEAST_MS);
    expect(pace.answered(5_000)).toBe(50_000);
  });

  it("doubles its pause with each problem, up to a bound, and begins anew after an answer", () => {
    const pace = new Pace(() => 0);
    const pauses = Array.from({ length: 7 }, () => pace.failed(busy()));
    expect(pauses).toEqual([3_000, 6_000, 12_000, 24_000, 48_000, 60_000, 60_000]);
    pace.answered(1);
    expect(pace.failed(busy())).toBe(3_000);
  });

  it("waits as long as the gateway asks for, also beyond its own bound", () => {
    const pace = new Pace(() => 0);
    expect(pace.failed(busy(17))).toBe(17_000);
    expect(pace.failed(busy(120))).toBe(120_000);
  });

  it("spreads the pages that were turned away at one moment", () => {
    expect(new Pace(() => 1).failed(busy(8))).toBe(10_000);
  });

  it("leaves a question that was refused alone for long, but counts it as no failure", () => {
    const pace = new Pace(() => 0);
    expect(pace.failed(new Problem(400, "parameter", "Too many.", "window"))).toBe(PAUSE_MOST_MS);
    expect(pace.failed(busy())).toBe(PAUSE_LEAST_MS);
  });
});
