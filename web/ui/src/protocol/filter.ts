/** A filter's JSON object, as docs/filters.md says it. The gateway alone reads and writes its text. */

export const LISTS = ["underlying", "right", "side", "sentiment", "exchange", "symbol"] as const;
export const RANGES = [
  "premium",
  "size",
  "price",
  "strike",
  "dte",
  "expiry",
  "otm_pct",
  "volume",
  "open_interest",
  "vol_oi",
  "iv",
  "delta",
] as const;

export type ListField = (typeof LISTS)[number];
export type RangeField = (typeof RANGES)[number];
export type Bound = "gte" | "gt" | "lte" | "lt";
export type Range = { readonly [bound in Bound]?: number };
export type FlagSets = { readonly [set in "all" | "any" | "none"]?: readonly string[] };

export type FilterObject = { readonly [field in ListField]?: readonly string[] } & {
  readonly [field in RangeField]?: Range;
} & { readonly flags?: FlagSets };

/** A filter as the gateway has read it: the canonical text and object say the same. */
export interface ReadFilter {
  /** `*` is every trade. */
  readonly text: string;
  readonly filter: FilterObject;
}

export const EVERYTHING: ReadFilter = { text: "*", filter: {} };
