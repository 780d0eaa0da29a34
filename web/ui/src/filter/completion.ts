/** What may follow at one place of a filter's text: tickers seen, flags, fields, values, signs. */

import type { Vocabulary } from "../protocol/api";
import { type KnownWords, plain } from "./words";

/** Tickers that are offered at most; a letter more finds the others. */
export const TICKERS_OFFERED = 20;

/** One thing to write there. */
export interface Offer {
  /** The text that takes the place of the word begun. */
  readonly label: string;
  /** What it is, in a word or two. */
  readonly detail: string;
  /** What it means; empty where nothing is to be said. */
  readonly help: string;
  /** Whether the word goes on after it, so that what follows is offered at once. */
  readonly goesOn: boolean;
}

export interface Offers {
  /** Where the word begun begins. */
  readonly from: number;
  readonly offers: readonly Offer[];
  /** Whether they are shown unasked even where no letter is typed: after a minus, a sign or a comma. */
  readonly eager: boolean;
}

interface Candidate extends Offer {
  /** Other names by which it is found. */
  readonly aliases: readonly string[];
  /** It is only what was typed: what is known comes first. */
  readonly unknown?: boolean;
}

const VALUE =
  /(?:^|[\s,])(?<field>[^\s<>=≥≤:,|-][^\s<>=≥≤:,|]*)\s*(?:>=|<=|==|[=><≥≤:])\s*(?<given>(?:[^\s,]+\s*,\s*)*)(?<typed>[^\s,]*)$/;
const TICKERS = /(?:^|\s)(?<given>[^\s,|:<>=≥≤]+\s*,\s*(?:[^\s,]+\s*,\s*)*)(?<minus>-?)(?<typed>[^\s,]*)$/;
const EITHER = /(?:^|\s)(?<given>(?:[^\s,|]+\|)+)(?<typed>[^\s,|]*)$/;
const BARE = /(?:^|\s)(?<minus>-?)(?<typed>[^\s,|<>=≥≤:]*)$/;
const IN_CAPITALS = /^[A-Z][A-Z0-9]{0,5}$/;

const SIGNS = [
  [">=", "at least"],
  ["<=", "at most"],
  [">", "more than"],
  ["<", "less than"],
  [":", "exactly, or from..to"],
] as const;

/** Bounds that traders often set. Offered before the first digit only, so that Enter never changes a number typed. */
const USUAL: Readonly<Record<string, readonly string[]>> = {
  premium: ["25k", "100k", "500k", "1m"],
  dte: ["0", "7", "30"],
  size: ["100", "500", "1000"],
  otm_pct: ["0", "5", "10"],
  vol_oi: ["1", "2", "5"],
  iv: ["0.3", "0.5", "1"],
};

/** What may stand at `position` of `text`; null where nothing is known. `tickers` come the most seen first. */
export function offersAt(
  text: string,
  position: number,
  known: KnownWords,
  tickers: readonly string[],
): Offers | null {
  const before = text.slice(0, position);
  const found = (match: RegExpExecArray, candidates: readonly Candidate[], eager = true): Offers | null => {
    const { typed = "", given = "" } = match.groups ?? {};
    const taken = new Set(given.split(/[\s,|]+/).map((word) => plain(word.replace(/^-/, ""))));
    const offers = matching(
      typed,
      candidates.filter((each) => !taken.has(plain(each.label))),
    );
    // Nothing is left to choose where the one word that fits stands there already.
    if (offers.length === 0 || (offers.length === 1 && plain(offers[0]?.label ?? "") === plain(typed)))
      return null;
    return { from: position - typed.length, offers, eager };
  };
  const { vocabulary } = known;

  const value = VALUE.exec(before);
  if (value)
    return found(value, valuesOf(value.groups?.field ?? "", value.groups?.typed ?? "", known, tickers));
  const either = EITHER.exec(before);
  if (either) return found(either, flagsOf(vocabulary));
  const list = TICKERS.exec(before);
  if (list) return found(list, tickersOf(list.groups?.typed ?? "", tickers));
  const bare = BARE.exec(before);
  if (bare === null) return null;
  const { minus = "", typed = "" } = bare.groups ?? {};
  const seen = tickersOf(typed, tickers);
  if (minus) return found(bare, [...seen, ...flagsOf(vocabulary)]);
  return found(
    bare,
    [
      ...signsOf(typed, known),
      ...seen,
      ...vocabulary.words.map((word) => ({ ...candidate(word.name, word.field), aliases: [] })),
      ...flagsOf(vocabulary),
      ...fieldsOf(vocabulary).filter(({ label }) => label !== plain(typed)),
    ],
    false,
  );
}

