/** What is shown, as a CSV file (RFC 4180): bare values, in the order of the columns. */

import { clock, NEW_YORK } from "../format";
import type { Trade } from "../protocol/trade";
import type { Column } from "./columns";

/** A text that begins so is run as a formula by spreadsheets. */
const FORMULA = /^[=+\-@\t\r]/;
const SPECIAL = /[",\r\n]/;

export function csvOf(columns: readonly Column[], trades: Iterable<Trade>): string {
  const fields = columns.flatMap((column) => column.exported);
  const lines = [fields.map(([name]) => name).join(",")];
  for (const trade of trades) lines.push(fields.map(([, value]) => cell(value(trade))).join(","));
  return `${lines.join("\r\n")}\r\n`;
}

/** `flowtape-2026-11-20-155958.csv`, in New York time. */
export function csvName(now: number): string {
  const date = new Intl.DateTimeFormat("en-CA", { timeZone: NEW_YORK }).format(now);
  return `flowtape-${date}-${clock(now).replaceAll(":", "")}.csv`;
}

/** Hand a file to the browser's downloads. */
export function download(name: string, text: string): void {
  const address = URL.createObjectURL(new Blob([text], { type: "text/csv;charset=utf-8" }));
  const link = document.createElement("a");
  link.href = address;
  link.download = name;
  link.click();
  // The download has taken the address by the next task.
  setTimeout(() => URL.revokeObjectURL(address));
}

function cell(value: number | string | null | readonly string[]): string {
  if (value === null) return "";
  if (typeof value === "number") return String(value);
  const text = typeof value === "string" ? value : value.join(" ");
  const harmless = FORMULA.test(text) ? `'${text}` : text;
  return SPECIAL.test(harmless) ? `"${harmless.replaceAll('"', '""')}"` : harmless;
}
