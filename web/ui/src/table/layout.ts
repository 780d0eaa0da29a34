/** The layout of the columns that a browser remembers: order, width, hidden, sorted; one for wide pages, one for phones. */

import { BY_ID, type Layout, type Placed, placed } from "./columns";

/** Pixels. */
const NARROWEST = 24;
const WIDEST = 1_000;

/** The columns as they were left. What is remembered of another version, or by hand, counts where it makes sense. */
export function restored(kept: object, layout: Layout): Placed[] {
  const first = placed(layout);
  const saved = (kept as Record<string, unknown>)[layout];
  if (!Array.isArray(saved)) return first;
  const known = new Map<string, Placed>();
  for (const each of saved as unknown[]) {
    const column = read(each);
    if (column && BY_ID.has(column.colId)) known.set(column.colId, column);
  }
  const state = [...known.values(), ...first.filter((each) => !known.has(each.colId)).map(unsorted)];
  return known.size && state.some((each) => each.sort) ? state : first;
}

/** What to remember beside the layouts that are remembered already. */
export function remembered(kept: object, layout: Layout, state: readonly Placed[]): object {
  return {
    ...kept,
    [layout]: state.map(({ colId, hide, width, sort }) => ({ colId, hide, width, sort })),
  };
}

/** The same without one layout. */
export function forgotten(kept: object, layout: Layout): object {
  const { [layout]: _, ...rest } = kept as Record<string, unknown>;
  return rest;
}

function read(value: unknown): Placed | null {
  if (typeof value !== "object" || value === null) return null;
  const { colId, hide, width, sort } = value as Record<string, unknown>;
  if (typeof colId !== "string" || typeof hide !== "boolean" || typeof width !== "number") return null;
  return {
    colId,
    hide,
    width: Math.min(WIDEST, Math.max(NARROWEST, width)),
    sort: sort === "asc" || sort === "desc" ? sort : null,
  };
}

function unsorted(column: Placed): Placed {
  return { ...column, sort: null };
}
