/** A uPlot chart as large as its place, in the colours of the theme. */

import "uplot/dist/uPlot.min.css";
import "./chart.css";
import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import { onThemeChange, Palette } from "./palette";

/** All of a chart but its size; made anew when the theme changes. */
export type Drawing = Omit<uPlot.Options, "width" | "height">;

interface ChartProps {
  /** What the picture shows now, in a sentence: for those who do not see it. */
  readonly label: string;
  readonly data: uPlot.AlignedData;
  /** The same function for the life of the chart. */
  readonly draw: (palette: Palette) => Drawing;
  /** Told the index of the point under the crosshair, null without one. */
  readonly onPoint?: (index: number | null) => void;
}

export function Chart({ label, data, draw, onPoint }: ChartProps) {
  const place = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const latest = useRef({ data, onPoint });
  latest.current = { data, onPoint };
  useEffect(() => {
    const at = place.current;
    if (at === null) return;
    let frame = 0;
    const build = () => {
      plot.current?.destroy();
      plot.current = null;
      latest.current.onPoint?.(null);
      const { clientWidth: width, clientHeight: height } = at;
      if (width === 0 || height === 0) return;
      const drawing = draw(new Palette(at));
      plot.current = new uPlot({ ...drawing, width, height }, latest.current.data, at);
      let shown: number | null = null;
      plot.current.hooks.setCursor = [
        (self) => {
          const index = self.cursor.idx ?? null;
          if (index === shown) return;
          shown = index;
          latest.current.onPoint?.(index);
        },
      ];
    };
    const fit = () => {
      frame = 0;
      const { clientWidth: width, clientHeight: height } = at;
      if (plot.current === null || width === 0 || height === 0) build();
      else if (plot.current.width !== width || plot.current.height !== height)
        plot.current.setSize({ width, height });
    };
    build();
    // The place has its size from the sheet, never from the chart, and is followed a frame later: no loop.
    const sizes = new ResizeObserver(() => {
      frame ||= requestAnimationFrame(fit);
    });
    sizes.observe(at);
    const stop = onThemeChange(build);
    return () => {
      stop();
      sizes.disconnect();
      cancelAnimationFrame(frame);
      plot.current?.destroy();
      plot.current = null;
    };
  }, [draw]);
  useEffect(() => plot.current?.setData(data), [data]);
  return <div class="chart" role="img" aria-label={label} ref={place} />;
}
