import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { Problem } from "../protocol/api";
import { EVERYTHING, type ReadFilter } from "../protocol/filter";
import { RETRY_MS } from "./asking";
import { APPLY_MS, CHECK_MS, FilterDraft } from "./draft";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const filterOf = (text: string): ReadFilter => ({ text, filter: { underlying: [text] } });

/** A draft whose reader takes capitals for right and anything else for wrong, after `answerMs`. */
function draftOf({ answerMs = 10 } = {}) {
  const asked: string[] = [];
  const applied: string[] = [];
  const state = { choosing: false, unreachable: false };
  const draft = new FilterDraft({
    read: async (text) => {
      asked.push(text);
      await new Promise((resolve) => setTimeout(resolve, answerMs));
      if (state.unreachable) throw new Problem(0, "unreachable", "The gateway does not answer.");
      if (text === "") return EVERYTHING;
      if (text !== text.toUpperCase()) throw new Problem(400, "filter", "Wrong.", null, 0, text.length);
      return filterOf(text.trim());
    },
    apply: (read) => applied.push(read.text),
    choosing: () => state.choosing,
  });
  return { draft, asked, applied, state };
}
const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms);

describe("a text that is typed", () => {
  test("is asked for once the typist rests, and is in force after the longer rest", async () => {
    const { draft, asked, applied } = draftOf();
    for (const text of ["S", "SP", "SPY"]) {
      draft.edit(text);
      await pass(CHECK_MS - 1);
    }
    expect(asked).toEqual([]);
    await pass(11);
    expect(asked).toEqual(["SPY"]);
    expect(draft.standing.value.kind).toBe("ready");
    await pass(APPLY_MS - CHECK_MS - 11);
    expect(applied).toEqual([]);
    await pass(1);
    expect(applied).toEqual(["SPY"]);
    expect(draft.standing.value.kind).toBe("applied");
  });

  test("and is wrong never gets in force, by rest or by Enter", async () => {
    const { draft, applied } = draftOf();
    draft.edit("swep");
    await pass(APPLY_MS * 3);
    draft.apply();
    await pass(APPLY_MS * 3);
    expect(draft.standing.value).toMatchObject({ kind: "wrong", problem: { position: 0, length: 4 } });
    expect(applied).toEqual([]);
  });

  test("is in force at once by Enter, whether it was read before or not", async () => {
    const { draft, applied } = draftOf();
    draft.edit("SPY");
    draft.apply();
    await pass(10);
    expect(applied).toEqual(["SPY"]);
    draft.edit("QQQ");
    await pass(CHECK_MS + 10);
    draft.apply();
    expect(applied).toEqual(["SPY", "QQQ"]);
  });

  test("stays as it is typed until the field is left", async () => {
    const { draft } = draftOf();
    draft.edit("SPY ");
    draft.apply();
    await pass(10);
    draft.take(filterOf("SPY"));
    expect(draft.text.value).toBe("SPY ");
    draft.leave();
    expect(draft.text.value).toBe("SPY");
  });

  test("waits while the typist chooses how a word goes on", async () => {
    const { draft, asked, applied, state } = draftOf();
    state.choosing = true;
    draft.edit("SP");
    await pass(APPLY_MS * 2);
    expect(asked).toEqual([]);
    state.choosing = false;
    await pass(CHECK_MS + 10);
    expect(applied).toEqual(["SP"]);
  });

  test("of an older answer is not heard", async () => {
    const { draft, applied } = draftOf({ answerMs: 500 });
    draft.edit("SPY");
    await pass(CHECK_MS + 10);
    draft.edit("swep");
    await pass(CHECK_MS + 490);
    expect(draft.standing.value.kind).toBe("unread");
    await pass(10);
    expect(draft.standing.value.kind).toBe("wrong");
    expect(applied).toEqual([]);
  });

  test("that says what is in force is applied already", async () => {
    const { draft, applied } = draftOf();
    draft.take(filterOf("SPY"));
    draft.edit("SPY ");
    await pass(CHECK_MS + 10);
    expect(draft.standing.value.kind).toBe("applied");
    expect(applied).toEqual([]);
  });

  test("is asked for again when the gateway could not answer, and Enter is not forgotten", async () => {
    const { draft, asked, applied, state } = draftOf();
    state.unreachable = true;
    draft.edit("SPY");
    draft.apply();
    await pass(10);
    expect(draft.standing.value.kind).toBe("unanswered");
    state.unreachable = false;
    await pass(RETRY_MS + 10);
    expect(asked).toEqual(["SPY", "SPY"]);
    expect(applied).toEqual(["SPY"]);
  });
});

describe("Escape", () => {
  test("puts back what is in force", async () => {
    const { draft, applied } = draftOf();
    draft.take(filterOf("SPY"));
    draft.edit("swep");
    await pass(CHECK_MS + 10);
    expect(draft.putBack()).toBe(true);
    expect(draft.text.value).toBe("SPY");
    await pass(APPLY_MS * 2);
    expect(applied).toEqual([]);
  });

  test("has nothing to put back where nothing was changed", () => {
    const { draft } = draftOf();
    draft.take(filterOf("SPY"));
    expect(draft.putBack()).toBe(false);
  });
});

describe("a filter of other hands", () => {
  test("takes the place of what is typed", async () => {
    const { draft, applied } = draftOf();
    draft.edit("QQQ");
    draft.take(filterOf("SPY"));
    expect(draft.text.value).toBe("SPY");
    await pass(APPLY_MS * 2);
    expect(applied).toEqual([]);
  });

  test("of every trade leaves the field empty", () => {
    const { draft } = draftOf();
    draft.take(filterOf("SPY"));
    draft.take(EVERYTHING);
    expect(draft.text.value).toBe("");
  });

  test("may come with a text that is not in force, which is checked", async () => {
    const { draft } = draftOf();
    draft.begin(EVERYTHING, "swep");
    await pass(CHECK_MS + 10);
    expect(draft.text.value).toBe("swep");
    expect(draft.standing.value.kind).toBe("wrong");
  });
});
