import { describe, expect, it } from "vitest";
import { COLUMNS, contractOf, isoTime, placed, quoteOf, timeOf } from "./columns";
import { trade } from "./trade.fixture";

const shown = (row: ReturnType<typeof trade>) =>
  Object.fromEntries(COLUMNS.map((column) => [column.id, column.text(column.value(row), row)]));

const NOON = Date.UTC(2026, 10, 20, 17, 0, 0, 123);

describe("a cell", () => {
  it("says each value as a trader reads it", () => {
    const row = trade("m:1", 1, { ts: NOON, premium: 1_250_000, side: "above_ask", exchange: "XPHL" });
    expect(shown(row)).toMatchObject({
      underlying: "SPY",
      right: "Call",
      strike: "600",
      expiry: "2026-12-18",
      dte: "27",
      underlying_price: "598.31",
      otm_pct: "0.3%",
      price: "2.45",
      size: "1,200",
      premium: "$1.25M",
      quote: "2.40 × 2.45",
      side: "above ask",
      sentiment: "▲ bullish",
      volume: "5,000",
      open_interest: "1,000",
      vol_oi: "5.00",
      iv: "23.1%",
      exchange: "XPHL",
      delta: "0.44",
      conditions: "S",
      id: "m:1",
    });
  });

  it("stands a dash for what is unknown", () => {
    const row = trade("a", 1, {
      bid: null,
      ask: null,
      underlying_price: null,
      iv: null,
      otm_pct: null,
      side: "none",
    });
    expect(shown(row)).toMatchObject({ quote: "–", underlying_price: "–", iv: "–", otm_pct: "–", side: "–" });
  });

  it("has no minus before nothing", () => {
    expect(shown(trade("a", 1, { otm_pct: -0.04 })).otm_pct).toBe("0.0%");
    expect(shown(trade("a", 1, { otm_pct: -0.06 })).otm_pct).toBe("-0.1%");
  });

  it("quotes the side that is known", () => {
    expect(quoteOf(trade("a", 1, { bid: null }))).toBe("– × 2.45");
  });

  it("names a contract in short", () => {
    expect(contractOf(trade("a", 1, { right: "P", strike: 602.5 }))).toBe("602.5P 12-18");
  });

  it("tells the time of New York, and the day where it is not today", () => {
    expect(timeOf(NOON, NOON + 60_000)).toBe("12:00:00");
    expect(timeOf(NOON, NOON + 86_400_000)).toBe("Nov 20 12:00:00");
  });

  it("exports the instant with its offset, summer and winter", () => {
    expect(isoTime(NOON)).toBe("2026-11-20T12:00:00.123-05:00");
    expect(isoTime(Date.UTC(2026, 6, 1, 4, 0, 0, 7))).toBe("2026-07-01T00:00:00.007-04:00");
  });
});

describe("the first layout", () => {
  it("shows a wide page the twenty columns of a flow table, newest first", () => {
    const open = placed("wide").filter((each) => !each.hide);
    expect(open.map((each) => each.colId)).toEqual([
      ..."ts underlying right strike expiry dte underlying_price otm_pct price size premium quote".split(" "),
      ..."side sentiment volume open_interest vol_oi iv exchange flags".split(" "),
    ]);
    expect(open.filter((each) => each.sort)).toEqual([
      expect.objectContaining({ colId: "ts", sort: "desc" }),
    ]);
  });

  it("fits a wide page of 1280 pixels with room for the scroll bar", () => {
    const open = placed("wide").filter((each) => !each.hide);
    expect(open.reduce((sum, each) => sum + each.width, 0)).toBeLessThanOrEqual(1_264);
  });

  it("has every column in both layouts once", () => {
    const ids = COLUMNS.map((each) => each.id).sort();
    for (const layout of ["wide", "narrow"] as const) {
      expect(
        placed(layout)
          .map((each) => each.colId)
          .sort(),
      ).toEqual(ids);
    }
  });
});
