/** The live table. */

import { AllCommunityModule, createGrid, type GridApi, ModuleRegistry, themeQuartz } from "ag-grid-community";
import { useEffect, useRef } from "preact/hooks";
import { clock, money } from "../format";
import type { Trade } from "../protocol/trade";
import { usePage } from "../state/page";

ModuleRegistry.registerModules([AllCommunityModule]);

export function TradeTable() {
  const page = usePage();
  const place = useRef<HTMLDivElement>(null);
  const subscription = page.tabs.current.value.subscription.value;
  useEffect(() => {
    if (place.current === null || subscription === null) return;
    const grid: GridApi<Trade> = createGrid<Trade>(place.current, {
      theme: themeQuartz,
      columnDefs: [
        { field: "ts", valueFormatter: (each) => clock(each.value) },
        { field: "underlying" },
        { field: "premium", valueFormatter: (each) => money(each.value) },
      ],
      getRowId: (each) => each.data.id,
      rowData: [],
      ...(nonce() ? { styleNonce: nonce() as string } : {}),
    });
    let frame = 0;
    const draw = () => {
      frame = 0;
      const changes = subscription.rows.drain();
      if (changes.reset) grid.setGridOption("rowData", [...changes.added]);
      else grid.applyTransaction({ add: [...changes.added], addIndex: 0, update: [...changes.changed] });
    };
    subscription.rows.rewind();
    const stop = subscription.rows.watch(() => {
      frame ||= requestAnimationFrame(draw);
    });
    draw();
    return () => {
      stop();
      cancelAnimationFrame(frame);
      grid.destroy();
    };
  }, [subscription]);
  return <div class="trade-table" ref={place} />;
}

function nonce(): string | null {
  return document.querySelector<HTMLMetaElement>('meta[name="style-nonce"]')?.content ?? null;
}
