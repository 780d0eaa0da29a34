import { describe, expect, it } from "vitest";
import { Backoff, FIRST_MS, LAST_MS } from "./backoff";

describe("pauses", () => {
  it("double up to a bound, and begin small again after a reset", () => {
    const backoff = new Backoff(FIRST_MS, LAST_MS, () => 1);
    const pauses = Array.from({ length: 8 }, () => backoff.next());
    expect(pauses).toEqual([500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]);
    backoff.reset();
    expect(backoff.next()).toBe(500);
  });

  it("are anywhere between nothing and the bound, so that pages do not come back all at once", () => {
    const backoff = new Backoff(1_000, 1_000);
    const pauses = Array.from({ length: 200 }, () => backoff.next());
    expect(Math.max(...pauses)).toBeLessThanOrEqual(1_000);
    expect(Math.min(...pauses)).toBeLessThan(200);
    expect(new Set(pauses).size).toBeGreaterThan(150);
  });
});
