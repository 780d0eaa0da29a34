/** Put/call ratio by premium and by volume: the figure, its meaning, and a small line. */

import { useMemo } from "preact/hooks";
import type uPlot from "uplot";
import { BASE } from "../chart/axes";
import { Chart, type Drawing } from "../chart/chart";
import type { Palette } from "../chart/palette";
import { UNKNOWN } from "../format";
import type { Stats } from "../protocol/api";
import { putCallLine, ratioText, ratioWords } from "./put_call";

/** The line where calls and puts are even. */
const EVEN_DASH = [2, 3];

function draw(palette: Palette): Drawing {
  return {
    ...BASE,
    padding: [2, 2, 2, 2],
    cursor: { show: false },
    scales: { y: { range: [0, 1] } },
    axes: [{ show: false }, { show: false }],
    series: [
      {},
      { stroke: palette.get("--muted"), width: 1, dash: EVEN_DASH, points: { show: false } },
      { stroke: palette.get("--text"), width: 1.5, spanGaps: true, points: { show: false } },
    ],
  };
}

const NO_LINE = { times: [], premium: [], volume: [] };

export function PutCallPicture({ stats }: { readonly stats: Stats | null }) {
  const line = useMemo(() => (stats ? putCallLine(stats.series) : NO_LINE), [stats]);
  return (
    <figure class="picture picture-ratio">
      <figcaption>
        <span class="picture-title">Put/call ratio</span>
        <span class="picture-hint">line: puts up, calls down</span>
      </figcaption>
      <div class="picture-body ratios">
        <RatioOf
          of="premium"
          puts={stats?.put_premium}
          calls={stats?.call_premium}
          times={line.times}
          shares={line.premium}
        />
        <RatioOf
          of="volume"
          puts={stats?.put_volume}
          calls={stats?.call_volume}
          times={line.times}
          shares={line.volume}
        />
      </div>
    </figure>
  );
}

interface RatioProps {
  readonly of: "premium" | "volume";
  readonly puts: number | undefined;
  readonly calls: number | undefined;
  readonly times: readonly number[];
  readonly shares: readonly (number | null)[];
}

function RatioOf({ of, puts, calls, times, shares }: RatioProps) {
  const data = useMemo(
    () => [times, times.map(() => 0.5), shares] as unknown as uPlot.AlignedData,
    [times, shares],
  );
  const known = puts !== undefined && calls !== undefined;
  const figure = known ? (ratioText(puts, calls) ?? UNKNOWN) : "";
  const words = known ? ratioWords(puts, calls) : "";
  const first = shares.find((share) => share !== null);
  const last = shares.findLast((share) => share !== null);
  const course =
    first === undefined || last === undefined || first === null || last === null
      ? "no trades"
      : `puts were ${Math.round(100 * first)}% at the beginning, ${Math.round(100 * last)}% at the end`;
  return (
    <div class="ratio">
      <span class="ratio-of">by {of}</span>
      <span class="ratio-figure">{figure}</span>
      <span class="ratio-words">{words}</span>
      <div class="ratio-line">
        {known && (
          <Chart label={`Share of puts by ${of} over the window: ${course}`} data={data} draw={draw} />
        )}
      </div>
    </div>
  );
}
