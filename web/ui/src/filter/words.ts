/** The words of a filter's text as they are coloured. For the eye only: what a text means, the gateway says. */

import type { Vocabulary } from "../protocol/api";

export type WordKind = "ticker" | "excluded" | "flag" | "value" | "field" | "operator" | "number" | "unknown";

/** A piece of the text, `from` to before `to`, in UTF-16 units. */
export interface Word {
  readonly from: number;
  readonly to: number;
  readonly kind: WordKind;
}

const TOKEN =
  /(?<field>[^\s<>=≥≤:,|]+)\s*(?<operator>>=|<=|==|[=><≥≤:])\s*(?<value>[^\s,]+(?:\s*,\s*[^\s,]+)*,?)?|(?<word>[^\s,]+|,)/g;

/** A word as the language compares it: small letters, `multi-leg` for `multi_leg`. */
export function plain(word: string): string {
  return word.toLowerCase().replaceAll("-", "_");
}

/** What kind of thing each known word is, aliases included. */
export class KnownWords {
  readonly flags = new Set<string>();
  readonly values = new Set<string>();
  /** By every name: the field's own name. */
  readonly lists = new Map<string, string>();
  readonly ranges = new Map<string, string>();

  constructor(readonly vocabulary: Vocabulary) {
    for (const { name, aliases } of vocabulary.flags)
      for (const word of [name, ...aliases]) this.flags.add(word);
    for (const { name, aliases } of vocabulary.lists)
      for (const word of [name, ...aliases]) this.lists.set(word, name);
    for (const { name, aliases } of vocabulary.ranges)
      for (const word of [name, ...aliases]) this.ranges.set(word, name);
    for (const { name } of vocabulary.words) this.values.add(name);
  }
}

/** The words of a text in their order, those that begin with a minus as a whole. */
export function wordsOf(text: string, known: KnownWords): Word[] {
  const words: Word[] = [];
  const add = (from: number, length: number, kind: WordKind) => {
    if (length > 0) words.push({ from, to: from + length, kind });
  };
  for (const match of text.matchAll(TOKEN)) {
    const { field, operator = "", value, word = "" } = match.groups as Record<string, string | undefined>;
    if (field === undefined) {
      add(match.index, word === "," ? 0 : word.length, kindOf(word, known));
      continue;
    }
    const name = plain(field);
    const isRange = known.ranges.has(name);
    add(match.index, field.length, isRange || known.lists.has(name) ? "field" : "unknown");
    add(match.index + match[0].indexOf(operator, field.length), operator.length, "operator");
    if (value !== undefined) {
      const kind = known.lists.get(name) === "underlying" ? "ticker" : isRange ? "number" : "value";
      add(match.index + match[0].length - value.length, value.length, kind);
    }
  }
  return words;
}

function kindOf(word: string, known: KnownWords): WordKind {
  if (word.startsWith("-")) return "excluded";
  const parts = word.split("|").map(plain);
  if (parts.every((part) => known.flags.has(part))) return "flag";
  if (known.values.has(plain(word))) return "value";
  return /^[a-z0-9.^$/]+$/i.test(word) ? "ticker" : "unknown";
}
