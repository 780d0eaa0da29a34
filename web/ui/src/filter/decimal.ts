/** Numbers as people type and read them, without a digit lost: `1.25m`, `0.123` as `12.3` percent. */

const DECIMAL = /^(-?)(\d+)(?:\.(\d+))?(?:e([+-]?\d+))?$/;
const TYPED = /^([+-]?)\$?((?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d*)?|\.\d+)\s*([kmb]?)\s*%?$/i;
const SCALES: Readonly<Record<string, number>> = { k: 3, m: 6, b: 9 };

/** `value` times ten to the power of `places`, written out. */
export function shifted(value: number, places: number): string {
  const [, sign = "", whole = "", fraction = "", power = "0"] = DECIMAL.exec(String(value)) ?? [];
  const digits = whole + fraction;
  const point = whole.length + Number(power) + places;
  const before = point > 0 ? digits.slice(0, point).padEnd(point, "0") : "";
  const after = point < 0 ? "0".repeat(-point) + digits : digits.slice(point);
  const tail = after.replace(/0+$/, "");
  const text = (before.replace(/^0+/, "") || "0") + (tail ? `.${tail}` : "");
  return text === "0" ? "0" : sign + text;
}

/** Dollars as they are typed: whole thousands as `25k`, hundredths of a million as `1.25m`. */
export function shortDollars(value: number): string {
  if (value !== 0 && value % 10_000 === 0 && Math.abs(value) >= 1e6) return `${shifted(value, -6)}m`;
  if (value !== 0 && value % 1_000 === 0) return `${shifted(value, -3)}k`;
  return shifted(value, 0);
}

/** The number that was typed, times ten to the power of `places`; null where it is none. */
export function typedNumber(text: string, places = 0): number | null {
  const match = TYPED.exec(text.trim());
  if (match === null) return null;
  const [, sign = "", digits = "", scale = ""] = match;
  const power = (SCALES[scale.toLowerCase()] ?? 0) + places;
  return Number(`${sign}${digits.replaceAll(",", "")}e${power}`) + 0;
}
