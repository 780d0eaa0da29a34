/** A filter as the panel's controls show it, and back: nothing that the language can say is lost between the two. */

import {
  type Bound,
  type FilterObject,
  type FlagSets,
  type ListField,
  RANGES,
  type Range,
  type RangeField,
} from "../protocol/filter";
import { shifted, shortDollars, typedNumber } from "./decimal";

/** One end of a range: what is typed there, and whether the bound itself is left out (`>` for `>=`). */
export interface End {
  readonly text: string;
  readonly open: boolean;
}

export interface RangeForm {
  readonly low: End;
  readonly high: End;
}

/** What a flag must be; one that is not named does not matter. `or`: at least one of those so marked. */
export type FlagMark = "must" | "not" | "or";

/** Lists that the panel shows as they are. */
export type PlainList = Exclude<ListField, "underlying">;
export const PLAIN_LISTS = [
  "right",
  "side",
  "sentiment",
  "exchange",
  "symbol",
] as const satisfies PlainList[];

export interface PanelForm {
  /** Tickers that are wanted, and those that are not. */
  readonly only: readonly string[];
  readonly except: readonly string[];
  readonly lists: Readonly<Record<PlainList, readonly string[]>>;
  readonly flags: Readonly<Record<string, FlagMark>>;
  readonly ranges: Readonly<Record<RangeField, RangeForm>>;
}

export const EMPTY_RANGE: RangeForm = { low: { text: "", open: false }, high: { text: "", open: false } };

const SETS = { must: "all", or: "any", not: "none" } as const satisfies Record<FlagMark, keyof FlagSets>;
const MARKS = ["must", "or", "not"] as const satisfies FlagMark[];

/** How a bound is typed: `iv` is a fraction on the wire and percent for people. */
type Typed = "number" | "dollars" | "fraction" | "date";

/** Places by which people's figure is greater than the wire's. */
const PLACES: Readonly<Record<Typed, number>> = { number: 0, dollars: 0, fraction: 2, date: 0 };

/** How each range is typed. */
export function typedAs(field: RangeField): Typed {
  if (field === "premium") return "dollars";
  if (field === "expiry") return "date";
  return field === "iv" ? "fraction" : "number";
}

export function formOf(filter: FilterObject): PanelForm {
  const tickers = filter.underlying ?? [];
  const flags: Record<string, FlagMark> = {};
  for (const mark of MARKS) for (const flag of filter.flags?.[SETS[mark]] ?? []) flags[flag] = mark;
  return {
    only: tickers.filter((name) => !name.startsWith("-")),
    except: tickers.filter((name) => name.startsWith("-")).map((name) => name.slice(1)),
    lists: record(PLAIN_LISTS, (name) => filter[name] ?? []),
    flags,
    ranges: record(RANGES, (field) => rangeForm(field, filter[field] ?? {})),
  };
}

/** What the gateway is asked for. What is typed and is no number goes as it stands, so that it is the gateway's
    words that say what is wrong. A single `or` waits for a second: alone it would be a `must`. */
export function filterOf(form: PanelForm): FilterObject {
  const filter: Record<string, unknown> = {};
  const tickers = [...form.only, ...form.except.map((name) => `-${name}`)];
  if (tickers.length) filter.underlying = tickers;
  for (const name of PLAIN_LISTS) if (form.lists[name].length) filter[name] = form.lists[name];
  const flags: Record<string, string[]> = {};
  for (const mark of MARKS) {
    const marked = flagsMarked(form, mark);
    if (marked.length > (mark === "or" ? 1 : 0)) flags[SETS[mark]] = marked;
  }
  if (Object.keys(flags).length) filter.flags = flags;
  for (const field of RANGES) {
    const range = rangeOf(field, form.ranges[field]);
    if (Object.keys(range).length) filter[field] = range;
  }
  return filter as FilterObject;
}

/** The form of what the gateway answered, with the single `or` that it was not told of. */
export function answeredForm(asked: PanelForm, answer: FilterObject): PanelForm {
  const form = formOf(answer);
  const [flag, ...more] = flagsMarked(asked, "or");
  if (flag === undefined || more.length || form.flags[flag] || flagsMarked(form, "or").length) return form;
  return { ...form, flags: { ...form.flags, [flag]: "or" } };
}

export function flagsMarked(form: PanelForm, mark: FlagMark): string[] {
  return Object.keys(form.flags)
    .filter((flag) => form.flags[flag] === mark)
    .sort();
}

/** The form with other marks on a flag; null takes it off. */
export function withFlag(form: PanelForm, flag: string, mark: FlagMark | null): PanelForm {
  const { [flag]: _, ...others } = form.flags;
  return { ...form, flags: mark === null ? others : { ...others, [flag]: mark } };
}

export function withList(form: PanelForm, name: PlainList, values: readonly string[]): PanelForm {
  return { ...form, lists: { ...form.lists, [name]: values } };
}

export function withRange(form: PanelForm, field: RangeField, range: RangeForm): PanelForm {
  return { ...form, ranges: { ...form.ranges, [field]: range } };
}

export function rangeForm(field: RangeField, { gte, gt, lte, lt }: Range): RangeForm {
  const end = (closed: number | undefined, open: number | undefined): End => {
    const bound = closed ?? open;
    return { text: bound === undefined ? "" : boundText(field, bound), open: open !== undefined };
  };
  return { low: end(gte, gt), high: end(lte, lt) };
}

/** Whether two texts are the same bound, as `100k` and `100000`. */
export function saysSame(field: RangeField, one: string, other: string): boolean {
  if (one.trim() === other.trim()) return true;
  return one.trim() !== "" && boundOf(field, one) === boundOf(field, other);
}

/** Conditions of a filter, as the panel counts them. */
export function conditions(filter: FilterObject): number {
  const tickers = filter.underlying ?? [];
  const { all = [], any = [], none = [] } = filter.flags ?? {};
  return (
    Number(tickers.some((name) => !name.startsWith("-"))) +
    Number(tickers.some((name) => name.startsWith("-"))) +
    PLAIN_LISTS.filter((name) => filter[name]).length +
    all.length +
    none.length +
    Number(any.length > 0) +
    RANGES.filter((field) => filter[field]).length
  );
}

function rangeOf(field: RangeField, { low, high }: RangeForm): { [bound in Bound]?: number | string } {
  const bounds: { [bound in Bound]?: number | string } = {};
  if (low.text.trim()) bounds[low.open ? "gt" : "gte"] = boundOf(field, low.text);
  if (high.text.trim()) bounds[high.open ? "lt" : "lte"] = boundOf(field, high.text);
  return bounds;
}

function boundText(field: RangeField, bound: number): string {
  const typed = typedAs(field);
  if (typed === "date") return `${bound}`.replace(/^(\d{4})(\d{2})(\d{2})$/, "$1-$2-$3");
  return typed === "dollars" ? shortDollars(bound) : shifted(bound, PLACES[typed]);
}

function boundOf(field: RangeField, text: string): number | string {
  const typed = typedAs(field);
  if (typed === "date") return Number(text.replaceAll("-", "")) || text;
  return typedNumber(text, -PLACES[typed]) ?? text;
}

function record<K extends string, V>(names: readonly K[], value: (name: K) => V): Record<K, V> {
  return Object.fromEntries(names.map((name) => [name, value(name)])) as Record<K, V>;
}
