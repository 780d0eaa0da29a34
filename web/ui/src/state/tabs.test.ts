// @vitest-environment node
import { signal } from "@preact/signals";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Channel } from "../protocol/api";
import type { Trade } from "../protocol/trade";
import { Backoff } from "../stream/backoff";
import { Stream } from "../stream/stream";
import { openSocket, row, TestGateway, until, type Visit } from "../stream/test_gateway";
import { type Tab, UNREAD_MOST, unreadText } from "./tab";
import { Tabs } from "./tabs";

const FILTERS: Record<string, Channel["filter"]> = {
  SPY: { underlying: ["SPY"] },
  QQQ: { underlying: ["QQQ"] },
  TSLA: { underlying: ["TSLA"] },
};

const read = (text: string) => ({ text, filter: FILTERS[text] ?? {} });

function channel(name: string, text: string, created: number, more: Partial<Channel> = {}): Channel {
  return { name, link: null, ...read(text), revision: 1, created, changed: created, ...more };
}

const BIG = channel("big", "SPY", 1);
const SWEEPS = channel("sweeps", "QQQ", 2);
const ZERO = channel("zero", "TSLA", 3);

let gateway: TestGateway;
let stream: Stream;
let tabs: Tabs;
let told: Trade[];
const order = signal<readonly string[]>([]);

/** An open link of a tier that follows so many filters at once. */
async function begin(subscriptions: number): Promise<Visit> {
  gateway = await TestGateway.start((visit) => visit.welcome({ subscriptions }));
  stream = new Stream(gateway.url, { backoff: new Backoff(4, 8), open: openSocket });
  told = [];
  tabs = new Tabs(stream, { channelOrder: order }, (trades) => told.push(...trades));
  stream.open();
  const visit = await gateway.visit(0);
  await until(() => stream.link.value.kind === "open", "an open link");
  return visit;
}

function tab(name: string): Tab {
  const found = tabs.list.value.find((each) => each.name.value === name);
  if (found === undefined) throw new Error(`No tab ${name}.`);
  return found;
}

const names = () => tabs.list.value.map((each) => each.name.value);
const live = () =>
  tabs.list.value.filter((each) => each.subscription.value !== null).map((each) => each.name.value);

/** What the gateway was asked for in a tab's present subscription. */
async function asked(visit: Visit, of: Tab) {
  const wire = () => of.subscription.value?.wire;
  await until(
    () => visit.of("subscribe").some(({ sub }) => sub === wire()),
    `a subscription of ${of.name.value}`,
  );
  const { channel, filter } = visit.of("subscribe").findLast(({ sub }) => sub === wire()) ?? {};
  return channel === undefined ? { filter } : { channel };
}

async function snapshot(visit: Visit, of: Tab, ...ids: string[]) {
  await asked(visit, of);
  const wire = of.subscription.value?.wire as string;
  visit.snapshot(
    wire,
    ids.map((id, index) => row(id, index + 1)),
  );
  await until(() => of.subscription.value?.state.value === "live", "a snapshot");
  return wire;
}

beforeEach(() => {
  order.value = [];
});

afterEach(async () => {
  stream.close();
  await gateway.stop();
});

