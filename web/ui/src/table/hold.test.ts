import { beforeEach, describe, expect, it } from "vitest";
import { newestFirst, type Trade } from "../protocol/trade";
import { TradeRows } from "../tape/trade_rows";
import { type Drawing, Hold } from "./hold";
import { trade } from "./trade.fixture";

/** A table without pixels: does with a drawing what the grid does. */
class Table {
  readonly rows = new TradeRows();
  readonly hold = new Hold();
  private readonly drawn = new Map<string, Trade>();

  has(id: string): boolean {
    return this.drawn.has(id);
  }

  /** How many rows are in view. */
  height = 3;

  stillDownTo(): Trade | null {
    return [...this.drawn.values()].sort(newestFirst)[Math.min(this.height, this.drawn.size) - 1] ?? null;
  }

  get ids(): string[] {
    return [...this.drawn.values()].sort(newestFirst).map((each) => each.id);
  }

  row(id: string): Trade | undefined {
    return this.drawn.get(id);
  }

  frame(): void {
    this.apply(this.hold.release((id) => this.rows.get(id)));
    this.apply(this.hold.take(this.rows.drain(), this));
  }

  private apply({ rebuild, add, update, remove }: Drawing): void {
    if (rebuild) {
      this.drawn.clear();
      for (const each of this.rows.sorted()) this.drawn.set(each.id, each);
    }
    for (const id of remove) expect(this.drawn.delete(id), `${id} is shown and can be removed`).toBe(true);
    for (const each of add) {
      expect(this.drawn.has(each.id), `${each.id} is not shown yet`).toBe(false);
      this.drawn.set(each.id, each);
    }
    for (const each of update) {
      expect(this.drawn.has(each.id), `${each.id} is shown and can be changed`).toBe(true);
      this.drawn.set(each.id, each);
    }
  }
}

let table: Table;

beforeEach(() => {
  table = new Table();
  table.rows.replace([trade("c", 3), trade("b", 2), trade("a", 1)]);
  table.frame();
});

describe("while nothing holds the view", () => {
  it("draws new rows, changes and removals at once", () => {
    table.rows.apply([trade("d", 4), trade("b", 5, { ts: 2, flags: ["sweep"] })], [trade("a", 6)]);
    table.frame();
    expect(table.ids).toEqual(["d", "c", "b"]);
    expect(table.row("b")?.flags).toEqual(["sweep"]);
    expect(table.hold.count).toBe(0);
  });

  it("draws a snapshot as all there is", () => {
    table.rows.replace([trade("z", 9)]);
    table.frame();
    expect(table.ids).toEqual(["z"]);
  });
});

