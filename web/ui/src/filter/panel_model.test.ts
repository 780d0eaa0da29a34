import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type FilterObject, RANGES, type Range, type RangeField } from "../protocol/filter";
import {
  answeredForm,
  conditions,
  EMPTY_RANGE,
  filterOf,
  formOf,
  saysSame,
  withFlag,
  withRange,
} from "./panel_model";

const tickers = fc.stringMatching(/^[A-Z][A-Z0-9]{0,5}$/);
const FLAGS = ["auction", "block", "cross", "golden", "iso", "late", "multi_leg", "sweep"];

/** Sorted, without repetition, never empty: as the gateway writes every list. */
const listOf = (values: fc.Arbitrary<string>) =>
  fc.uniqueArray(values, { minLength: 1, maxLength: 6 }).map((each) => each.toSorted());

const days = fc
  .date({ min: new Date("1990-01-01"), max: new Date("2099-12-31"), noInvalidDate: true })
  .map((day) => Number(day.toISOString().slice(0, 10).replaceAll("-", "")));
const numbers = fc.oneof(
  fc.integer(),
  fc.integer({ min: -5_000, max: 5_000 }).map((thousands) => thousands * 1_000),
  fc.double({ min: -(2 ** 53), max: 2 ** 53, noNaN: true }).map((value) => value + 0),
);

const rangeOf = (bounds: fc.Arbitrary<number>): fc.Arbitrary<Range> =>
  fc
    .tuple(
      fc.option(fc.tuple(fc.constantFrom("gte", "gt"), bounds)),
      fc.option(fc.tuple(fc.constantFrom("lte", "lt"), bounds)),
    )
    .filter((ends) => ends.some((end) => end !== null))
    .map((ends) => Object.fromEntries(ends.filter((end) => end !== null)) as Range);

const flags = fc
  .tuple(fc.shuffledSubarray(FLAGS), fc.nat(4), fc.nat(4))
  .map(([chosen, first, second]) => {
    const any = chosen.slice(first, first + second);
    const sets = {
      all: chosen.slice(0, first),
      any: any.length > 1 ? any : [],
      none: chosen.slice(first + second),
    };
    return Object.fromEntries(
      Object.entries(sets)
        .filter(([, set]) => set.length > 0)
        .map(([name, set]) => [name, set.toSorted()]),
    );
  })
  .filter((sets) => Object.keys(sets).length > 0);

/** Any filter in the canonical form that the gateway writes. */
const filters = fc.record(
  {
    underlying: fc.oneof(listOf(tickers), listOf(tickers.map((name) => `-${name}`))),
    right: fc.constantFrom(["C"], ["P"]),
    side: listOf(fc.constantFrom("above_ask", "ask", "mid", "bid", "below_bid", "none")),
    sentiment: listOf(fc.constantFrom("bullish", "bearish")),
    exchange: listOf(fc.stringMatching(/^[A-Z]{4}$/)),
    symbol: listOf(tickers.map((name) => `${name}261218C00600000`)),
    flags,
    ...Object.fromEntries(
      RANGES.map((field) => [field, rangeOf(field === "expiry" ? days : numbers)] as const),
    ),
  },
  { requiredKeys: [] },
) as fc.Arbitrary<FilterObject>;

test("every filter is the same after it was shown in the controls", () => {
  fc.assert(
    fc.property(filters, (filter) => {
      expect(filterOf(formOf(filter))).toEqual(filter);
    }),
  );
});

test("a filter of nothing has no conditions, and each one counts", () => {
  expect(conditions({})).toBe(0);
  fc.assert(
    fc.property(filters, (filter) => {
      const fields = Object.keys(filter).length;
      expect(conditions(filter)).toBeGreaterThanOrEqual(fields);
      expect(conditions(filterOf(formOf(filter)))).toBe(conditions(filter));
    }),
  );
});

const typed = (field: RangeField, low: string, high = "") =>
  filterOf(
    withRange(formOf({}), field, { low: { text: low, open: false }, high: { text: high, open: false } }),
  )[field];

describe("a bound", () => {
  test("is typed as people say it", () => {
    expect(typed("premium", "25k", "1.5m")).toEqual({ gte: 25_000, lte: 1_500_000 });
    expect(typed("iv", "62.5")).toEqual({ gte: 0.625 });
    expect(typed("otm_pct", "-5")).toEqual({ gte: -5 });
    expect(typed("expiry", "2026-12-18", "2026-12-31")).toEqual({ gte: 20261218, lte: 20261231 });
  });

  test("that is no number goes to the gateway as it stands, for its words", () => {
    expect(typed("iv", "abc")).toEqual({ gte: "abc" });
  });

  test("of blanks is none", () => {
    expect(typed("size", " ", "")).toBeUndefined();
  });

  test("stays open when it is shown and typed again", () => {
    const form = formOf({ otm_pct: { gt: 5 } });
    expect(form.ranges.otm_pct.low).toEqual({ text: "5", open: true });
    expect(filterOf(withRange(form, "otm_pct", EMPTY_RANGE))).toEqual({});
  });

  test("says the same in several spellings", () => {
    expect(saysSame("premium", "100k", "100,000")).toBe(true);
    expect(saysSame("premium", "100k", "100")).toBe(false);
    expect(saysSame("size", "", "0")).toBe(false);
  });
});

describe("flags of which at least one must be there", () => {
  const one = withFlag(formOf({ flags: { none: ["late"] } }), "sweep", "or");

  test("are asked for from the second on: one alone would be a must", () => {
    expect(filterOf(one)).toEqual({ flags: { none: ["late"] } });
    expect(filterOf(withFlag(one, "block", "or"))).toEqual({
      flags: { any: ["block", "sweep"], none: ["late"] },
    });
  });

  test("keep the first mark while the second is awaited", () => {
    expect(answeredForm(one, filterOf(one))).toEqual(one);
  });

  test("take the gateway's answer where it knows better", () => {
    expect(answeredForm(one, { flags: { all: ["sweep"] } }).flags).toEqual({ sweep: "must" });
    const two = withFlag(one, "block", "or");
    expect(answeredForm(two, { flags: { all: ["block"] } }).flags).toEqual({ block: "must" });
  });
});
