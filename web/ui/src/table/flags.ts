/** The flags of a trade as short chips: which are shown, in what order, and what each says. */

import type { Trade } from "../protocol/trade";

export interface Chip {
  readonly text: string;
  /** The whole sentence, for a pointer that rests and for screen readers. */
  readonly title: string;
}

/** The word that a row carries which no longer passes the filter and stands until the view is let go. */
export const LEFT = "left";

/** In the order in which they are shown: what takes a trade back first, then what makes it notable. */
export const CHIPS: Readonly<Record<string, Chip>> = {
  cancelled: { text: "cancelled", title: "Cancelled: the exchange withdrew this trade" },
  [LEFT]: { text: "left filter", title: "No longer passes the filter" },
  golden: { text: "golden", title: "Golden sweep: at least $1M, volume above open interest" },
  sweep: { text: "sweep", title: "Sweep: one order over several exchanges at once" },
  block: { text: "block", title: "Block: one print of unusual size" },
  large_premium: { text: "large", title: "Large premium" },
  unusual: { text: "unusual", title: "Unusual: volume well above open interest" },
  opening: { text: "opening", title: "Opening: larger than what could be closed" },
  repeat: { text: "repeat", title: "Repeated prints of one contract and side" },
  multi_leg: { text: "multi", title: "Multi-leg: part of a spread" },
  stock_tied: { text: "stock", title: "Tied to a trade in the stock" },
  late: { text: "late", title: "Late: reported out of order" },
  cross: { text: "cross", title: "Cross trade" },
  auction: { text: "auction", title: "Auction" },
  floor: { text: "floor", title: "Floor trade" },
  extended: { text: "ext", title: "Extended hours" },
  volume_gt_oi: { text: "vol>OI", title: "Volume above open interest" },
  zero_dte: { text: "0DTE", title: "Expires today" },
  iso: { text: "ISO", title: "Intermarket sweep order" },
  weekly: { text: "wk", title: "Weekly option" },
};

const ORDER = new Map(Object.keys(CHIPS).map((name, index) => [name, index]));

/** Said by the page as a whole, so not on every row. */
const UNSAID: ReadonlySet<string> = new Set(["synthetic"]);

/** The flags to show, in order, as one text: equal texts need no new chips. A flag without a chip shows its name. */
export function flagsOf(trade: Trade, left: boolean): string {
  const names = trade.flags.filter((name) => !UNSAID.has(name));
  if (left && !names.includes("cancelled")) names.push(LEFT);
  return names.sort((a, b) => rank(a) - rank(b)).join(" ");
}

/** How a row stands out: the strongest one alone, or none. */
export function emphasisOf(trade: Trade): "golden" | "sweep" | "large" | null {
  if (trade.flags.includes("golden")) return "golden";
  if (trade.flags.includes("sweep")) return "sweep";
  return trade.flags.includes("large_premium") ? "large" : null;
}

/** The chips of `flagsOf`. */
export function chipElements(names: string): HTMLElement {
  const list = document.createElement("span");
  list.className = "chips";
  if (names === "") return list;
  for (const name of names.split(" ")) {
    const chip = document.createElement("span");
    chip.className = `chip chip-${name}`;
    const known = CHIPS[name];
    chip.textContent = known?.text ?? name;
    if (known) chip.title = known.title;
    list.append(chip, " ");
  }
  return list;
}

function rank(name: string): number {
  return ORDER.get(name) ?? ORDER.size;
}
