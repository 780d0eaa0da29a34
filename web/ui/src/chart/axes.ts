/** Axes and cursor that all charts share: New York times below, dollars or contracts at the left. */

import uPlot from "uplot";
import { clock, day, money, NEW_YORK } from "../format";
import type { Drawing } from "./chart";
import type { Palette } from "./palette";

const FONT_PX = 11;
const AXIS_BELOW_PX = 20;
const MIDNIGHT = "00:00";

/** What every chart begins with. Times are unix ms. */
export const BASE = {
  ms: 1,
  tzDate: (ms: number) => uPlot.tzDate(new Date(ms), NEW_YORK),
  legend: { show: false },
  // At the right, half of a time that stands at the very end.
  padding: [6, 20, 0, 0],
} satisfies Partial<Drawing>;

/** A crosshair that names a time; nothing is zoomed by dragging. */
export const CROSSHAIR: uPlot.Cursor = { x: true, y: false, drag: { x: false, y: false, setScale: false } };

/** Room beside the first and the last print: a share of the time between them, and not less than this. */
const ROOM_SHARE = 0.03;
const ROOM_LEAST_MS = 5_000;

/** Times for a chart of single prints: none stands on its edge, and one alone stands in the middle. */
export function aroundPrints(self: uPlot): [number, number] {
  // What uPlot hands over makes a day of a single time.
  const times = self.data[0];
  const from = times[0] ?? 0;
  const to = times[times.length - 1] ?? from;
  const room = Math.max(ROOM_LEAST_MS, ROOM_SHARE * (to - from));
  return [from - room, to + room];
}

/** `15:30`, and the day where one begins; with seconds where the marks are nearer than a minute. */
export function timeMarks(marks: readonly number[]): string[] {
  const near = marks.length > 1 && (marks[1] as number) - (marks[0] as number) < 60_000;
  return marks.map((ms) => {
    const time = clock(ms);
    const minute = time.slice(0, 5);
    if (near) return time;
    return minute === MIDNIGHT ? day(ms) : minute;
  });
}

/** As `money` with no more digits than it takes: `$1.2M`, `$500K`. */
export function moneyMark(dollars: number): string {
  return money(dollars)
    .replace(/(\.\d*?)0+(?=[KMB]$)/, "$1")
    .replace(/\.(?=[KMB]$)/, "");
}

export function timeAxis(palette: Palette): uPlot.Axis {
  return {
    ...look(palette),
    space: 56,
    size: AXIS_BELOW_PX,
    gap: 4,
    values: (_self, marks) => timeMarks(marks),
  };
}

/** `width` in CSS pixels is what the longest mark takes. */
export function valueAxis(palette: Palette, width: number, write: (value: number) => string): uPlot.Axis {
  return {
    ...look(palette),
    space: 24,
    size: width,
    gap: 4,
    values: (_self, marks) => marks.map(write),
  };
}

function look(palette: Palette): uPlot.Axis {
  const line = palette.get("--line");
  return {
    stroke: palette.get("--muted"),
    font: `${FONT_PX}px ${palette.family}`,
    grid: { stroke: line, width: 1 },
    ticks: { show: false },
  };
}
