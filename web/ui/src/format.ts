/** How figures are written for people: money, sizes, percent, and times in New York. */

export const NEW_YORK = "America/New_York";

/** A figure that may be unknown. */
export type Figure = number | null | undefined;

/** What stands for an unknown value. */
export const UNKNOWN = "–";

const CLOCK = new Intl.DateTimeFormat("en-US", {
  timeZone: NEW_YORK,
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
  hourCycle: "h23",
});
const DAY = new Intl.DateTimeFormat("en-US", { timeZone: NEW_YORK, month: "short", day: "numeric" });
const ZONE = new Intl.DateTimeFormat("en-US", { timeZone: NEW_YORK, timeZoneName: "short" });
const WHOLE = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });
const PRICE = new Intl.NumberFormat("en-US", { minimumFractionDigits: 2, maximumFractionDigits: 4 });

/** From so many dollars on, what they are divided by and called: rounded, `$999.6K` would be `$1000K`. */
const STEPS = [
  [999_500_000_000, 1e12, "T"],
  [999_500_000, 1e9, "B"],
  [999_500, 1e6, "M"],
  [999.5, 1e3, "K"],
] as const;

/** Dollars, short: `$1.25M`, `$980`, `-$12.4K`. */
export function money(dollars: Figure): string {
  if (!isKnown(dollars)) return UNKNOWN;
  const size = Math.abs(dollars);
  const sign = dollars < 0 && size >= 0.5 ? "-" : "";
  for (const [from, unit, name] of STEPS) {
    if (size >= from) return `${sign}$${short(size / unit)}${name}`;
  }
  return `${sign}$${WHOLE.format(size)}`;
}

/** The same with its sign said either way: `+$1.25M`, `-$12.4K`, `$0`. */
export function signedMoney(dollars: Figure): string {
  return isKnown(dollars) && dollars >= 0.5 ? `+${money(dollars)}` : money(dollars);
}

/** Dollars a share: `2.45`, `0.0125`. */
export function price(dollars: Figure): string {
  return isKnown(dollars) ? PRICE.format(dollars) : UNKNOWN;
}

/** Contracts: `12,500`. */
export function count(contracts: Figure): string {
  return isKnown(contracts) ? WHOLE.format(contracts) : UNKNOWN;
}

/** `3.2%`; the value is in percent. */
export function percent(value: Figure): string {
  return isKnown(value) ? `${value.toFixed(1)}%` : UNKNOWN;
}

/** Time of day in New York, `15:59:58`; unix ms. */
export function clock(ms: Figure): string {
  return isKnown(ms) ? CLOCK.format(ms) : UNKNOWN;
}

/** Day in New York, `Nov 20`. */
export function day(ms: Figure): string {
  return isKnown(ms) ? DAY.format(ms) : UNKNOWN;
}

/** The name of New York's time at that moment: `EST` or `EDT`. */
export function zone(ms: number): string {
  return ZONE.formatToParts(ms).find(({ type }) => type === "timeZoneName")?.value ?? "New York";
}

/** An expiry, yyyymmdd, as `2026-12-18`. */
export function expiry(day: number): string {
  const text = String(day);
  return `${text.slice(0, 4)}-${text.slice(4, 6)}-${text.slice(6)}`;
}

function isKnown(value: Figure): value is number {
  return typeof value === "number" && Number.isFinite(value);
}

/** Three figures, or all before the point. */
function short(value: number): string {
  if (value >= 999.5) return WHOLE.format(value);
  if (value >= 99.95) return value.toFixed(0);
  return value >= 9.995 ? value.toFixed(1) : value.toFixed(2);
}
