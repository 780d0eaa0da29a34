/** The day's volume of a contract against its open interest: a stair, a line, and where the one passes the other. */

import { useMemo, useRef } from "preact/hooks";
import type uPlot from "uplot";
import uPlotCode from "uplot";
import { aroundPrints, BASE, CROSSHAIR, timeAxis, valueAxis } from "../chart/axes";
import { Chart, type Drawing } from "../chart/chart";
import type { Palette } from "../chart/palette";
import { clock, count, UNKNOWN } from "../format";
import { type Course, type Crossing, crossingOf } from "./contract_figures";
import { CROSSHAIR_KEY } from "./price_picture";
import { crossingWords } from "./words";

const OPEN_INTEREST_DASH = [6, 4];
const CROSSING_PX = 5;

interface VolumeProps {
  readonly course: Course;
  readonly point: number | null;
  readonly onPoint: (index: number | null) => void;
}

export function VolumePicture({ course, point, onPoint }: VolumeProps) {
  const crossing = useMemo(() => crossingOf(course), [course]);
  const latest = useRef({ course, crossing });
  latest.current = { course, crossing };
  const data = useMemo(
    () => [course.times, course.volumes, course.openInterest] as unknown as uPlot.AlignedData,
    [course],
  );
  const draw = useMemo(() => drawing(() => latest.current), []);
  const at = point === null ? course.prints.length - 1 : point;
  const words = crossingWords(crossing, course);
  return (
    <figure class="contract-picture">
      <figcaption>
        <span class="picture-title">Volume</span>
        <span class="contract-hint contract-course">
          {point === null ? words : `${clock(course.times[at] as number)}  ${known(course.volumes[at])}`}
        </span>
        <span class="contract-hint key-open-interest">OI {known(course.openInterest[at])}</span>
      </figcaption>
      <div class="contract-chart contract-volume">
        <Chart
          label={`Volume of the day ${known(course.volumes.at(-1))}, open interest ${known(course.openInterest.at(-1))}: ${words}`}
          data={data}
          draw={draw}
          onPoint={onPoint}
        />
      </div>
    </figure>
  );
}

function known(contracts: number | null | undefined): string {
  return contracts == null ? UNKNOWN : count(contracts);
}

/** From zero, so that a share is seen as one. */
function range(_self: uPlot, _least: number | null, most: number | null): [number, number] {
  return [0, Math.max(1, 1.08 * (most ?? 0))];
}

function drawing(latest: () => { course: Course; crossing: Crossing }): (palette: Palette) => Drawing {
  return (palette) => {
    // A line through one print is none.
    const points = { show: (self: uPlot) => self.data[0].length === 1, size: 6 };
    const stair = uPlotCode.paths.stepped?.({ align: 1 });
    return {
      ...BASE,
      cursor: { ...CROSSHAIR, sync: { key: CROSSHAIR_KEY } },
      scales: { x: { range: aroundPrints }, y: { range } },
      axes: [timeAxis(palette), valueAxis(palette, 44, (value) => count(value))],
      series: [
        {},
        {
          stroke: palette.get("--accent"),
          width: 2,
          spanGaps: true,
          points,
          ...(stair ? { paths: stair } : {}),
        },
        {
          stroke: palette.get("--text"),
          width: 1.5,
          dash: OPEN_INTEREST_DASH,
          spanGaps: true,
          points,
        },
      ],
      hooks: { draw: [(self) => drawCrossing(self, latest(), palette)] },
    };
  };
}

function drawCrossing(
  self: uPlot,
  { course, crossing }: { course: Course; crossing: Crossing },
  palette: Palette,
): void {
  if (typeof crossing === "string") return;
  const openInterest = course.openInterest[crossing.at];
  if (openInterest == null) return;
  const { ctx } = self;
  const x = self.valToPos(course.times[crossing.at] as number, "x", true);
  const y = self.valToPos(openInterest, "y", true);
  ctx.save();
  ctx.fillStyle = palette.get("--surface");
  ctx.strokeStyle = palette.get("--accent");
  ctx.setLineDash([]);
  ctx.lineWidth = 2 * devicePixelRatio;
  ctx.beginPath();
  ctx.arc(x, y, CROSSING_PX * devicePixelRatio, 0, 2 * Math.PI);
  ctx.fill();
  ctx.stroke();
  ctx.restore();
}
