/** The live table: trades newest first, held still while somebody looks, with the columns as they were left. */

import { signal, useSignal } from "@preact/signals";
import type { GridApi } from "ag-grid-community";
import { useEffect, useMemo, useRef } from "preact/hooks";
import { count } from "../format";
import type { Trade } from "../protocol/trade";
import { type Page, usePage } from "../state/page";
import { ROWS_KEPT, ROWS_MOST } from "../tape/trade_rows";
import { BY_ID, type Layout, placed } from "./columns";
import { ColumnsMenu } from "./columns_menu";
import { csvName, csvOf, download } from "./csv";
import { EmptyTable } from "./empty_table";
import { createTradeGrid, ROW_HEIGHT } from "./grid";
import type { Reason } from "./hold";
import { forgotten, remembered, restored } from "./layout";
import { LiveRows } from "./live_rows";
import { TableFooter } from "./table_footer";
import { useLayout } from "./use_layout";
import "./table.css";

/** Older rows are asked for when so many are left below. */
const ROWS_AHEAD = 40;

/** What the page says while the view is held. */
const HELD: Record<Reason, string> = {
  paused: "Paused",
  scrolled: "Held while you are scrolled down",
  keys: "Held while the keyboard is on rows; Escape lets go",
  pointer: "Held while you point at a row",
};

export function TradeTable() {
  const page = usePage();
  const section = useRef<HTMLElement>(null);
  const place = useRef<HTMLDivElement>(null);
  const layout = useLayout();
  /** Rises when columns were shown or hidden, so that the list of columns is drawn again. */
  const arrangement = useSignal(0);
  const table = useMemo(() => new Table(page, () => arrangement.value++), [page, arrangement]);
  const { rows } = table;
  const subscription = page.tabs.current.value.subscription.value;
  const paused = page.paused.value;

  useEffect(() => {
    if (place.current === null || section.current === null) return;
    return table.stand(section.current, place.current, layout);
  }, [table, layout]);
  useEffect(() => table.follow(), [table, layout, subscription]);
  useEffect(() => rows.set("paused", paused), [rows, paused]);
  useEffect(() => table.offer(), [table]);

  arrangement.value;
  const reason = rows.reason.value;
  const waiting = rows.waiting.value;
  const shown = rows.count.value;
  return (
    <section ref={section} class="trade-table" aria-label="Trades" tabIndex={-1}>
      <div class="table-body">
        <div ref={place} class="table-grid" />
        {shown === 0 && waiting === 0 && (
          <EmptyTable subscription={subscription} link={page.stream.link.value} />
        )}
        {waiting > 0 && (
          <button type="button" class="table-pill" onClick={() => table.toTop()}>
            {count(waiting)}
            {rows.overflowed.value && "+"} new<span class="unseen"> trades: show them</span>
          </button>
        )}
      </div>
      <TableFooter
        subscription={subscription}
        shown={shown}
        standing={reason ? HELD[reason] : table.order.value}
        held={reason !== null}
        page={page.stream.welcome.value?.limits.rows ?? null}
        older={() => table.older()}
      >
        <button type="button" class="button" aria-keyshortcuts="e" onClick={() => table.exportCsv()}>
          CSV<span class="unseen">: save what is shown</span>
        </button>
        <ColumnsMenu
          isShown={(id) => table.isShown(id)}
          show={(id, on) => table.show(id, on)}
          reset={() => table.reset()}
        />
      </TableFooter>
    </section>
  );
}

/** The grid with what acts on it; made once, while the grid is made anew for another layout. */
class Table {
  readonly rows = new LiveRows();
  /** How rows are ordered, in words. */
  readonly order = signal("Newest on top");
  private grid: GridApi<Trade> | null = null;
  private section: HTMLElement | null = null;
  private layout: Layout = "wide";

  constructor(
    private readonly page: Page,
    private readonly arranged: () => void,
  ) {
    this.rows.begun = () => {
      this.showTop();
      // What the pointer was on is gone: only a move of it holds what stands there now.
      this.rows.set("pointer", false);
      // A row that had the keyboard may be gone, of which browsers tell nothing.
      this.rows.set("keys", holds(document.activeElement));
    };
  }

  /** Build the grid; the answer takes it down. */
  stand(section: HTMLElement, place: HTMLElement, layout: Layout): () => void {
    this.layout = layout;
    this.section = section;
    const grid = createTradeGrid(place, {
      columns: restored(this.page.preferences.grid.peek(), layout),
      isStruck: this.rows.isStruck,
      open: (trade) => {
        this.page.contract.value = trade;
      },
      leave: () => this.leave(),
      scrolled: () => this.scrolled(),
      arranged: () => this.keep(),
    });
    this.grid = grid;
    this.rows.grid = grid;
    // Another grid begins at its top, and tells of no scroll that did not happen.
    this.rows.set("scrolled", false);
    this.sorted();
    const unwatch = this.watch(place.parentElement as HTMLElement);
    this.arranged();
    return () => {
      unwatch();
      this.rows.stop();
      this.grid = null;
      grid.destroy();
    };
  }

  /** Let the keyboard ask for what the table can do; the answer takes the offers back. */
  offer(): () => void {
    const { actions } = this.page;
    const ends = [
      actions.offer("nextRow", () => this.focusRow(1)),
      actions.offer("previousRow", () => this.focusRow(-1)),
      actions.offer("openRow", () => this.openRow()),
      actions.offer("newest", () => this.toTop()),
      actions.offer("exportCsv", () => this.exportCsv()),
    ];
    return () => {
      for (const end of ends) end();
    };
  }

