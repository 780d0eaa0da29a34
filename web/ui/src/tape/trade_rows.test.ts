import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { newestFirst, type Trade } from "../protocol/trade";
import { type Changes, ROWS_KEPT, ROWS_MOST, TradeRows, WITHDRAWN_KEPT } from "./trade_rows";

/** A version of a trade; only what rows are kept by matters here. */
function trade(id: string, seq: number, ts = seq): Trade {
  return { id, seq, ts, underlying: "SPY", flags: [] } as unknown as Trade;
}

const ids = (trades: readonly Trade[]) => trades.map(({ id }) => id);

/** What a reader has that takes in nothing but changes. */
class Reader {
  readonly rows = new Map<string, Trade>();

  take(changes: Changes): void {
    if (changes.reset) this.rows.clear();
    for (const { id } of changes.changed) expect(this.rows.has(id)).toBe(true);
    for (const { id } of changes.added) expect(this.rows.has(id)).toBe(false);
    for (const { id } of changes.gone) expect(this.rows.delete(id)).toBe(true);
    for (const id of changes.dropped) expect(this.rows.delete(id)).toBe(true);
    for (const each of [...changes.added, ...changes.changed]) this.rows.set(each.id, each);
  }

  sorted(): Trade[] {
    return [...this.rows.values()].sort(newestFirst);
  }
}

/** The rules of docs/stream.md, written down once more without regard to cost. */
class Model {
  held: Trade[] = [];
  private withdrawn = new Map<string, number>();
  limit = ROWS_KEPT;

  replace(trades: readonly Trade[]): void {
    this.held = [];
    this.withdrawn = new Map();
    this.limit = ROWS_KEPT;
    this.put(trades);
    this.trim();
  }

  apply(trades: readonly Trade[], gone: readonly Trade[]): string[] {
    const before = ids(this.held);
    this.put(trades);
    for (const each of gone) {
      const known = this.held.find(({ id }) => id === each.id);
      if (known && known.seq > each.seq) continue;
      this.held = this.held.filter(({ id }) => id !== each.id);
      this.withdrawn.set(each.id, Math.max(each.seq, this.withdrawn.get(each.id) ?? -1));
    }
    this.trim();
    return ids(this.held).filter((id) => !before.includes(id));
  }

  put(trades: readonly Trade[]): void {
    for (const each of trades) {
      const known = this.held.find(({ id }) => id === each.id);
      if (known && known.seq >= each.seq) continue;
      if (!known && (this.withdrawn.get(each.id) ?? -1) >= each.seq) continue;
      this.withdrawn.delete(each.id);
      this.held = [...this.held.filter(({ id }) => id !== each.id), each];
    }
  }

  trim(): void {
    this.held.sort((a, b) => b.ts - a.ts || (a.id < b.id ? 1 : -1));
    this.held = this.held.slice(0, this.limit);
  }

  sorted(): Trade[] {
    return [...this.held].sort(newestFirst);
  }
}

/** Few ids, times and versions, so that they meet often. As on the tape an id has one time for ever, a `seq` one id. */
const version = fc
  .record({ number: fc.integer({ min: 0, max: 11 }), seq: fc.integer({ min: 0, max: 8 }) })
  .map(({ number, seq }) => trade(`t${number}`, seq * 12 + number, Math.floor(number / 2)));
const versions = fc.array(version, { maxLength: 8 });
const operation = fc.oneof(
  { weight: 6, arbitrary: fc.record({ op: fc.constant("apply" as const), rows: versions, gone: versions }) },
  { weight: 2, arbitrary: fc.record({ op: fc.constant("append" as const), rows: versions }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant("replace" as const), rows: versions }) },
  {
    weight: 2,
    arbitrary: fc.record({ op: fc.constant("limit" as const), to: fc.integer({ min: 1, max: 8 }) }),
  },
  { weight: 3, arbitrary: fc.record({ op: fc.constant("drain" as const) }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant("rewind" as const) }) },
);

