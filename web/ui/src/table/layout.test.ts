import { expect, it } from "vitest";
import { type Placed, placed } from "./columns";
import { forgotten, remembered, restored } from "./layout";

const first = placed("wide");
const turned: Placed[] = [...first].reverse().map((each) => ({ ...each, width: each.width + 10 }));

it("gives back what was remembered, for each layout by itself", () => {
  const kept = JSON.parse(JSON.stringify(remembered({}, "wide", turned))) as object;
  expect(restored(kept, "wide")).toEqual(turned);
  expect(restored(kept, "narrow")).toEqual(placed("narrow"));
  expect(restored(forgotten(kept, "wide"), "wide")).toEqual(first);
});

it("begins anew where nothing sensible is remembered", () => {
  for (const wide of [
    undefined,
    7,
    "x",
    [],
    [null, 3],
    [{ colId: "ts" }],
    [{ colId: "no", hide: false, width: 9 }],
  ]) {
    expect(restored({ wide }, "wide")).toEqual(first);
  }
});

it("adds columns that a newer page has, and drops those that it has no more", () => {
  const older = [...turned.filter((each) => each.colId !== "iv"), { ...turned[0], colId: "former" }];
  const state = restored({ wide: older }, "wide").map((each) => each.colId);
  expect(state).toContain("iv");
  expect(state).not.toContain("former");
  expect(state).toHaveLength(first.length);
});

it("bounds a width that somebody wrote by hand", () => {
  const [time] = restored({ wide: [{ colId: "ts", hide: false, width: 1e9, sort: "desc" }] }, "wide");
  expect(time?.width).toBe(1_000);
});