  /** Show the rows of the tab that is looked at. */
  follow(): void {
    this.rows.follow(this.subscription);
  }

  older(): void {
    const page = this.page.stream.welcome.peek()?.limits.rows;
    const subscription = this.subscription;
    if (page === undefined || subscription === null) return;
    this.rows.awaitPage();
    this.page.stream.older(subscription, page);
  }

  toTop(): void {
    this.page.paused.value = false;
    this.showTop();
    this.leave();
    for (const reason of ["paused", "scrolled", "pointer", "keys"] as const) this.rows.set(reason, false);
  }

  exportCsv(): void {
    if (this.grid === null) return;
    const columns = this.grid.getAllDisplayedColumns().flatMap((each) => BY_ID.get(each.getColId()) ?? []);
    const trades: Trade[] = [];
    this.grid.forEachNodeAfterFilterAndSort(({ data }) => data && trades.push(data));
    download(csvName(Date.now()), csvOf(columns, trades));
  }

  isShown(id: string): boolean {
    return this.grid?.getColumn(id)?.isVisible() ?? false;
  }

  show(id: string, on: boolean): void {
    this.grid?.setColumnsVisible([id], on);
    this.keep();
  }

  reset(): void {
    const preferences = this.page.preferences;
    preferences.grid.value = forgotten(preferences.grid.peek(), this.layout);
    const state = placed(this.layout).map((each) => ({ ...each, flex: each.colId === "flags" ? 1 : null }));
    this.grid?.applyColumnState({ state, applyOrder: true });
    this.sorted();
    this.arranged();
  }

  private get subscription() {
    return this.page.tabs.current.peek().subscription.peek();
  }

  private keep(): void {
    if (this.grid === null) return;
    const state = this.grid.getColumnState().map((each) => ({
      colId: each.colId,
      hide: each.hide ?? false,
      width: each.width ?? 0,
      sort: each.sort ?? null,
    }));
    const preferences = this.page.preferences;
    preferences.grid.value = remembered(preferences.grid.peek(), this.layout, state);
    this.sorted();
    this.arranged();
  }

  private sorted(): void {
    const by = this.grid?.getColumnState().find((each) => each.sort);
    const newestFirst = by?.colId === "ts" && by.sort === "desc";
    const name = BY_ID.get(by?.colId ?? "")?.name ?? "";
    this.rows.newestFirst = newestFirst;
    this.order.value = newestFirst ? "Newest on top" : `Sorted by ${name}`;
    this.grid?.setGridAriaProperty(
      "label",
      newestFirst ? "Trades, newest first" : `Trades, sorted by ${name}`,
    );
  }

  private scrolled(): void {
    const { grid, subscription } = this;
    if (grid === null) return;
    const { top, bottom } = grid.getVerticalPixelRange();
    const away = top > ROW_HEIGHT / 2;
    this.rows.set("scrolled", away);
    if (subscription) subscription.rows.limit = away ? ROWS_MOST : ROWS_KEPT;
    const below = grid.getDisplayedRowCount() - bottom / ROW_HEIGHT;
    if (away && this.rows.newestFirst && below < ROWS_AHEAD) this.older();
  }

  private focusRow(step: number): void {
    const { grid } = this;
    const last = (grid?.getDisplayedRowCount() ?? 0) - 1;
    const column = grid?.getAllDisplayedColumns()[0];
    if (grid === null || last < 0 || column === undefined) return;
    const focused = grid.getFocusedCell();
    const index = focused ? Math.min(last, Math.max(0, focused.rowIndex + step)) : 0;
    grid.ensureIndexVisible(index);
    grid.setFocusedCell(index, focused?.column ?? column);
  }

  private showTop(): void {
    if (this.grid?.getDisplayedRowCount()) this.grid.ensureIndexVisible(0, "top");
  }

  private openRow(): void {
    const focused = this.grid?.getFocusedCell();
    const row = focused && this.grid?.getDisplayedRowAtIndex(focused.rowIndex);
    if (row?.data) this.page.contract.value = row.data;
  }

  /** Take the keyboard off the rows and leave it at the table. */
  private leave(): void {
    const within = this.section?.contains(document.activeElement);
    this.grid?.clearFocusedCell();
    if (within) this.section?.focus({ preventScroll: true });
  }

  private watch(body: HTMLElement): () => void {
    const { rows } = this;
    const ended = new AbortController();
    const listen = <K extends keyof HTMLElementEventMap>(
      name: K,
      take: (event: HTMLElementEventMap[K]) => void,
    ) => body.addEventListener(name, take, { signal: ended.signal });
    // Not by rows that come to stand under a pointer at rest: only a move of it holds them.
    listen("pointermove", ({ target, pointerType }) =>
      rows.set("pointer", pointerType !== "touch" && holds(target)),
    );
    listen("pointerleave", () => rows.set("pointer", false));
    listen("focusin", ({ target }) =>
      rows.set("keys", holds(target) && (target as Element).matches(":focus-visible")),
    );
    listen("focusout", ({ relatedTarget }) => rows.set("keys", holds(relatedTarget)));
    return () => ended.abort();
  }
}

/** A row, or the pill, which would else be gone before it is reached. */
function holds(target: EventTarget | null): boolean {
  return target instanceof Element && target.closest(".ag-row, .table-pill") !== null;
}