/** Those that fit what is typed: the word itself, then what begins with it, then by another name, then within. */
function matching(typed: string, candidates: readonly Candidate[]): Offer[] {
  const wanted = plain(typed);
  const rank = ({ label, aliases, unknown }: Candidate): number => {
    const name = plain(label);
    if (name === wanted && !unknown) return 0;
    if (name.startsWith(wanted)) return 1;
    if (aliases.some((alias) => alias.startsWith(wanted))) return 2;
    return name.includes(`_${wanted}`) ? 3 : 4;
  };
  const fitting = candidates.map((each) => [rank(each), each] as const).filter(([place]) => place < 4);
  const names = new Set<string>();
  return fitting
    .sort(([a], [b]) => a - b)
    .filter(([, { label }]) => !names.has(label) && names.add(label))
    .map(([, { label, detail, help, goesOn }]) => ({ label, detail, help, goesOn }));
}

function candidate(label: string, detail: string, help = "", aliases: readonly string[] = []): Candidate {
  return { label, detail, help, aliases, goesOn: false };
}

function flagsOf({ flags }: Vocabulary): Candidate[] {
  return flags.map(({ name, help, aliases }) => candidate(name, "flag", help, aliases));
}

/** Tickers seen; who types capitals means a ticker, so theirs is offered though it was not seen. */
function tickersOf(typed: string, tickers: readonly string[]): Candidate[] {
  const wanted = typed.toUpperCase();
  const seen = tickers.filter((name) => name.startsWith(wanted)).slice(0, TICKERS_OFFERED);
  const known = seen.map((name) => candidate(name, "ticker"));
  if (!IN_CAPITALS.test(typed) || seen.includes(typed)) return known;
  return [...known, { ...candidate(typed, "ticker, not seen yet"), unknown: true }];
}

function fieldsOf({ ranges, lists }: Vocabulary): Candidate[] {
  return [
    ...ranges.map(({ name, unit, help, aliases }) => ({
      ...candidate(name, unit || "number", help, aliases),
      goesOn: true,
    })),
    ...lists.map(({ name, help, aliases }) => ({
      ...candidate(`${name}:`, "values", help, aliases),
      goesOn: true,
    })),
  ];
}

/** A field's name stands there in full: what compares it. */
function signsOf(typed: string, known: KnownWords): Candidate[] {
  const range = known.vocabulary.ranges.find(({ name }) => name === known.ranges.get(plain(typed)));
  if (range === undefined) return [];
  return SIGNS.map(([sign, means]) => ({
    ...candidate(typed + sign, range.unit ? `${means}, ${range.unit}` : means, range.help),
    goesOn: true,
  }));
}

function valuesOf(
  field: string,
  typed: string,
  known: KnownWords,
  tickers: readonly string[],
): readonly Candidate[] {
  const name = plain(field);
  const list = known.vocabulary.lists.find((each) => each.name === known.lists.get(name));
  if (list?.name === "underlying") return tickersOf(typed, tickers);
  if (list) return list.values.map((value) => candidate(value, list.name));
  const range = known.vocabulary.ranges.find((each) => each.name === known.ranges.get(name));
  if (range === undefined || typed !== "") return [];
  return (USUAL[range.name] ?? []).map((value) => candidate(value, range.unit, range.help));
}
