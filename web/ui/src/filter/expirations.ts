/** Days that expirations are often sought for, counted from today in New York. */

import { NEW_YORK } from "../format";
import type { Preset } from "./panel_fields";

const DAY_MS = 86_400_000;
const FRIDAY = 5;
const TODAY = new Intl.DateTimeFormat("en-CA", {
  timeZone: NEW_YORK,
  year: "numeric",
  month: "2-digit",
  day: "2-digit",
});

/** Today, to the coming Friday, to the end of the month; `now` is unix ms. */
export function expirationPresets(now: number): readonly Preset[] {
  const today = new Date(`${TODAY.format(now)}T00:00:00Z`);
  const friday = new Date(today.getTime() + ((FRIDAY - today.getUTCDay() + 7) % 7) * DAY_MS);
  const last = new Date(Date.UTC(today.getUTCFullYear(), today.getUTCMonth() + 1, 0));
  const gte = yyyymmdd(today);
  return [
    { label: "Today", range: { gte, lte: gte } },
    { label: "This week", range: { gte, lte: yyyymmdd(friday) } },
    { label: "This month", range: { gte, lte: yyyymmdd(last) } },
  ];
}

function yyyymmdd(day: Date): number {
  return Number(day.toISOString().slice(0, 10).replaceAll("-", ""));
}
