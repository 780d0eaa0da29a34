/** The columns of the table: what each is called, shows, sorts by and exports. */

import { clock, count, day, expiry, money, percent, price, UNKNOWN } from "../format";
import type { Sentiment, Side, Trade } from "../protocol/trade";

export type Value = number | string | null;

export interface Column {
  readonly id: string;
  /** Over the column. */
  readonly head: string;
  /** In the list of columns, where there is room. */
  readonly name: string;
  /** Pixels. */
  readonly width: number;
  readonly align?: "right";
  /** What is sorted by; null is unknown and comes last. */
  readonly value: (trade: Trade) => Value;
  readonly text: (value: Value, trade: Trade) => string;
  /** What a file gets: names and bare values. */
  readonly exported: readonly (readonly [name: string, value: (trade: Trade) => Value | readonly string[]])[];
}

const SIDES: Record<Side, string> = {
  above_ask: "above ask",
  ask: "ask",
  mid: "mid",
  bid: "bid",
  below_bid: "below bid",
  none: UNKNOWN,
};

const SENTIMENTS: Record<Sentiment, string> = {
  bullish: "▲ bullish",
  bearish: "▼ bearish",
  neutral: "· neutral",
};

/** How far a price lies above the bid, for sorting by side. */
const SIDE_ORDER: Record<Side, number | null> = {
  above_ask: 5,
  ask: 4,
  mid: 3,
  bid: 2,
  below_bid: 1,
  none: null,
};

const plain = (value: Value) => (value === null ? UNKNOWN : String(value));
const known = (write: (value: number) => string) => (value: Value) =>
  value === null ? UNKNOWN : write(value as number);

type Field = keyof Trade;
const field = (name: Field) => (trade: Trade) => trade[name] as Value;

/** A column that is one field of the trade. */
function of(
  name: Field,
  head: string,
  long: string,
  width: number,
  text: (value: Value, trade: Trade) => string = plain,
  align?: "right",
): Column {
  const value = field(name);
  return {
    id: name,
    head,
    name: long,
    width,
    value,
    text,
    exported: [[name, value]],
    ...(align && { align }),
  };
}

const number = (name: Field, head: string, long: string, width: number, write: (value: number) => string) =>
  of(name, head, long, width, known(write), "right");

/** `-2.8%`; a trace in the money is `0.0%`, not `-0.0%`. */
const outOfTheMoney = (value: number) => percent(Math.round(value * 10) / 10 || 0);

/** `600` or `602.5`. */
export function strike(dollars: number): string {
  return String(Number(dollars.toFixed(3)));
}

/** A contract without its ticker, `600C 12-18`. */
export function contractOf(trade: Trade): string {
  const date = expiry(trade.expiry);
  return `${strike(trade.strike)}${trade.right} ${date.slice(5)}`;
}

/** `2.40 × 2.45`. */
export function quoteOf(trade: Trade): string {
  if (trade.bid === null && trade.ask === null) return UNKNOWN;
  const side = known(price);
  return `${side(trade.bid)} × ${side(trade.ask)}`;
}

/** Time in New York; a trade of another day than `now` names it. */
export function timeOf(ts: number, now = Date.now()): string {
  return day(ts) === today(now) ? clock(ts) : `${day(ts)} ${clock(ts)}`;
}

/** The day of New York is asked for each cell and changes once in many thousands. */
const TODAY_MS = 1_000;
let todayAt = 0;
let todayText = "";
function today(now: number): string {
  if (Math.abs(now - todayAt) >= TODAY_MS) {
    todayAt = now;
    todayText = day(now);
  }
  return todayText;
}

const ZONED = new Intl.DateTimeFormat("en-US", {
  timeZone: "America/New_York",
  year: "numeric",
  month: "2-digit",
  day: "2-digit",
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
  fractionalSecondDigits: 3,
  hourCycle: "h23",
  timeZoneName: "longOffset",
});

/** New York time with its offset, `2026-11-20T15:59:58.123-05:00`. */
export function isoTime(ms: number): string {
  const part: Record<string, string> = {};
  for (const { type, value } of ZONED.formatToParts(ms)) part[type] = value;
  const offset = part.timeZoneName?.replace("GMT", "") || "+00:00";
  return `${part.year}-${part.month}-${part.day}T${part.hour}:${part.minute}:${part.second}.${part.fractionalSecond}${offset}`;
}

const instant = (name: "ts" | "received") => (trade: Trade) => isoTime(trade[name]);

