import fc from "fast-check";
import { expect, test } from "vitest";
import { wordsOf } from "./words";
import { WORDS } from "./words_for_tests";

const shown = (text: string) =>
  wordsOf(text, WORDS).map(({ from, to, kind }) => `${kind} ${text.slice(from, to)}`);

test("each word of a filter has its kind", () => {
  expect(shown("SPY,QQQ -TSLA calls premium>=100k sweep|block -multi_leg side:ask,above_ask")).toEqual([
    "ticker SPY",
    "ticker QQQ",
    "excluded -TSLA",
    "value calls",
    "field premium",
    "operator >=",
    "number 100k",
    "flag sweep|block",
    "excluded -multi_leg",
    "field side",
    "operator :",
    "value ask,above_ask",
  ]);
});

test("aliases, capitals and spaces around a sign are no other words", () => {
  expect(shown("0DTE OI > 5 ticker:CALL")).toEqual([
    "flag 0DTE",
    "field OI",
    "operator >",
    "number 5",
    "field ticker",
    "operator :",
    "ticker CALL",
  ]);
});

test("what no word can be is unknown, and a field without a value still one", () => {
  expect(shown("premum>=1 side: ???")).toEqual([
    "unknown premum",
    "operator >=",
    "value 1",
    "field side",
    "operator :",
    "value ???",
  ]);
  expect(shown("vol<")).toEqual(["field vol", "operator <"]);
  expect(shown("a~b")).toEqual(["unknown a~b"]);
});

test("the words of any text stand in order and do not overlap", () => {
  const piece = fc.constantFrom(
    "SPY",
    ",",
    " ",
    "-",
    "|",
    "premium",
    ">=",
    ":",
    "..",
    "100k",
    "sweep",
    "é",
    "😀",
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 20 }), (pieces) => {
      const text = pieces.join("");
      let end = 0;
      for (const { from, to } of wordsOf(text, WORDS)) {
        expect(from).toBeGreaterThanOrEqual(end);
        expect(to).toBeGreaterThan(from);
        expect(text.slice(from, to).trim()).not.toBe("");
        end = to;
      }
      expect(end).toBeLessThanOrEqual(text.length);
    }),
  );
});
