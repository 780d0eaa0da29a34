import { describe, expect, it } from "vitest";
import type { Trade } from "../protocol/trade";
import { courseOf, crossingOf, figuresOf } from "./contract_figures";
import { markRadius } from "./price_picture";
import { listWords } from "./print_list";
import { contractName, crossingWords, flagWords } from "./words";

/** 15:00:00 in New York. */
const AT = Date.UTC(2026, 10, 20, 20, 0, 0);

function print(number: number, more: Partial<Trade> = {}): Trade {
  return {
    id: `t${number}`,
    seq: number,
    ts: AT + number * 1_000,
    received: AT,
    underlying: "SPY",
    symbol: "SPY261218C00600000",
    right: "C",
    expiry: 20261218,
    strike: 600,
    price: 2.5,
    size: 10,
    premium: 2_500,
    bid: 2.4,
    ask: 2.5,
    underlying_price: 598,
    dte: 28,
    otm_pct: 0.33,
    volume: 10 * number,
    open_interest: 25,
    vol_oi: (10 * number) / 25,
    iv: 0.2,
    delta: 0.4,
    side: "mid",
    sentiment: "neutral",
    flags: [],
    conditions: [],
    exchange: "XCBO",
    ...more,
  };
}

const newestFirst = (...trades: Trade[]) => trades.reverse();

describe("figures of a contract", () => {
  it("are bought at the ask or above, sold at the bid or below, and neither in between", () => {
    const figures = figuresOf([
      print(5, { side: "above_ask", size: 5, premium: 50 }),
      print(4, { side: "ask", size: 4, premium: 40 }),
      print(3, { side: "mid", size: 3, premium: 30 }),
      print(2, { side: "bid", size: 2, premium: 20 }),
      print(1, { side: "below_bid", size: 1, premium: 10 }),
    ]);
    expect(figures.bought).toEqual({ contracts: 9, premium: 90 });
    expect(figures.sold).toEqual({ contracts: 3, premium: 30 });
    expect(figures.held).toEqual({ contracts: 15, premium: 150 });
    expect(figures.prints).toBe(5);
  });

  it("leave a cancelled print out of the sums, but believe its volume, from which it was taken", () => {
    const cancelled = print(2, { seq: 9, flags: ["cancelled"], side: "none", volume: 30 });
    const figures = figuresOf([print(3, { volume: 40 }), cancelled, print(1)]);
    expect(figures.held.contracts).toBe(20);
    expect(figures.volume).toBe(30);
  });

  it("pass over prints whose volume is unknown", () => {
    expect(figuresOf([print(2, { volume: null }), print(1)]).volume).toBe(10);
    expect(figuresOf([]).volume).toBeNull();
  });
});

describe("the course of a contract", () => {
  it("is the prints from the oldest on, without cancelled ones", () => {
    const course = courseOf(newestFirst(print(1), print(2, { flags: ["cancelled"] }), print(3)));
    expect(course.volumes).toEqual([10, 30]);
    expect(course.times).toEqual([AT + 1_000, AT + 3_000]);
  });

  it("crosses open interest at the first print above it", () => {
    const course = courseOf(newestFirst(print(1), print(2), print(3), print(4)));
    expect(crossingOf(course)).toEqual({ at: 2 });
    expect(crossingWords(crossingOf(course), course)).toBe("passed open interest at 15:00:03");
  });

  it("crosses at its first print where that one took it above", () => {
    expect(crossingOf(courseOf([print(3)]))).toEqual({ at: 0 });
  });

  it("says that it was above before the prints that are held", () => {
    expect(crossingOf(courseOf(newestFirst(print(8), print(9))))).toBe("before");
  });

  it("says that it is not above yet, or that nothing is known", () => {
    expect(crossingOf(courseOf([print(1)]))).toBe("not yet");
    expect(crossingOf(courseOf([print(1, { open_interest: null })]))).toBe("unknown");
  });
});

describe("how a contract is written", () => {
  it.each([
    [28, "SPY 600 Call 2026-12-18 (28 days)"],
    [1, "SPY 600 Call 2026-12-18 (1 day)"],
    [0, "SPY 600 Call 2026-12-18 (expires today)"],
  ])("with %d days to go it is %s", (dte, words) => {
    expect(contractName(print(1, { dte }))).toBe(words);
  });

  it("leaves out of the flags what the page says once for all", () => {
    expect(flagWords(["multi_leg", "sweep", "synthetic"])).toBe("multi leg, sweep");
  });

  it("says how many prints there are, and when more were not read", () => {
    expect(listWords(1, false)).toBe("1 print");
    expect(listWords(45, false)).toBe("45 prints");
    expect(listWords(812, false)).toBe("Newest 200 of 812 prints");
    expect(listWords(2_000, true)).toBe("Newest 200 of 2,000 or more prints");
  });

  it("draws marks whose area goes with the contracts", () => {
    expect(markRadius(0, 400)).toBe(2.5);
    expect(markRadius(400, 400)).toBe(9);
    expect(markRadius(100, 400)).toBe(5.75);
    expect(markRadius(1, 1)).toBeLessThan(4);
  });
});
