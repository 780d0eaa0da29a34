/** The controls of the panel: which field each edits, how it is named, in which unit, and what is often chosen. */

import type { Range, RangeField } from "../protocol/filter";

export interface Preset {
  readonly label: string;
  readonly range: Range;
}

export interface RangeControl {
  readonly field: RangeField;
  readonly label: string;
  /** As it stands beside the label; empty for a plain number. */
  readonly unit: string;
  readonly presets: readonly Preset[];
}

const least = (label: string, gte: number): Preset => ({ label, range: { gte } });
const most = (label: string, lte: number): Preset => ({ label, range: { lte } });

const control = (
  field: RangeField,
  label: string,
  unit: string,
  presets: readonly Preset[] = [],
): RangeControl => ({ field, label, unit, presets });

/** The terms of the contract. */
export const CONTRACT_RANGES: readonly RangeControl[] = [
  control("expiry", "Expiration", ""),
  control("dte", "DTE", "days", [
    { label: "0", range: { gte: 0, lte: 0 } },
    most("≤ 7", 7),
    most("≤ 30", 30),
  ]),
  control("strike", "Strike", "$ a share"),
];

/** What was traded. */
export const TRADE_RANGES: readonly RangeControl[] = [
  control("premium", "Premium", "$", [
    least("≥ 25k", 25_000),
    least("≥ 100k", 100_000),
    least("≥ 500k", 500_000),
    least("≥ 1M", 1_000_000),
  ]),
  control("size", "Size", "contracts", [least("≥ 100", 100), least("≥ 500", 500)]),
  control("price", "Price", "$ a share"),
];

/** How the contract stood in the market then. */
export const MARKET_RANGES: readonly RangeControl[] = [
  control("otm_pct", "OTM", "%", [{ label: "OTM", range: { gt: 0 } }, least("≥ 5", 5), least("≥ 10", 10)]),
  control("iv", "IV", "%"),
  control("delta", "Delta", "-1 to 1"),
  control("volume", "Volume", "contracts"),
  control("open_interest", "Open interest", "contracts"),
  control("vol_oi", "Volume / OI", "times", [least("≥ 1", 1), least("≥ 5", 5)]),
];

export const SIDES: Readonly<Record<string, string>> = {
  above_ask: "Above ask",
  ask: "Ask",
  mid: "Mid",
  bid: "Bid",
  below_bid: "Below bid",
  none: "No quote",
};

export const SENTIMENTS: Readonly<Record<string, string>> = {
  bullish: "Bullish",
  bearish: "Bearish",
  neutral: "Neutral",
};