describe("a tab's subscription", () => {
  it("is by the channel while it shows what is saved, and by its filter while it does not", async () => {
    const visit = await begin(25);
    tabs.reconcile([BIG]);
    tabs.show(tab("big"));
    expect(await asked(visit, tab("big"))).toEqual({ channel: "big" });
    tabs.setFilter(tab("big"), read("TSLA"));
    expect(tab("big").changed.value).toBe(true);
    expect(await asked(visit, tab("big"))).toEqual({ filter: FILTERS.TSLA });
    tabs.revert(tab("big"));
    expect(tab("big").changed.value).toBe(false);
    expect(await asked(visit, tab("big"))).toEqual({ channel: "big" });
  });

  it("keeps its rows until those of another filter come, which are no sign of a change elsewhere", async () => {
    const visit = await begin(25);
    const stale = vi.fn();
    tabs.onStale = stale;
    tabs.reconcile([BIG]);
    const big = tab("big");
    tabs.show(big);
    await snapshot(visit, big, "a");
    tabs.setFilter(big, read("TSLA"));
    const rows = () => big.subscription.value?.rows.sorted().map(({ id }) => id);
    expect(rows()).toEqual(["a"]);
    await snapshot(visit, big, "b");
    expect(rows()).toEqual(["b"]);
    tabs.revert(big);
    await snapshot(visit, big, "a");
    expect(rows()).toEqual(["a"]);
    expect(stale).not.toHaveBeenCalled();
  });

  it("begins with nothing before it is known what to look at", async () => {
    const visit = await begin(25);
    tabs.reconcile([BIG, SWEEPS]);
    expect(live()).toEqual([]);
    tabs.show(tab("sweeps"), read("SPY"));
    expect(live()).toEqual(["Flow", "big", "sweeps"]);
    expect(await asked(visit, tab("sweeps"))).toEqual({ filter: FILTERS.SPY });
  });

  it("is ended for who was looked at the longest ago where the tier has no more", async () => {
    await begin(3);
    tabs.reconcile([BIG, SWEEPS, ZERO]);
    tabs.show(tabs.flow);
    expect(live()).toEqual(["Flow", "big"]);
    tabs.show(tab("zero"));
    expect(live()).toEqual(["Flow", "zero"]);
    tabs.show(tab("sweeps"));
    expect(live()).toEqual(["sweeps", "zero"]);
  });

  it("keeps its rows when the channel is renamed, and is resumed by the new name", async () => {
    const visit = await begin(25);
    tabs.reconcile([BIG]);
    tabs.show(tab("big"));
    const wire = await snapshot(visit, tab("big"), "a");
    tabs.reconcile([{ ...BIG, name: "large", revision: 2 }]);
    expect(names()).toEqual(["Flow", "large"]);
    expect(tab("large").subscription.value?.wire).toBe(wire);
    expect(tab("large").subscription.value?.rows.size).toBe(1);
    visit.break();
    const next = await gateway.visit(1);
    expect(await asked(next, tab("large"))).toEqual({ channel: "large" });
  });
});

describe("unread trades", () => {
  it("are what came after the snapshot to a tab that is not shown", async () => {
    const visit = await begin(25);
    tabs.reconcile([BIG]);
    tabs.show(tabs.flow, read("QQQ"));
    const flow = await snapshot(visit, tabs.flow, "f");
    const big = await snapshot(visit, tab("big"), "a", "b");
    visit.batch(big, [row("b", 9), row("c", 10), row("d", 11)]);
    visit.batch(flow, [row("g", 12)]);
    await until(() => told.some(({ id }) => id === "g"), "the last batch");
    expect(tab("big").unread.value).toBe(2);
    expect(tabs.flow.unread.value).toBe(0);
    tabs.show(tab("big"));
    expect(tab("big").unread.value).toBe(0);
  });

  it("are of the shown tab too while nobody looks at the page", async () => {
    const visit = await begin(25);
    tabs.show(tabs.flow, read("QQQ"));
    const flow = await snapshot(visit, tabs.flow);
    tabs.watch(false);
    visit.batch(flow, [row("a", 1), row("b", 2)]);
    await until(() => tabs.flow.unread.value === 2, "two unread trades");
    tabs.watch(true);
    expect(tabs.flow.unread.value).toBe(0);
  });

  it("are counted no further than can be shown", async () => {
    const visit = await begin(25);
    tabs.reconcile([BIG]);
    tabs.show(tabs.flow);
    const big = await snapshot(visit, tab("big"));
    visit.batch(
      big,
      Array.from({ length: UNREAD_MOST + 5 }, (_, index) => row(`t${index}`, index + 1)),
    );
    await until(() => tab("big").unread.value > 0, "unread trades");
    expect(tab("big").unread.value).toBe(UNREAD_MOST);
    expect(unreadText(tab("big").unread.value)).toBe("999+");
    expect(unreadText(UNREAD_MOST - 1)).toBe("999");
  });
});