export const COLUMNS: readonly Column[] = [
  {
    id: "ts",
    head: "Time ET",
    name: "Time in New York",
    width: 76,
    value: field("ts"),
    text: (value) => timeOf(value as number),
    exported: [["time", instant("ts")]],
  },
  of("underlying", "Ticker", "Ticker", 58),
  {
    id: "contract",
    head: "Contract",
    name: "Contract in short",
    width: 86,
    value: field("symbol"),
    text: (_, trade) => contractOf(trade),
    exported: [["symbol", field("symbol")]],
  },
  of("right", "C/P", "Call or put", 40, (value) => (value === "C" ? "Call" : "Put")),
  number("strike", "Strike", "Strike", 52, strike),
  of("expiry", "Expiry", "Expiry", 76, (value) => expiry(value as number)),
  number("dte", "DTE", "Days to expiry", 40, count),
  number("underlying_price", "Spot", "Spot: price of the underlying", 68, price),
  number("otm_pct", "OTM %", "Percent out of the money", 56, outOfTheMoney),
  number("price", "Price", "Price", 52, price),
  number("size", "Size", "Size", 52, count),
  number("premium", "Premium", "Premium", 64, money),
  {
    id: "quote",
    head: "Bid × Ask",
    name: "Bid × ask",
    width: 112,
    align: "right",
    value: field("bid"),
    text: (_, trade) => quoteOf(trade),
    exported: [
      ["bid", field("bid")],
      ["ask", field("ask")],
    ],
  },
  {
    id: "side",
    head: "Side",
    name: "Side of the quote",
    width: 72,
    value: (trade) => SIDE_ORDER[trade.side],
    text: (_, trade) => SIDES[trade.side],
    exported: [["side", field("side")]],
  },
  of("sentiment", "Sentiment", "Sentiment", 76, (value) => SENTIMENTS[value as Sentiment]),
  number("volume", "Volume", "Volume of the contract today", 58, count),
  number("open_interest", "OI", "Open interest", 52, count),
  number("vol_oi", "Vol/OI", "Volume by open interest", 54, (value) => value.toFixed(2)),
  number("iv", "IV", "Implied volatility", 50, (value) => percent(value * 100)),
  of("exchange", "Exch", "Exchange", 48),
  {
    id: "flags",
    head: "Flags",
    name: "Flags",
    width: 108,
    value: (trade) => trade.flags.join(" "),
    text: plain,
    exported: [["flags", (trade) => trade.flags]],
  },
  number("delta", "Delta", "Delta", 52, (value) => value.toFixed(2)),
  {
    id: "conditions",
    head: "Cond",
    name: "Sale conditions",
    width: 52,
    value: (trade) => trade.conditions.join(" "),
    text: plain,
    exported: [["conditions", (trade) => trade.conditions]],
  },
  {
    id: "received",
    head: "Received",
    name: "Received by the feed",
    width: 70,
    value: field("received"),
    text: (value) => timeOf(value as number),
    exported: [["received", instant("received")]],
  },
  of("id", "Id", "Id", 160),
];

export const BY_ID: ReadonlyMap<string, Column> = new Map(COLUMNS.map((each) => [each.id, each]));

/** Hidden until asked for. */
const RARE: ReadonlySet<string> = new Set(["contract", "delta", "conditions", "received", "id"]);

/** On a phone, in this order. */
const NARROW: readonly string[] = ["ts", "underlying", "contract", "premium", "sentiment", "side", "flags"];

export type Layout = "wide" | "narrow";

/** What a column is until somebody changes it. */
export interface Placed {
  readonly colId: string;
  readonly hide: boolean;
  readonly width: number;
  readonly sort: "asc" | "desc" | null;
}

/** Widths on a phone, where seven columns share 390 px with a scroll for the last. */
const NARROW_WIDTHS: Readonly<Record<string, number>> = {
  ts: 76,
  underlying: 50,
  contract: 92,
  premium: 64,
  sentiment: 72,
  side: 36,
};

/** The columns in their order as they are at first. */
export function placed(layout: Layout): Placed[] {
  const all = COLUMNS.map((each) => each.id);
  const order = layout === "wide" ? all : [...NARROW, ...all.filter((id) => !NARROW.includes(id))];
  return order.map((id) => ({
    colId: id,
    hide: layout === "wide" ? RARE.has(id) : !NARROW.includes(id),
    width: (layout === "narrow" && NARROW_WIDTHS[id]) || (BY_ID.get(id) as Column).width,
    sort: id === "ts" ? "desc" : null,
  }));
}
