import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Problem } from "../protocol/api";
import type { FilterObject, ReadFilter } from "../protocol/filter";
import { PanelEdits, TYPING_MS } from "./panel_edits";
import { formOf, withFlag, withRange } from "./panel_model";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const readOf = (filter: FilterObject): ReadFilter => ({ text: JSON.stringify(filter), filter });

/** Edits whose gateway refuses texts in place of numbers, as the real one does. */
function editsOf() {
  const asked: FilterObject[] = [];
  const applied: FilterObject[] = [];
  const edits = new PanelEdits({
    write: async (filter) => {
      asked.push(filter);
      if (typeof filter.premium?.gte === "string") {
        throw new Problem(400, "filter", "premium: 'abc' is no number.", "premium");
      }
      return readOf(filter);
    },
    apply: (read) => applied.push(read.filter),
  });
  return { edits, asked, applied };
}
const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms);
const premium = (text: string) =>
  withRange(formOf({}), "premium", { low: { text, open: false }, high: { text: "", open: false } });

test("what is typed is asked for when the typist rests, what is chosen at once", async () => {
  const { edits, asked, applied } = editsOf();
  edits.change(premium("1"), true);
  await pass(TYPING_MS - 1);
  edits.change(premium("100k"), true);
  await pass(TYPING_MS - 1);
  expect(asked).toEqual([]);
  await pass(1);
  expect(applied).toEqual([{ premium: { gte: 100_000 } }]);
  edits.change(withFlag(edits.form.value, "sweep", "must"));
  await pass(0);
  expect(applied[1]).toEqual({ flags: { all: ["sweep"] }, premium: { gte: 100_000 } });
});

test("a wrong value stands in its control with the gateway's words, and what was in force stays", async () => {
  const { edits, applied } = editsOf();
  edits.change(premium("abc"));
  await pass(0);
  expect(edits.problem.value).toMatchObject({ field: "premium", message: "premium: 'abc' is no number." });
  expect(edits.form.value.ranges.premium.low.text).toBe("abc");
  expect(applied).toEqual([]);
  edits.change(premium("5k"));
  await pass(0);
  expect(edits.problem.value).toBeNull();
  expect(applied).toEqual([{ premium: { gte: 5_000 } }]);
});

test("what is chosen before the answer came adds to what was chosen, and to nothing that was refused", async () => {
  const { edits, applied } = editsOf();
  const press = (turn: (filter: FilterObject) => FilterObject) => edits.change(formOf(turn(edits.wanted)));
  press((filter) => ({ ...filter, right: ["C"] }));
  press((filter) => ({ ...filter, flags: { all: ["sweep"] } }));
  await pass(0);
  expect(applied).toEqual([{ right: ["C"], flags: { all: ["sweep"] } }]);
  edits.change(premium("abc"));
  await pass(0);
  expect(edits.wanted).toEqual({ right: ["C"], flags: { all: ["sweep"] } });
});

test("a filter of other hands takes the place of what is changed, its own answer does not", async () => {
  const { edits, applied } = editsOf();
  edits.change(premium("abc"));
  await pass(0);
  edits.take(readOf({ underlying: ["SPY"] }));
  expect(edits.problem.value).toBeNull();
  expect(edits.form.value).toEqual(formOf({ underlying: ["SPY"] }));

  edits.change(withFlag(edits.form.value, "sweep", "or"));
  await pass(0);
  edits.take(readOf({ underlying: ["SPY"] }));
  expect(edits.form.value.flags).toEqual({ sweep: "or" });
  expect(applied).toEqual([]);
});
