/** Prices of a contract's prints over time: the shape says the side, the colour the sentiment, the size the contracts. */

import { useMemo, useRef } from "preact/hooks";
import type uPlot from "uplot";
import { aroundPrints, BASE, CROSSHAIR, timeAxis, valueAxis } from "../chart/axes";
import { Chart, type Drawing } from "../chart/chart";
import type { Palette } from "../chart/palette";
import { clock, count, price } from "../format";
import type { Trade } from "../protocol/trade";
import { type Course, leanOf } from "./contract_figures";
import { SIDES } from "./words";

/** Radius of the smallest and the largest mark, CSS pixels. */
const MARK_LEAST_PX = 2.5;
const MARK_MOST_PX = 9;

/** Pictures of one contract share their crosshair. */
export const CROSSHAIR_KEY = "contract";

const SENTIMENT_COLOUR = { bullish: "--bullish", bearish: "--bearish", neutral: "--muted" } as const;

/** Contracts of a print that has the largest mark, where none has more. */
const LARGE_CONTRACTS = 50;

/** Area, not width, goes with the contracts; `most` is the largest print's. */
export function markRadius(size: number, most: number): number {
  return MARK_LEAST_PX + (MARK_MOST_PX - MARK_LEAST_PX) * Math.sqrt(size / Math.max(most, LARGE_CONTRACTS));
}

interface PriceProps {
  readonly course: Course;
  readonly point: number | null;
  readonly onPoint: (index: number | null) => void;
}

export function PricePicture({ course, point, onPoint }: PriceProps) {
  const latest = useRef(course);
  latest.current = course;
  const data = useMemo(
    () => [course.times, course.bids, course.asks, course.prices] as unknown as uPlot.AlignedData,
    [course],
  );
  const draw = useMemo(() => drawing(() => latest.current.prints), []);
  const shown = point === null ? undefined : course.prints[point];
  return (
    <figure class="contract-picture">
      <figcaption>
        <span class="picture-title">Price</span>
        <span class="contract-hint">{shown ? printWords(shown) : "▲ at ask ▼ at bid ● between"}</span>
      </figcaption>
      <div class="contract-chart contract-price">
        <Chart label={label(course)} data={data} draw={draw} onPoint={onPoint} />
      </div>
    </figure>
  );
}

function printWords(trade: Trade): string {
  const side = SIDES[trade.side];
  return `${clock(trade.ts)}  ${count(trade.size)} × ${price(trade.price)} ${side.sign} ${side.words}`;
}

function label({ times, prices }: Course): string {
  if (prices.length === 0) return "Price of the prints: none yet";
  const least = prices.reduce((low, each) => Math.min(low, each));
  const most = prices.reduce((high, each) => Math.max(high, each));
  return (
    `Price of ${prices.length} prints from ${clock(times[0] as number)} to ${clock(times.at(-1) as number)}: ` +
    `from ${price(prices[0] as number)} to ${price(prices.at(-1) as number)}, ` +
    `lowest ${price(least)}, highest ${price(most)}`
  );
}

function drawing(prints: () => readonly Trade[]): (palette: Palette) => Drawing {
  return (palette) => {
    const quote: uPlot.Series = { stroke: palette.get("--line"), width: 1, points: { show: false } };
    return {
      ...BASE,
      cursor: { ...CROSSHAIR, sync: { key: CROSSHAIR_KEY }, points: { show: false } },
      scales: { x: { range: aroundPrints } },
      axes: [timeAxis(palette), valueAxis(palette, 44, price)],
      series: [{}, quote, quote, { paths: () => null, points: { show: false } }],
      bands: [{ series: [2, 1], fill: palette.get("--hover") }],
      hooks: { draw: [(self) => drawMarks(self, prints(), palette)] },
    };
  };
}

function drawMarks(self: uPlot, prints: readonly Trade[], palette: Palette): void {
  const { ctx, bbox } = self;
  const most = largest(prints);
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left - 8, bbox.top - 8, bbox.width + 16, bbox.height + 16);
  ctx.clip();
  ctx.setLineDash([]);
  ctx.lineWidth = devicePixelRatio;
  ctx.strokeStyle = palette.get("--surface");
  for (const trade of prints) {
    const x = self.valToPos(trade.ts, "x", true);
    const y = self.valToPos(trade.price, "y", true);
    const radius = markRadius(trade.size, most) * devicePixelRatio;
    ctx.fillStyle = palette.get(SENTIMENT_COLOUR[trade.sentiment]);
    ctx.beginPath();
    const up = leanOf(trade);
    if (up === 0) ctx.arc(x, y, radius * 0.8, 0, 2 * Math.PI);
    else {
      ctx.moveTo(x, y - up * radius);
      ctx.lineTo(x + radius, y + up * radius * 0.8);
      ctx.lineTo(x - radius, y + up * radius * 0.8);
      ctx.closePath();
    }
    ctx.fill();
    ctx.stroke();
  }
  ctx.restore();
}

function largest(prints: readonly Trade[]): number {
  return prints.reduce((most, trade) => Math.max(most, trade.size), 0);
}