describe("a channel that is changed elsewhere", () => {
  it("takes its tab along where that shows what was saved", async () => {
    await begin(25);
    tabs.reconcile([BIG, SWEEPS]);
    tabs.setFilter(tab("sweeps"), read("TSLA"));
    const newer = { ...read("QQQ"), revision: 2 };
    tabs.reconcile([
      { ...BIG, ...newer },
      { ...SWEEPS, ...read("SPY"), revision: 2 },
    ]);
    expect(tab("big").filter.value.text).toBe("QQQ");
    expect(tab("sweeps").filter.value.text).toBe("TSLA");
    expect(tab("sweeps").saved.value?.text).toBe("SPY");
  });

  it("is said to be stale once a new snapshot comes by itself, and not with the first", async () => {
    const visit = await begin(25);
    const stale = vi.fn();
    tabs.onStale = stale;
    tabs.reconcile([BIG]);
    tabs.show(tab("big"));
    const wire = await snapshot(visit, tab("big"), "a");
    expect(stale).not.toHaveBeenCalled();
    visit.snapshot(wire, [row("z", 5)]);
    await until(() => stale.mock.calls.length > 0, "a sign");
    expect(stale).toHaveBeenCalledExactlyOnceWith(tab("big"));
  });

  it("leaves its tab as a free filter when it is gone", async () => {
    const visit = await begin(25);
    const stale = vi.fn(() => tabs.reconcile([]));
    tabs.onStale = stale;
    tabs.reconcile([BIG]);
    tabs.show(tab("big"));
    const wire = await snapshot(visit, tab("big"), "a");
    visit.say({ op: "error", code: "channel_deleted", message: "The channel was deleted.", sub: wire });
    await until(() => tab("big").channel.value === null, "a free filter");
    expect(tabs.notice.value).toContain("big was deleted");
    expect(tabs.current.value).toBe(tab("big"));
    expect(await asked(visit, tab("big"))).toEqual({ filter: FILTERS.SPY });
    expect(stale).toHaveBeenCalledOnce();
  });

  it("is told from another that took its name", async () => {
    await begin(25);
    tabs.reconcile([BIG, SWEEPS]);
    const [, big, sweeps] = tabs.list.value;
    tabs.reconcile([
      { ...BIG, name: "sweeps" },
      { ...SWEEPS, name: "big" },
    ]);
    expect(big?.name.value).toBe("sweeps");
    expect(sweeps?.name.value).toBe("big");
  });
});

describe("the order", () => {
  it("is by name at first, then as it was left, with the free filter in front", async () => {
    await begin(25);
    tabs.reconcile([ZERO, BIG, SWEEPS]);
    expect(names()).toEqual(["Flow", "big", "sweeps", "zero"]);
    tabs.move(tab("zero"), 0);
    expect(names()).toEqual(["Flow", "zero", "big", "sweeps"]);
    tabs.move(tabs.flow, 2);
    expect(names()[0]).toBe("Flow");
    expect(order.value).toEqual(["zero", "big", "sweeps"]);
    tabs.openShared({ link: "ftlink_1", name: "theirs", saved: read("SPY") });
    expect(order.value).toEqual(["zero", "big", "sweeps", "ftlink_1"]);
    tabs.close(tab("big"));
    expect(order.value).toEqual(["zero", "sweeps", "ftlink_1"]);
  });

  it("looks at the tab before the one that was closed", async () => {
    await begin(25);
    tabs.reconcile([BIG, SWEEPS]);
    tabs.show(tab("sweeps"));
    tabs.close(tab("sweeps"));
    expect(tabs.current.value).toBe(tab("big"));
    tabs.close(tabs.flow);
    expect(names()).toEqual(["Flow", "big"]);
  });
});
