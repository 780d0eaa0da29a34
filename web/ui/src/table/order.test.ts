import { expect, it } from "vitest";
import type { Trade } from "../protocol/trade";
import type { Value } from "./columns";
import { byTime, byValue } from "./order";
import { trade } from "./trade.fixture";

interface Node {
  data: Trade;
}

/** Sorted as the grid does it: the comparator's answer turned round for descending. */
function sorted(
  nodes: Node[],
  value: (trade: Trade) => Value,
  descending: boolean,
  compare = byValue,
): string[] {
  const turn = descending ? -1 : 1;
  return [...nodes]
    .sort((a, b) => turn * compare(value(a.data) as never, value(b.data) as never, a, b, descending))
    .map((each) => each.data.id);
}

const nodes = (...trades: Trade[]): Node[] => trades.map((data) => ({ data }));

it("puts the newest first: by time, then by the tape", () => {
  const all = nodes(trade("a", 5, { ts: 1 }), trade("b", 3, { ts: 2 }), trade("c", 4, { ts: 2 }));
  expect(sorted(all, (each) => each.ts, true, byTime as typeof byValue)).toEqual(["c", "b", "a"]);
});

it("leaves a changed row where it is, though its seq rises", () => {
  const all = nodes(trade("a", 1, { ts: 2 }), trade("b", 3, { ts: 2 }));
  expect(sorted(all, (each) => each.ts, true, byTime as typeof byValue)).toEqual(["b", "a"]);
  (all[0] as Node).data = trade("a", 9, { ts: 2, flags: ["sweep"] });
  expect(sorted(all, (each) => each.ts, true, byTime as typeof byValue)).toEqual(["b", "a"]);
});

it("puts the unknown last either way", () => {
  const all = nodes(trade("a", 1, { iv: null }), trade("b", 2, { iv: 0.2 }), trade("c", 3, { iv: 0.5 }));
  expect(sorted(all, (each) => each.iv, false)).toEqual(["b", "c", "a"]);
  expect(sorted(all, (each) => each.iv, true)).toEqual(["c", "b", "a"]);
});

it("puts equals newest first either way", () => {
  const all = nodes(
    trade("a", 1),
    trade("c", 3),
    trade("b", 2),
    trade("x", 4, { iv: null }),
    trade("y", 5, { iv: null }),
  );
  expect(sorted(all, (each) => each.iv, false)).toEqual(["c", "b", "a", "y", "x"]);
  expect(sorted(all, (each) => each.iv, true)).toEqual(["c", "b", "a", "y", "x"]);
});
