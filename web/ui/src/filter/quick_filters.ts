/** What traders filter by most, as switches: each reads the filter in force and gives the one with it turned. */

import type { FilterObject, FlagSets, Range } from "../protocol/filter";

export interface QuickFilter {
  readonly label: string;
  readonly help: string;
  readonly isOn: (filter: FilterObject) => boolean;
  readonly turned: (filter: FilterObject) => FilterObject;
}

type Mutable = { -readonly [field in keyof FilterObject]: FilterObject[field] };

/** A flag in one of the three sets of `flags`; turning it on takes it out of the others. */
function flag(label: string, help: string, name: string, set: keyof FlagSets = "all"): QuickFilter {
  const isOn = (filter: FilterObject) => filter.flags?.[set]?.includes(name) ?? false;
  return {
    label,
    help,
    isOn,
    turned: (filter) => {
      const flags: { all?: string[]; any?: string[]; none?: string[] } = {};
      for (const each of ["all", "any", "none"] as const) {
        const kept = (filter.flags?.[each] ?? []).filter((other) => other !== name);
        if (each === set && !isOn(filter)) kept.push(name);
        if (kept.length) flags[each] = kept;
      }
      return withField(filter, "flags", Object.keys(flags).length ? flags : undefined);
    },
  };
}

/** Exactly these values of a list; turning it on replaces others. */
function values(
  label: string,
  help: string,
  field: "right" | "side" | "sentiment",
  ...wanted: string[]
): QuickFilter {
  const isOn = (filter: FilterObject) =>
    [...(filter[field] ?? [])].sort().join() === [...wanted].sort().join();
  return {
    label,
    help,
    isOn,
    turned: (filter) => withField(filter, field, isOn(filter) ? undefined : wanted),
  };
}

/** A least premium; turning it on replaces the lower bound and keeps an upper one that it fits below. */
function premium(label: string, dollars: number): QuickFilter {
  const isOn = (filter: FilterObject) => filter.premium?.gte === dollars;
  return {
    label,
    help: `Premium of at least ${label.slice(2)}`,
    isOn,
    turned: (filter) => {
      const { gte: _, gt: __, ...upper }: Range = filter.premium ?? {};
      if (isOn(filter)) return withField(filter, "premium", Object.keys(upper).length ? upper : undefined);
      const fits =
        (upper.lte ?? Number.POSITIVE_INFINITY) >= dollars &&
        (upper.lt ?? Number.POSITIVE_INFINITY) > dollars;
      return withField(filter, "premium", { gte: dollars, ...(fits ? upper : {}) });
    },
  };
}

function withField<F extends keyof FilterObject>(
  filter: FilterObject,
  field: F,
  value: FilterObject[F] | undefined,
): FilterObject {
  const changed: Mutable = { ...filter };
  if (value === undefined) delete changed[field];
  else changed[field] = value as Mutable[F];
  return changed;
}

export const QUICK_FILTERS: readonly QuickFilter[] = [
  premium("≥ $100K", 100_000),
  premium("≥ $1M", 1_000_000),
  flag("Sweeps", "Taken from several exchanges at once", "sweep"),
  flag("Golden", "Sweeps of a million dollars, with more volume than open interest", "golden"),
  flag("Blocks", "Very many contracts in one print", "block"),
  flag("Unusual", "Volume is high, and well above open interest", "unusual"),
  flag("Opening", "More contracts than open interest could close", "opening"),
  flag("0DTE", "Expires today", "zero_dte"),
  values("Calls", "Calls only", "right", "C"),
  values("Puts", "Puts only", "right", "P"),
  values("At ask", "Bought at the ask or above", "side", "ask", "above_ask"),
  values("At bid", "Sold at the bid or below", "side", "bid", "below_bid"),
  flag("No spreads", "Leave out legs of spreads", "multi_leg", "none"),
];
