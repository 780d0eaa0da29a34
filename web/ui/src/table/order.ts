/** How rows are ordered, by any column. */

import type { IRowNode } from "ag-grid-community";
import type { Trade } from "../protocol/trade";
import type { Value } from "./columns";

type Node = Pick<IRowNode<Trade>, "data">;

/** The `seq` with which a row took its place. A changed row has a greater one and stays where it is. */
const settled = new WeakMap<Node, number>();

function seqOf(node: Node): number {
  let seq = settled.get(node);
  if (seq === undefined) {
    seq = node.data?.seq ?? 0;
    settled.set(node, seq);
  }
  return seq;
}

/** By exchange time, then by the order of the tape, oldest first; the grid turns it round. */
export function byTime(a: number, b: number, nodeA: Node, nodeB: Node): number {
  return a - b || seqOf(nodeA) - seqOf(nodeB);
}

/** By value; what is unknown comes last either way, and equals come newest first. */
export function byValue(a: Value, b: Value, nodeA: Node, nodeB: Node, descending: boolean): number {
  // The grid turns the answer round for a descending column.
  const turn = descending ? -1 : 1;
  if (a === null || b === null) {
    if (a !== b) return a === null ? turn : -turn;
  } else if (a !== b) {
    return a < b ? -1 : 1;
  }
  const [newA, newB] = [nodeA.data?.ts ?? 0, nodeB.data?.ts ?? 0];
  return turn * byTime(newB, newA, nodeB, nodeA);
}
