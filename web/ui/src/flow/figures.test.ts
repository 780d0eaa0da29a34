import { describe, expect, it } from "vitest";
import type { Stats, Sums } from "../protocol/api";
import { Problem } from "../protocol/api";
import { netPremium, outline } from "./net_premium";
import { putCallLine, ratioText, ratioWords } from "./put_call";
import { shownWords, troubleWords } from "./state_words";
import { topTickers } from "./top_tickers";

const NOTHING: Sums = {
  trades: 0,
  premium: 0,
  call_premium: 0,
  put_premium: 0,
  net_premium: 0,
  net_call_premium: 0,
  net_put_premium: 0,
  bullish_premium: 0,
  bearish_premium: 0,
  net_bullish_premium: 0,
  call_volume: 0,
  put_volume: 0,
};

/** 15:00:00 in New York, ten minutes of four parts. */
const AFTER = Date.UTC(2026, 10, 20, 20, 0, 0);
const part = (number: number, sums: Partial<Sums>) => ({
  ...NOTHING,
  ...sums,
  after: AFTER + number * 150_000,
  to: AFTER + (number + 1) * 150_000,
});

describe("net premium", () => {
  const stats = {
    after: AFTER,
    series: [
      part(0, { net_call_premium: 100, net_put_premium: -20 }),
      part(1, {}),
      part(2, { net_call_premium: -250, net_put_premium: 5 }),
      part(3, { net_call_premium: 10 }),
    ],
  };

  it("is added up from zero where the window begins", () => {
    const net = netPremium(stats);
    expect(net.times).toEqual([0, 150_000, 300_000, 450_000, 600_000].map((ms) => AFTER + ms));
    expect(net.calls).toEqual([0, 100, 100, -150, -140]);
    expect(net.puts).toEqual([0, -20, -20, -15, -15]);
  });

  it("is outlined with its last point, in few rows", () => {
    expect(outline(netPremium(stats), 2).map((row) => row.calls)).toEqual([100, -140]);
    expect(outline(netPremium(stats), 9).map((row) => row.calls)).toEqual([100, 100, -150, -140]);
    expect(outline({ times: [], calls: [], puts: [] }, 3)).toEqual([]);
  });
});

describe("put/call ratio", () => {
  it.each([
    [0, 0, null, "no trades"],
    [10, 0, "∞", "only puts"],
    [0, 10, "0.00", "only calls"],
    [72, 100, "0.72", "more calls"],
    [104, 100, "1.04", "about even"],
    [996, 1000, "1.00", "about even"],
    [124, 10, "12.4", "more puts"],
    [124, 1, "124", "more puts"],
    [5_000_000, 1, ">999", "more puts"],
  ])("of %d to %d is %s: %s", (puts, calls, text, words) => {
    expect(ratioText(puts, calls)).toBe(text);
    expect(ratioWords(puts, calls)).toBe(words);
  });

  it("is drawn as the puts' share, a gap where nothing was traded", () => {
    const series = [
      part(0, { call_premium: 30, put_premium: 10, put_volume: 4 }),
      part(1, { call_premium: 20, put_premium: 40 }),
      part(2, {}),
      part(3, {}),
    ];
    const line = putCallLine(series, 2);
    expect(line.times).toEqual([AFTER + 300_000, AFTER + 600_000]);
    expect(line.premium).toEqual([0.5, null]);
    expect(line.volume).toEqual([1, null]);
  });
});

describe("top tickers", () => {
  const of = (underlying: string, call: number, put: number, net: number) => ({
    ...NOTHING,
    underlying,
    premium: call + put,
    call_premium: call,
    put_premium: put,
    net_bullish_premium: net,
  });

  it("have bars against the first, split into calls and puts", () => {
    const [spy, qqq] = topTickers({
      underlyings: [of("SPY", 3_000_000, 1_000_000, 1_200_000), of("QQQ", 0, 2_000_000, -300_000)],
    });
    expect(spy).toMatchObject({ calls: 0.75, puts: 0.25 });
    expect(spy).toMatchObject({ split: "calls 75%, puts 25%", lean: "net bullish" });
    expect(qqq).toMatchObject({ calls: 0, puts: 0.5 });
    expect(qqq).toMatchObject({ split: "calls 0%, puts 100%", lean: "net bearish" });
  });

  it("are none without premium", () => {
    expect(topTickers({ underlyings: [] })).toEqual([]);
    expect(topTickers({ underlyings: [of("SPY", 0, 0, 0)] })).toEqual([]);
  });

  it("lean to neither side at zero", () => {
    expect(topTickers({ underlyings: [of("SPY", 10, 0, 0)] })[0]?.lean).toBe("balanced");
  });
});

describe("what the pictures say of themselves", () => {
  const stats = { ...part(0, { trades: 1, premium: 50_000 }), to: AFTER } as unknown as Stats;
  const question = { q: "SPY", window: "1d" } as const;
  const tooMany = new Problem(400, "parameter", "window: it holds more.", "window");

  it("names the end of the window, and how far a delayed tier is behind", () => {
    expect(shownWords(stats, 0)).toBe("1 trade · $50.0K · until 15:00:00 New York");
    expect(shownWords(stats, 900)).toContain(", 15 min behind");
    expect(shownWords(stats, 45)).toContain(", 45 s behind");
  });

  it("names the remedy for a window with too many trades, and what is shown instead", () => {
    const former = { question: { q: "SPY", window: "15m" }, value: stats, at: 0 } as const;
    expect(troubleWords(tooMany, question, former)).toBe(
      "Too many trades in 1d to add up: choose a shorter window, or narrow the filter. " +
        "Shown is 15m until 15:00:00.",
    );
    expect(troubleWords(tooMany, { q: "*", window: "1d" }, former)).toContain("Shown is “SPY”, 15m");
    expect(troubleWords(tooMany, question, null)).not.toContain("Shown");
  });

  it("passes on what the gateway says of anything else, and is silent without a problem", () => {
    expect(troubleWords(new Problem(401, "access", "The token has expired."), question, null)).toBe(
      "The token has expired.",
    );
    expect(troubleWords(null, question, null)).toBeNull();
  });
});
