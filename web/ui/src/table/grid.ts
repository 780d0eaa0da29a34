/** AG Grid made ready for trades: its modules, theme, columns and rows. */

import {
  CellStyleModule,
  ClientSideRowModelApiModule,
  ClientSideRowModelModule,
  type ColDef,
  ColumnApiModule,
  createGrid,
  createTheme,
  type GridApi,
  type GridOptions,
  ModuleRegistry,
  RenderApiModule,
  RowApiModule,
  RowStyleModule,
  ScrollApiModule,
} from "ag-grid-community";
import type { Trade } from "../protocol/trade";
import { STYLE_NONCE } from "../style/nonce";
import { COLUMNS, type Column, type Placed, type Value } from "./columns";
import { chipElements, emphasisOf, flagsOf } from "./flags";
import { byTime, byValue } from "./order";

// Only what is used: the whole of the community edition would double the page.
ModuleRegistry.registerModules([
  ClientSideRowModelModule,
  ClientSideRowModelApiModule,
  ColumnApiModule,
  RowApiModule,
  RowStyleModule,
  CellStyleModule,
  ScrollApiModule,
  RenderApiModule,
]);

/** Pixels. */
export const ROW_HEIGHT = 26;

/** Rows that are drawn above and below those in view: each is laid out with every batch, though nobody sees it. */
const ROW_BUFFER = 2;

/** Without the parts of a ready theme: their icons are data: addresses, which the content policy refuses. */
const THEME = createTheme().withParams({
  accentColor: "var(--accent)",
  backgroundColor: "var(--surface)",
  borderColor: "var(--line)",
  browserColorScheme: "inherit",
  cellHorizontalPadding: "6px",
  // Narrow digits, the same on most machines: twenty columns stand in 1280 pixels.
  fontFamily: 'Inter, "Segoe UI", Roboto, "Helvetica Neue", Arial, "Liberation Sans", sans-serif',
  fontSize: "12px",
  foregroundColor: "var(--text)",
  headerBackgroundColor: "var(--ground)",
  headerColumnResizeHandleColor: "var(--line)",
  headerFontWeight: 600,
  headerTextColor: "var(--muted)",
  iconSize: "12px",
  spacing: "4px",
  wrapperBorder: false,
  wrapperBorderRadius: 0,
});

const ICONS = {
  sortAscending: "▲",
  sortDescending: "▼",
  columnMovePin: "",
  columnMoveHide: "",
  columnMoveMove: "↔",
  columnMoveLeft: "←",
  columnMoveRight: "→",
};

/** What the grid asks the page for. */
export interface GridWishes {
  readonly columns: readonly Placed[];
  /** Whether a row stands only until the view is let go. */
  readonly isStruck: (id: string) => boolean;
  readonly open: (trade: Trade) => void;
  /** Escape was pressed within the rows. */
  readonly leave: () => void;
  readonly scrolled: () => void;
  /** Columns were moved, sized, hidden or sorted by somebody. */
  readonly arranged: () => void;
}

export function createTradeGrid(place: HTMLElement, wishes: GridWishes): GridApi<Trade> {
  const options: GridOptions<Trade> = {
    theme: THEME,
    ...(STYLE_NONCE ? { styleNonce: STYLE_NONCE } : {}),
    icons: ICONS,
    columnDefs: wishes.columns.map((column) => definition(column, wishes)),
    defaultColDef: { sortable: true, resizable: true, minWidth: 24, sortingOrder: ["desc", "asc"] },
    getRowId: ({ data }) => data.id,
    rowData: [],
    rowHeight: ROW_HEIGHT,
    headerHeight: 28,
    rowBuffer: ROW_BUFFER,
    deltaSort: true,
    animateRows: false,
    // A cell that shows more than a text would else come a frame after its row.
    suppressAnimationFrame: true,
    suppressColumnMoveAnimation: true,
    suppressDragLeaveHidesColumns: true,
    // A style sheet does the same without being told of every row.
    suppressRowHoverHighlight: true,
    suppressOverlays: ["loading", "noRows"],
    // Under a finger a scroll bar lies over the rows and takes no place.
    ...(matchMedia("(pointer: coarse)").matches ? { scrollbarWidth: 0 } : { alwaysShowVerticalScroll: true }),
    rowClassRules: {
      golden: ({ data }) => data !== undefined && emphasisOf(data) === "golden",
      sweep: ({ data }) => data !== undefined && emphasisOf(data) === "sweep",
      large: ({ data }) => data !== undefined && emphasisOf(data) === "large",
      cancelled: ({ data }) => data?.flags.includes("cancelled") ?? false,
      struck: ({ data }) => data !== undefined && wishes.isStruck(data.id),
    },
    // Tab passes the table by, as a grid is one stop; within it the arrow keys walk.
    tabToNextCell: () => false,
    tabToNextHeader: () => false,
    onRowClicked: ({ data }) => data && wishes.open(data),
    onCellKeyDown: ({ data, event }) => {
      const key = event instanceof KeyboardEvent ? event.key : "";
      if (key === "Enter" && data) wishes.open(data);
      else if (key === "Escape") wishes.leave();
    },
    onBodyScroll: ({ direction }) => direction === "vertical" && wishes.scrolled(),
    onColumnMoved: ({ finished, source }) => finished && source !== "api" && wishes.arranged(),
    onColumnResized: ({ finished, source }) =>
      finished && source !== "flex" && source !== "api" && wishes.arranged(),
    onSortChanged: ({ source }) => source !== "api" && wishes.arranged(),
  };
  return createGrid(place, options);
}

function definition(start: Placed, wishes: GridWishes): ColDef<Trade> {
  const column = COLUMNS.find((each) => each.id === start.colId) as Column;
  return {
    colId: column.id,
    headerName: column.head,
    width: start.width,
    initialHide: start.hide,
    initialSort: start.sort,
    comparator: column.id === "ts" ? byTime : byValue,
    valueGetter: ({ data }) => (data ? column.value(data) : null),
    valueFormatter: ({ data, value }) => (data ? column.text(value as Value, data) : ""),
    ...(column.align === "right" && { type: "rightAligned" }),
    ...special(column, wishes),
  };
}

/** Columns that show more than a text. */
function special(column: Column, wishes: GridWishes): ColDef<Trade> {
  switch (column.id) {
    case "right":
    case "contract":
      return { cellClass: ({ data }) => (data?.right === "C" ? "call" : "put") };
    case "underlying":
      return { cellClass: "ticker" };
    case "premium":
      return { cellClass: ["premium", "ag-right-aligned-cell"] };
    case "side":
      return {
        cellClassRules: {
          strong: ({ data }) => data?.side === "above_ask" || data?.side === "below_bid",
          weak: ({ data }) => data?.side === "mid" || data?.side === "none",
        },
      };
    case "sentiment":
      return {
        cellClassRules: {
          bullish: ({ value }) => value === "bullish",
          bearish: ({ value }) => value === "bearish",
          weak: ({ value }) => value === "neutral",
        },
      };
    case "flags":
      return {
        minWidth: column.width,
        initialFlex: 1,
        valueGetter: ({ data }) => (data ? flagsOf(data, wishes.isStruck(data.id)) : ""),
        cellRenderer: ({ value }: { value: string }) => chipElements(value),
      };
    default:
      return {};
  }
}
