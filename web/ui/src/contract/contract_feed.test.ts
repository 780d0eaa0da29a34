import { signal } from "@preact/signals";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { SETTLE_MS } from "../polling/poll";
import type { TradesPage } from "../protocol/api";
import { Problem } from "../protocol/api";
import type { Trade } from "../protocol/trade";
import type { Subscription } from "../stream/subscription";
import { TradeRows } from "../tape/trade_rows";
import { ContractFeed, DRAW_MS, PAGES_MOST, REFRESH_MS } from "./contract_feed";

const SYMBOL = "SPY261218C00600000";
/** 15:00:00 in New York; the day began fifteen hours before. */
const AT = Date.UTC(2026, 10, 20, 20, 0, 0);
const HOUR_MS = 3_600_000;

function print(number: number, ts = AT + number * 1_000, seq = number): Trade {
  return { id: `t${number}`, seq, ts, symbol: SYMBOL, flags: [] } as unknown as Trade;
}

/** The gateway's search in memory: the trades of the contract, the newest first, in pages. */
class Search {
  trades: Trade[] = [];
  readonly asked: (string | null | undefined)[] = [];
  problem: Problem | null = null;

  async page(q: string, limit: number, before?: string | null): Promise<TradesPage> {
    expect(q).toBe(`symbol:${SYMBOL}`);
    this.asked.push(before);
    if (this.problem) throw this.problem;
    const from = before ? Number(before) : 0;
    const trades = this.trades.slice(from, from + limit);
    return { trades, before: trades.length === limit ? String(from + limit) : null };
  }
}

/** What the stream gives for a subscription, without a gateway: rows are put in by the test. */
function line() {
  const rows = new TradeRows();
  const state = signal<"asked" | "live" | "ended">("asked");
  const subscription = { rows, state } as unknown as Subscription;
  const stream = { subscribe: vi.fn(() => subscription), unsubscribe: vi.fn() };
  return { rows, state, subscription, stream };
}

describe("ContractFeed", () => {
  let search: Search;
  let feed: ContractFeed;
  let wire: ReturnType<typeof line>;

  beforeEach(() => {
    vi.useFakeTimers();
    search = new Search();
    wire = line();
  });

  afterEach(() => {
    feed.stop();
    vi.useRealTimers();
  });

  async function begin(live: boolean, rows = 10): Promise<void> {
    const api = {
      trades: (q: string, limit: number, before?: string | null) => search.page(q, limit, before),
    };
    feed = new ContractFeed({ api, stream: wire.stream, trade: print(1), rows, live });
    feed.start();
    feed.wake(true);
    await vi.advanceTimersByTimeAsync(SETTLE_MS);
  }

  const shown = () => feed.shown.value?.trades.map((trade) => trade.id);

  it("reads pages until the day began, and leaves the day before out", async () => {
    search.trades = [
      ...Array.from({ length: 12 }, (_, index) => print(40 - index)),
      print(2, AT - 14.9 * HOUR_MS),
      print(1, AT - 15.1 * HOUR_MS),
      ...Array.from({ length: 20 }, (_, index) => print(100 + index, AT - 30 * HOUR_MS)),
    ];
    await begin(false, 5);
    expect(search.asked).toEqual([null, "5", "10"]);
    expect(shown()).toHaveLength(13);
    expect(shown()?.at(-1)).toBe("t2");
    expect(feed.shown.value?.cut).toBe(false);
  });

  it("reads so many pages at most, and says that there are more", async () => {
    search.trades = Array.from({ length: 200 }, (_, index) => print(300 - index));
    await begin(false, 5);
    expect(search.asked).toHaveLength(PAGES_MOST);
    expect(feed.shown.value?.cut).toBe(true);
    expect(shown()).toHaveLength(5 * PAGES_MOST);
  });

  it("without a free filter asks again, only as far as something is new", async () => {
    search.trades = [3, 2, 1].map((number) => print(number));
    await begin(false, 2);
    expect(wire.stream.subscribe).not.toHaveBeenCalled();
    search.asked.length = 0;
    search.trades = [print(4), ...search.trades];
    await vi.advanceTimersByTimeAsync(REFRESH_MS);
    expect(search.asked).toEqual([null]);
    expect(shown()).toEqual(["t4", "t3", "t2", "t1"]);
  });

  it("live takes new prints and newer versions of old ones, and does not ask again", async () => {
    search.trades = [2, 1].map((number) => print(number));
    await begin(true);
    wire.rows.replace([print(2), print(1)]);
    wire.state.value = "live";
    await vi.advanceTimersByTimeAsync(REFRESH_MS);
    search.asked.length = 0;
    wire.rows.apply([print(3), { ...print(1, undefined, 7), side: "ask" } as Trade]);
    await vi.advanceTimersByTimeAsync(DRAW_MS);
    expect(shown()).toEqual(["t3", "t2", "t1"]);
    expect(feed.shown.value?.trades[2]?.seq).toBe(7);
    await vi.advanceTimersByTimeAsync(10 * REFRESH_MS);
    expect(search.asked).toEqual([]);
  });

  it("an older version from a page does not undo what came live", async () => {
    search.trades = [print(1)];
    await begin(true);
    wire.rows.replace([{ ...print(1, undefined, 5) }]);
    await vi.advanceTimersByTimeAsync(REFRESH_MS);
    expect(feed.shown.value?.trades[0]?.seq).toBe(5);
  });

  it("reads the whole day again after a snapshot in the midst of it, as something may be missing", async () => {
    search.trades = [2, 1].map((number) => print(number));
    await begin(true, 2);
    wire.rows.replace([print(2), print(1)]);
    wire.state.value = "live";
    await vi.advanceTimersByTimeAsync(REFRESH_MS);
    search.asked.length = 0;
    search.trades = [6, 5, 4, 3, 2, 1].map((number) => print(number));
    wire.rows.replace([print(6), print(5)]);
    await vi.advanceTimersByTimeAsync(REFRESH_MS);
    expect(search.asked).toEqual([null, "2", "4", "6"]);
    expect(shown()).toEqual(["t6", "t5", "t4", "t3", "t2", "t1"]);
  });

  it("asks again by itself where the gateway has no filter free after all", async () => {
    search.trades = [print(1)];
    await begin(true);
    wire.state.value = "ended";
    await vi.advanceTimersByTimeAsync(REFRESH_MS);
    search.asked.length = 0;
    await vi.advanceTimersByTimeAsync(REFRESH_MS);
    expect(search.asked).toEqual([null]);
    expect(feed.live.value).toBe(false);
  });

  it("says a problem, and tries again", async () => {
    search.problem = new Problem(503, "source", "Redis does not answer.");
    await begin(false);
    expect(feed.problem.value?.message).toBe("Redis does not answer.");
    expect(feed.shown.value).toBeNull();
    search.problem = null;
    search.trades = [print(1)];
    await vi.advanceTimersByTimeAsync(2 * REFRESH_MS);
    expect(feed.problem.value).toBeNull();
    expect(shown()).toEqual(["t1"]);
  });

  it("ends its subscription when it is closed, and asks nothing more", async () => {
    search.trades = [print(1)];
    await begin(true);
    feed.stop();
    expect(wire.stream.unsubscribe).toHaveBeenCalledWith(wire.subscription);
    search.asked.length = 0;
    wire.rows.apply([print(2)]);
    await vi.advanceTimersByTimeAsync(10 * REFRESH_MS);
    expect(search.asked).toEqual([]);
    expect(shown()).toEqual(["t1"]);
  });
});
