import { describe, expect, it } from "vitest";
import { inOrder, moved } from "./tab_order";

describe("the order of tabs", () => {
  it("is the one that was left, and by name behind it", () => {
    expect(inOrder(["zero", "big", "calls", "puts"], ["puts", "gone", "big"])).toEqual([
      "puts",
      "big",
      "calls",
      "zero",
    ]);
  });

  it("moves one and keeps the others as they were", () => {
    expect(moved(["a", "b", "c"], "a", 2)).toEqual(["b", "c", "a"]);
    expect(moved(["a", "b", "c"], "c", 0)).toEqual(["c", "a", "b"]);
  });

  it("ends at the ends", () => {
    expect(moved(["a", "b"], "a", -1)).toEqual(["a", "b"]);
    expect(moved(["a", "b"], "a", 9)).toEqual(["b", "a"]);
  });
});