describe("rows by id", () => {
  it("holds what the rules say, and tells it step by step, whatever comes in whatever order", () => {
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 40 }), (operations) => {
        const rows = new TradeRows();
        const model = new Model();
        const reader = new Reader();
        for (const each of operations) {
          switch (each.op) {
            case "apply": {
              const fresh = rows.apply(each.rows, each.gone);
              expect(ids(fresh).sort()).toEqual(model.apply(each.rows, each.gone).sort());
              for (const one of fresh) expect(rows.get(one.id)).toBe(one);
              break;
            }
            case "append":
              rows.append(each.rows);
              model.put(each.rows);
              model.limit = ROWS_MOST;
              model.trim();
              break;
            case "replace":
              rows.replace(each.rows);
              model.replace(each.rows);
              break;
            case "limit":
              rows.limit = model.limit = each.to;
              model.trim();
              break;
            case "drain":
              reader.take(rows.drain());
              expect(reader.sorted()).toEqual(rows.sorted());
              break;
            case "rewind":
              rows.rewind();
          }
          expect(rows.sorted()).toEqual(model.sorted());
          expect(rows.size).toBe(model.held.length);
        }
        reader.take(rows.drain());
        expect(reader.sorted()).toEqual(model.sorted());
      }),
      { numRuns: 500 },
    );
  });

  it("tells nothing of a trade that came and went between two looks", () => {
    const rows = new TradeRows();
    rows.drain();
    rows.apply([trade("a", 1)]);
    rows.apply([], [trade("a", 2)]);
    expect(rows.drain()).toEqual({ reset: false, added: [], changed: [], gone: [], dropped: [] });
  });

  it("tells a trade that went and came again as changed, for the reader still has it", () => {
    const rows = new TradeRows();
    rows.apply([trade("a", 1)]);
    rows.drain();
    rows.apply([], [trade("a", 2)]);
    rows.apply([trade("a", 3)]);
    const changes = rows.drain();
    expect(ids(changes.changed)).toEqual(["a"]);
    expect(changes.added).toEqual([]);
    expect(changes.gone).toEqual([]);
  });

  it("does not let an older version bring back a withdrawn trade", () => {
    const rows = new TradeRows();
    rows.apply([], [trade("a", 5)]);
    expect(rows.apply([trade("a", 4)])).toEqual([]);
    expect(rows.size).toBe(0);
    expect(ids(rows.apply([trade("a", 6)]))).toEqual(["a"]);
  });

  it("answers a snapshot with the trades that were not held before it", () => {
    const rows = new TradeRows();
    expect(ids(rows.replace([trade("a", 1)]))).toEqual(["a"]);
    expect(ids(rows.replace([trade("b", 2), trade("a", 1)]))).toEqual(["b"]);
    expect(rows.drain().reset).toBe(true);
  });
});

describe("bounds of rows", () => {
  it("keeps the newest, and says up to which time it let rows go", () => {
    const rows = new TradeRows();
    const letGo: number[] = [];
    rows.onLetGo = (newest) => letGo.push(newest);
    rows.limit = 3;
    rows.apply([5, 4, 3, 2, 1].map((seq) => trade(`t${seq}`, seq)));
    expect(ids(rows.sorted())).toEqual(["t5", "t4", "t3"]);
    expect(letGo).toEqual([2]);
  });

  it("does not take a row that is older than all when it is full, and does not call it new", () => {
    const rows = new TradeRows();
    rows.limit = 2;
    rows.apply([trade("b", 20), trade("c", 30)]);
    rows.drain();
    expect(rows.apply([trade("a", 40, 10)])).toEqual([]);
    expect(rows.drain()).toEqual({ reset: false, added: [], changed: [], gone: [], dropped: [] });
    expect(ids(rows.sorted())).toEqual(["c", "b"]);
  });

  it("keeps a page of older rows until the limit is set again", () => {
    const rows = new TradeRows();
    rows.apply(Array.from({ length: ROWS_KEPT }, (_, place) => trade(`new${place}`, 10_000 + place)));
    rows.append([trade("old", 1)]);
    rows.apply([trade("newest", 20_000)]);
    expect(rows.get("old")).toBeDefined();
    rows.limit = ROWS_KEPT;
    expect(rows.get("old")).toBeUndefined();
    expect(rows.size).toBe(ROWS_KEPT);
  });

  it("is full at ROWS_MOST, whatever limit is set", () => {
    const rows = new TradeRows();
    rows.limit = 10 * ROWS_MOST;
    expect(rows.limit).toBe(ROWS_MOST);
    rows.append(Array.from({ length: ROWS_MOST + 1 }, (_, place) => trade(`t${place}`, place)));
    expect(rows.size).toBe(ROWS_MOST);
    expect(rows.full).toBe(true);
  });

  it("remembers the trades that were withdrawn last, up to a bound", () => {
    const rows = new TradeRows();
    rows.apply([], [trade("first", 5)]);
    rows.apply([], [trade("second", 5)]);
    rows.apply([], [trade("first", 5)]);
    rows.apply(
      [],
      Array.from({ length: WITHDRAWN_KEPT - 1 }, (_, place) => trade(`w${place}`, 5)),
    );
    expect(ids(rows.apply([trade("first", 4), trade("second", 4)]))).toEqual(["second"]);
  });

  it("notes no more changes than a reader could need, however long it does not look", () => {
    const rows = new TradeRows();
    rows.limit = 10;
    rows.apply([trade("seen", 0)]);
    rows.drain();
    for (let seq = 1; seq <= 1_000; seq++) rows.apply([trade(`t${seq}`, seq)]);
    const changes = rows.drain();
    expect(changes.added).toHaveLength(10);
    expect(changes.dropped).toEqual(["seen"]);
  });
});