describe("while the view is held", () => {
  beforeEach(() => table.hold.set("pointer", true));

  it("lets new rows wait and counts them", () => {
    table.rows.apply([trade("e", 5), trade("d", 4)]);
    table.frame();
    expect(table.ids).toEqual(["c", "b", "a"]);
    expect(table.hold.count).toBe(2);
  });

  it("shows them when it is let go, as they are by then", () => {
    table.rows.apply([trade("d", 4)]);
    table.frame();
    table.rows.apply([trade("d", 5, { ts: 4, flags: ["sweep"] })]);
    table.frame();
    table.hold.set("pointer", false);
    table.frame();
    expect(table.ids).toEqual(["d", "c", "b", "a"]);
    expect(table.row("d")?.flags).toEqual(["sweep"]);
    expect(table.hold.count).toBe(0);
  });

  it("changes rows in place", () => {
    table.rows.apply([trade("b", 7, { ts: 2, flags: ["cancelled"] })]);
    table.frame();
    expect(table.ids).toEqual(["c", "b", "a"]);
    expect(table.row("b")?.flags).toEqual(["cancelled"]);
  });

  it("keeps a row that no longer passes struck out until it is let go", () => {
    table.rows.apply([], [trade("b", 7, { ts: 2 })]);
    table.frame();
    expect(table.ids).toEqual(["c", "b", "a"]);
    expect(table.hold.isStruck("b")).toBe(true);
    table.hold.set("pointer", false);
    table.frame();
    expect(table.ids).toEqual(["c", "a"]);
    expect(table.hold.isStruck("b")).toBe(false);
  });

  it("takes a struck row back that passes again", () => {
    table.rows.apply([], [trade("b", 7, { ts: 2 })]);
    table.frame();
    table.rows.apply([trade("b", 8, { ts: 2 })]);
    table.frame();
    expect(table.hold.isStruck("b")).toBe(false);
    table.hold.set("pointer", false);
    table.frame();
    expect(table.ids).toEqual(["c", "b", "a"]);
  });

  it("forgets a new row that was withdrawn before anybody saw it", () => {
    table.rows.apply([trade("d", 4)]);
    table.frame();
    table.rows.apply([], [trade("d", 5)]);
    table.frame();
    expect(table.hold.count).toBe(0);
    table.hold.set("pointer", false);
    table.frame();
    expect(table.ids).toEqual(["c", "b", "a"]);
  });

  it("appends a page of older rows, which moves nothing", () => {
    table.rows.apply([trade("y", 0, { ts: 0 }), trade("x", 0, { ts: -1 })]);
    table.frame();
    expect(table.ids).toEqual(["c", "b", "a", "y", "x"]);
    expect(table.hold.count).toBe(0);
  });

  it("draws what comes to stand below the view, though a late print stands lower", () => {
    table.height = 2;
    table.rows.apply([trade("page", 0, { ts: 1.5 })]);
    table.frame();
    expect(table.ids).toEqual(["c", "b", "page", "a"]);
    expect(table.hold.count).toBe(0);
  });

  it("lets a late print between shown rows wait", () => {
    table.rows.apply([trade("late", 9, { ts: 2 })]);
    table.frame();
    expect(table.ids).toEqual(["c", "b", "a"]);
    expect(table.hold.count).toBe(1);
  });

  it("keeps rows that the tape let go, and never waits for more than the tape holds", () => {
    table.rows.limit = 10;
    for (let seq = 4; seq < 200; seq++) {
      table.rows.apply([trade(`t${seq}`, seq)]);
      table.frame();
      expect(table.hold.count).toBeLessThanOrEqual(table.rows.size);
    }
    expect(table.ids).toEqual(["c", "b", "a"]);
    expect(table.hold.overflowed).toBe(true);
    table.hold.set("pointer", false);
    table.frame();
    expect(table.ids).toEqual(table.rows.sorted().map((each) => each.id));
    expect(table.hold.overflowed).toBe(false);
  });

  it("keeps the rows in view through a snapshot, and shows it when it is let go", () => {
    table.rows.replace([trade("z", 9), trade("c", 8, { ts: 3, flags: ["block"] })]);
    table.frame();
    expect(table.ids).toEqual(["c", "b", "a"]);
    expect(table.row("c")?.flags).toEqual(["block"]);
    expect(table.hold.count).toBe(1);
    table.hold.set("pointer", false);
    table.frame();
    expect(table.ids).toEqual(["z", "c"]);
  });

  it("stays held until the last reason is gone, and names the strongest", () => {
    table.hold.set("paused", true);
    expect(table.hold.reason).toBe("paused");
    table.rows.apply([trade("d", 4)]);
    table.frame();
    table.hold.set("paused", false);
    table.frame();
    expect(table.hold.reason).toBe("pointer");
    expect(table.ids).toEqual(["c", "b", "a"]);
    table.hold.set("pointer", false);
    table.frame();
    expect(table.ids).toEqual(["d", "c", "b", "a"]);
  });
});

it("shows after any course of events, once it is let go, exactly what the tape holds", () => {
  let state = 7;
  const random = (below: number) => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
    return Math.floor((state / 2_147_483_648) * below);
  };
  table.rows.limit = 30;
  for (let seq = 10; seq < 3_000; seq++) {
    const id = `t${random(60)}`;
    const each = trade(id, seq, { ts: random(500) });
    const what = random(20);
    if (what < 12) table.rows.apply([each]);
    else if (what < 16) table.rows.apply([], [each]);
    else if (what === 16) table.rows.replace([each, trade("s", seq)]);
    else table.hold.set("pointer", what === 17);
    if (random(3)) table.frame();
    if (random(100) === 0) {
      table.hold.set("pointer", false);
      table.frame();
      expect(table.ids).toEqual(table.rows.sorted().map((row) => row.id));
    }
  }
});
