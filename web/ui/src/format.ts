/** How figures are written for people: money, sizes, percent, and times in New York. */

export const NEW_YORK = "America/New_York";

const CLOCK = new Intl.DateTimeFormat("en-US", {
  timeZone: NEW_YORK,
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
  hourCycle: "h23",
});
const DAY = new Intl.DateTimeFormat("en-US", { timeZone: NEW_YORK, month: "short", day: "numeric" });
const WHOLE = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });

/** What stands for an unknown value. */
export const UNKNOWN = "–";

/** Dollars, short: `$1.25M`, `$980`, `-$12.4K`. */
export function money(dollars: number): string {
  const sign = dollars < 0 ? "-" : "";
  const size = Math.abs(dollars);
  if (size >= 999_500_000) return `${sign}$${short(size / 1e9)}B`;
  if (size >= 999_500) return `${sign}$${short(size / 1e6)}M`;
  if (size >= 1_000) return `${sign}$${short(size / 1e3)}K`;
  return `${sign}$${WHOLE.format(size)}`;
}

/** Dollars with their sign, short: `+$1.25M`, `-$300K`, `$0`. */
export function signedMoney(dollars: number): string {
  return dollars > 0 ? `+${money(dollars)}` : money(dollars);
}

/** Dollars a share: `2.45`, `0.0125`. */
export function price(dollars: number): string {
  return dollars.toLocaleString("en-US", { minimumFractionDigits: 2, maximumFractionDigits: 4 });
}

/** Contracts: `12,500`. */
export function count(contracts: number): string {
  return WHOLE.format(contracts);
}

/** `3.2%`; the value is in percent. */
export function percent(value: number): string {
  return `${value.toFixed(1)}%`;
}

/** Time of day in New York, `15:59:58`. */
export function clock(ms: number): string {
  return CLOCK.format(ms);
}

/** Day in New York, `Nov 20`. */
export function day(ms: number): string {
  return DAY.format(ms);
}

/** An expiry, yyyymmdd, as `2026-12-18`. */
export function expiry(day: number): string {
  const text = String(day);
  return `${text.slice(0, 4)}-${text.slice(4, 6)}-${text.slice(6)}`;
}

function short(value: number): string {
  if (value >= 99.95) return value.toFixed(0);
  return value >= 9.995 ? value.toFixed(1) : value.toFixed(2);
}
