/** What this browser remembers: one place for every key of its storage. */

import { effect, type Signal, signal } from "@preact/signals";

const PREFIX = "flowtape.";

/** Storage that is full, forbidden or of another version never stops the page: the default is used. */
function stored<T>(name: string, fallback: T, valid: (value: unknown) => value is T): Signal<T> {
  const kept = signal(read(name, fallback, valid));
  effect(() => write(name, kept.value));
  return kept;
}

function read<T>(name: string, fallback: T, valid: (value: unknown) => value is T): T {
  try {
    const text = localStorage.getItem(PREFIX + name);
    const value: unknown = text === null ? fallback : JSON.parse(text);
    return valid(value) ? value : fallback;
  } catch {
    return fallback;
  }
}

function write(name: string, value: unknown): void {
  try {
    localStorage.setItem(PREFIX + name, JSON.stringify(value));
  } catch {
    // Remembered for this visit only.
  }
}

export type Theme = "system" | "light" | "dark";
/** Windows of the pictures, as `/v1/stats` takes them. */
export const WINDOWS = ["5m", "15m", "1h", "4h", "1d"] as const;
export type Window = (typeof WINDOWS)[number];

const isOneOf =
  <T extends string>(...values: readonly T[]) =>
  (value: unknown): value is T =>
    values.includes(value as T);
const isBoolean = (value: unknown): value is boolean => typeof value === "boolean";
const isTexts = (value: unknown): value is readonly string[] =>
  Array.isArray(value) && value.every((each) => typeof each === "string");
const isObject = (value: unknown): value is object => typeof value === "object" && value !== null;

export class Preferences {
  readonly theme = stored<Theme>("theme", "system", isOneOf<Theme>("system", "light", "dark"));
  readonly window = stored<Window>("window", "15m", isOneOf<Window>(...WINDOWS));
  /** Whether the pictures above the table are open. */
  readonly pictures = stored<boolean>("pictures", true, isBoolean);
  /** Names of channels, and link ids of shared ones that are open, in the order of their tabs; the rest follow by name. */
  readonly channelOrder = stored<readonly string[]>("channels.order", [], isTexts);
  /** The grid's own description of columns: order, width, hidden, sorted. */
  readonly grid = stored<object>("grid", {}, isObject);
}
