import { describe, expect, test } from "vitest";
import { offersAt, TICKERS_OFFERED } from "./completion";
import { WORDS } from "./words_for_tests";

const SEEN = ["SPY", "QQQ", "SMH", "TSLA"];

/** What is offered where the bar stands. */
function at(text: string, seen: readonly string[] = SEEN) {
  const position = text.indexOf("│");
  return offersAt(text.replace("│", ""), position, WORDS, seen);
}
const labels = (text: string) => at(text)?.offers.map(({ label }) => label) ?? [];

describe("a bare word", () => {
  test("may be a ticker seen, a word, a flag or a field, capital or small", () => {
    expect(labels("s│")).toEqual(["SPY", "SMH", "sweep", "side:"]);
    expect(labels("premium>=1m SW│")).toEqual(["SW", "sweep"]);
    expect(labels("pu│")).toEqual(["puts"]);
  });

  test("has the ticker that is seen most first, and no more than the bound", () => {
    const many = Array.from({ length: 50 }, (_, index) => `S${index}`);
    expect(at("s│", many)?.offers.filter(({ detail }) => detail === "ticker")).toHaveLength(TICKERS_OFFERED);
    expect(at("s│", many)?.offers[0]?.label).toBe("S0");
  });

  test("is found by another name and by a part of its name, after what begins with it", () => {
    expect(labels("0dt│")).toEqual(["zero_dte"]);
    expect(labels("prem│")).toEqual(["premium", "large_premium"]);
    expect(labels("leg│")).toEqual(["multi_leg"]);
  });

  test("that stands there in full comes before what only begins with it", () => {
    expect(at("SP│", ["SPY", "SP"])?.offers[0]?.label).toBe("SP");
  });

  test("in capitals may be a ticker that was not seen, after those that were", () => {
    expect(labels("PRE│")).toEqual(["PRE", "premium", "large_premium"]);
    expect(labels("SP│")).toEqual(["SPY", "SP"]);
    expect(labels("pre│")).toEqual(["premium", "large_premium"]);
  });

  test("that is nothing known, or all that fits, has no offers", () => {
    expect(at("swep│")).toBeNull();
    expect(at("sweep│")).toBeNull();
    expect(at("QQQ│")).toBeNull();
  });

  test("is offered unasked only once a letter stands there", () => {
    expect(at("│")?.eager).toBe(false);
    expect(at("SPY │")?.eager).toBe(false);
  });

  test("begins where the word begins", () => {
    expect(at("SPY swe│ep")?.from).toBe(4);
  });
});

test("after a minus come tickers and flags only", () => {
  expect(labels("-s│")).toEqual(["SPY", "SMH", "sweep"]);
  expect(labels("-pu│")).toEqual([]);
  expect(at("calls -│")?.eager).toBe(true);
});

test("after a bar come the flags that are not yet there", () => {
  expect(labels("sweep|│")).toEqual(["multi_leg", "large_premium", "block", "zero_dte"]);
  expect(labels("sweep|b│")).toEqual(["block"]);
});

test("after a comma come tickers that are not yet there, a space or a minus between or not", () => {
  expect(labels("SPY,│")).toEqual(["QQQ", "SMH", "TSLA"]);
  expect(labels("SPY, s│")).toEqual(["SMH"]);
  expect(labels("-SPY,-q│")).toEqual(["QQQ"]);
});

describe("after a field", () => {
  test("that is written in full come its signs, with the unit", () => {
    expect(labels("premium│").slice(0, 5)).toEqual([
      "premium>=",
      "premium<=",
      "premium>",
      "premium<",
      "premium:",
    ]);
    expect(at("premium│")?.offers[0]).toEqual({
      label: "premium>=",
      detail: "at least, dollars",
      help: "Help on premium.",
      goesOn: true,
    });
  });

  test("by its other name too, beside what else begins so", () => {
    expect(labels("vol│")).toEqual(["vol>=", "vol<=", "vol>", "vol<", "vol:", "volume", "vol_oi"]);
  });

  test("with values come those, without the ones that are there", () => {
    expect(labels("side:│")).toEqual(["above_ask", "ask", "mid", "bid", "below_bid", "none"]);
    expect(labels("SPY side:ask, b│")).toEqual(["bid", "below_bid"]);
    expect(labels("SIDE : mi│")).toEqual(["mid"]);
    expect(labels("exchange:xc│")).toEqual(["XCBO"]);
  });

  test("of tickers come those", () => {
    expect(labels("ticker:S│")).toEqual(["SPY", "SMH", "S"]);
  });

  test("with numbers usual ones are offered until the first digit, so that Enter changes none", () => {
    expect(labels("premium>=│")).toEqual(["25k", "100k", "500k", "1m"]);
    expect(labels("premium>=1│")).toEqual([]);
    expect(labels("nonsense>=│")).toEqual([]);
  });

  test("whose value is written comes a new word", () => {
    expect(labels("premium>=100k sw│")).toEqual(["sweep"]);
    expect(labels("side:ask ca│")).toEqual(["calls"]);
  });
});
