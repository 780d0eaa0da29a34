/** Net call and put premium over the window: two lines from zero, with a crosshair. */

import { useSignal } from "@preact/signals";
import { useMemo } from "preact/hooks";
import type uPlot from "uplot";
import { BASE, CROSSHAIR, moneyMark, timeAxis, valueAxis } from "../chart/axes";
import { Chart, type Drawing } from "../chart/chart";
import type { Palette } from "../chart/palette";
import { clock, signedMoney } from "../format";
import type { Stats } from "../protocol/api";
import { netPremium, outline } from "./net_premium";

/** Rows of the table that is read aloud instead of the picture. */
const ROWS_READ = 6;

/** Half the height of a picture where nothing was bought or sold, dollars. */
const NOTHING_DOLLARS = 1_000;

const PUT_DASH = [5, 3];

/** Zero is always there, so that above and below it are what they look like. */
function range(_self: uPlot, least: number | null, most: number | null): [number, number] {
  const low = Math.min(0, least ?? 0);
  const high = Math.max(0, most ?? 0);
  if (low === high) return [-NOTHING_DOLLARS, NOTHING_DOLLARS];
  const room = 0.06 * (high - low);
  return [low === 0 ? 0 : low - room, high === 0 ? 0 : high + room];
}

function draw(palette: Palette): Drawing {
  return {
    ...BASE,
    cursor: CROSSHAIR,
    scales: { y: { range } },
    axes: [timeAxis(palette), valueAxis(palette, 52, moneyMark)],
    series: [
      {},
      { stroke: palette.get("--call"), width: 2, points: { show: false } },
      { stroke: palette.get("--put"), width: 2, dash: PUT_DASH, points: { show: false } },
    ],
    hooks: {
      drawAxes: [
        (self) => {
          const y = Math.round(self.valToPos(0, "y", true)) + 0.5;
          const { ctx, bbox } = self;
          ctx.save();
          ctx.strokeStyle = palette.get("--muted");
          ctx.setLineDash([]);
          ctx.lineWidth = devicePixelRatio;
          ctx.beginPath();
          ctx.moveTo(bbox.left, y);
          ctx.lineTo(bbox.left + bbox.width, y);
          ctx.stroke();
          ctx.restore();
        },
      ],
    },
  };
}

export function NetPicture({ stats }: { readonly stats: Stats | null }) {
  const point = useSignal<number | null>(null);
  const net = useMemo(() => (stats ? netPremium(stats) : { times: [], calls: [], puts: [] }), [stats]);
  const data = useMemo(() => [net.times, net.calls, net.puts] as unknown as uPlot.AlignedData, [net]);
  const last = net.times.length - 1;
  const index = point.value === null ? last : Math.min(point.value, last);
  const label = stats
    ? `Net premium from ${clock(stats.after)} to ${clock(stats.to)} New York time: ` +
      `calls ${signedMoney(net.calls[last] ?? 0)}, puts ${signedMoney(net.puts[last] ?? 0)}`
    : "";
  return (
    <figure class="picture picture-net">
      <figcaption>
        <span
          class="picture-title"
          title="Bought at the ask or above minus sold at the bid or below, added up"
        >
          Net premium
        </span>
        <span class="key key-call">
          Calls <b>{stats ? signedMoney(net.calls[index] ?? 0) : ""}</b>
        </span>
        <span class="key key-put">
          Puts <b>{stats ? signedMoney(net.puts[index] ?? 0) : ""}</b>
        </span>
        <span class="picture-at">
          {point.value !== null && stats ? clock(net.times[index] ?? stats.to) : ""}
        </span>
      </figcaption>
      <div class="picture-body">
        {stats && (
          <Chart
            label={label}
            data={data}
            draw={draw}
            onPoint={(at) => {
              point.value = at;
            }}
          />
        )}
      </div>
      <table class="unseen">
        <caption>Net premium since the window began</caption>
        <thead>
          <tr>
            <th scope="col">New York time</th>
            <th scope="col">Calls</th>
            <th scope="col">Puts</th>
          </tr>
        </thead>
        <tbody>
          {outline(net, ROWS_READ).map((row) => (
            <tr key={row.time}>
              <th scope="row">{clock(row.time)}</th>
              <td>{signedMoney(row.calls)}</td>
              <td>{signedMoney(row.puts)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </figure>
  );
}
