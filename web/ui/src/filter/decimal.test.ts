import fc from "fast-check";
import { expect, test } from "vitest";
import { shifted, shortDollars, typedNumber } from "./decimal";

/** As the filter language has them: finite, up to 2^53. */
const numbers = fc.double({ min: -(2 ** 53), max: 2 ** 53, noNaN: true }).map((value) => value + 0);

test("a number that is shown and typed again is the same number, in percent too", () => {
  fc.assert(
    fc.property(numbers, fc.constantFrom(0, 2), (value, places) => {
      expect(typedNumber(shifted(value, places), -places)).toBe(value);
    }),
  );
});

test("dollars that are shown short and typed again are the same dollars", () => {
  fc.assert(
    fc.property(
      fc.oneof(
        numbers,
        fc.integer().map((value) => value * 1_000),
      ),
      (value) => {
        expect(typedNumber(shortDollars(value))).toBe(value);
      },
    ),
  );
});

test.each([
  [25_000, "25k"],
  [1_000_000, "1m"],
  [1_250_000, "1.25m"],
  [1_234_000, "1234k"],
  [999, "999"],
  [0, "0"],
  [-2_000, "-2k"],
])("%d dollars are typed %s", (dollars, text) => {
  expect(shortDollars(dollars)).toBe(text);
});

test.each([
  ["1.1m", 1_100_000],
  ["100K", 100_000],
  ["$2.45", 2.45],
  ["1,250,000", 1_250_000],
  [" .5 ", 0.5],
  ["-5", -5],
  ["50 %", 50],
])("%s is a number", (text, value) => {
  expect(typedNumber(text)).toBe(value);
});

test.each(["", "abc", "0,5", "1.2.3", "1e5", "--1", "k", "∞"])("%s is none", (text) => {
  expect(typedNumber(text)).toBeNull();
});
