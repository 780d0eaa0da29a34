import { describe, expect, it } from "vitest";
import type { FilterObject } from "../protocol/filter";
import { QUICK_FILTERS } from "./quick_filters";

const quick = (label: string) => {
  const found = QUICK_FILTERS.find((each) => each.label === label);
  if (found === undefined) throw new Error(label);
  return found;
};

describe("quick filters", () => {
  it.each(QUICK_FILTERS.map((each) => [each.label, each] as const))(
    "%s is on once turned, and leaves no trace when turned back",
    (_, each) => {
      const before: FilterObject = { underlying: ["SPY"], dte: { lte: 7 } };
      const on = each.turned(before);
      expect(each.isOn(before)).toBe(false);
      expect(each.isOn(on)).toBe(true);
      expect(each.turned(on)).toEqual(before);
    },
  );

  it("turns an excluded flag into one that must be there", () => {
    const filter: FilterObject = { flags: { none: ["sweep", "late"] } };
    expect(quick("Sweeps").turned(filter)).toEqual({ flags: { all: ["sweep"], none: ["late"] } });
  });

  it("replaces the other side of a pair", () => {
    expect(quick("Puts").turned({ right: ["C"] })).toEqual({ right: ["P"] });
    expect(quick("At ask").turned({ side: ["bid"] })).toEqual({ side: ["ask", "above_ask"] });
  });

  it("replaces the lower bound of the premium, and an upper one only where nothing would pass", () => {
    expect(quick("≥ $1M").turned({ premium: { gt: 5, lte: 2_000_000 } })).toEqual({
      premium: { gte: 1_000_000, lte: 2_000_000 },
    });
    expect(quick("≥ $1M").turned({ premium: { lt: 1_000_000 } })).toEqual({ premium: { gte: 1_000_000 } });
    expect(quick("≥ $1M").turned({ premium: { gte: 1_000_000, lte: 3_000_000 } })).toEqual({
      premium: { lte: 3_000_000 },
    });
  });

  it("reads the order of values as the gateway may have put it", () => {
    expect(quick("At ask").isOn({ side: ["above_ask", "ask"] })).toBe(true);
  });
});
