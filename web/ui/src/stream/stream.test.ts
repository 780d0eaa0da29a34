// @vitest-environment node
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { CloseCode } from "../protocol/messages";
import { Backoff } from "./backoff";
import { MALFORMED_MOST, Stream, type StreamOptions } from "./stream";
import type { Subscription } from "./subscription";
import { openSocket, pause, row, TestGateway, until, type Visit } from "./test_gateway";

const QUICK: StreamOptions = { backoff: new Backoff(4, 8), open: openSocket };
const CALLS = { filter: "calls" };
const PUTS = { filter: "puts" };

let gateway: TestGateway;
let stream: Stream;

async function begin(options: StreamOptions = {}, greet?: (visit: Visit) => void): Promise<Visit> {
  gateway = await TestGateway.start(greet);
  stream = new Stream(gateway.url, { ...QUICK, backoff: new Backoff(4, 8), ...options });
  stream.open();
  const visit = await gateway.visit(0);
  if (greet === undefined) await until(() => stream.link.value.kind === "open", "an open link");
  return visit;
}

/** A subscription that has begun with these rows; `before` is where older ones begin. */
async function live(visit: Visit, rows: unknown[][], before: string | null = null): Promise<Subscription> {
  const subscription = stream.subscribe("flow", CALLS);
  await until(() => visit.subscribed.includes(subscription.wire), "a subscription");
  visit.snapshot(subscription.wire, rows, before);
  await until(() => subscription.state.value === "live", "a snapshot");
  return subscription;
}

const idsOf = (subscription: Subscription) => subscription.rows.sorted().map(({ id }) => id);

beforeEach(() => {
  vi.spyOn(console, "error").mockImplementation(() => {});
});

afterEach(async () => {
  stream.close();
  await gateway.stop();
  vi.restoreAllMocks();
});

describe("subscriptions", () => {
  it("are asked for once the gateway lets the page in, and read by the columns of its welcome", async () => {
    const visit = await begin({}, () => {});
    const subscription = stream.subscribe("flow", CALLS);
    await pause(20);
    expect(visit.subscribed).toEqual([]);
    visit.say({
      op: "welcome",
      user: "ann",
      tier: "pro",
      columns: ["new_column", "ts", "id", "seq"],
      limits: { messages_per_minute: 100, history_per_minute: 30, delay_s: 0 },
    });
    await until(() => visit.subscribed.length === 1, "a subscription");
    expect(visit.of("subscribe")[0]).toEqual({ op: "subscribe", sub: subscription.wire, filter: "calls" });
    visit.snapshot(subscription.wire, [["?", 17, "a", 3]]);
    await until(() => subscription.rows.size === 1, "rows");
    expect(subscription.rows.get("a")).toMatchObject({ ts: 17, seq: 3 });
  });

  it("follow snapshot, batch and gone", async () => {
    const visit = await begin();
    const subscription = await live(visit, [row("b", 2), row("a", 1)]);
    visit.batch(subscription.wire, [row("c", 3)], { gone: [row("a", 4, 1)], skipped: 7 });
    await until(() => subscription.rows.get("c") !== undefined, "a batch");
    expect(idsOf(subscription)).toEqual(["c", "b"]);
    expect(subscription.skipped.value).toBe(7);
  });

  it("never take what was on its way for the one that they replaced", async () => {
    const visit = await begin();
    const first = await live(visit, [row("call", 1)]);
    const second = stream.subscribe("flow", PUTS);
    visit.batch(first.wire, [row("late call", 2)]);
    visit.snapshot(first.wire, [row("later call", 3)]);
    visit.say({ op: "error", code: "bad_filter", message: "of the former one", sub: first.wire });
    await until(() => visit.subscribed.includes(second.wire), "the second subscription");
    visit.snapshot(second.wire, [row("put", 4)]);
    await until(() => second.rows.size > 0, "its snapshot");
    expect(idsOf(second)).toEqual(["put"]);
    expect(second.state.value).toBe("live");
    expect(idsOf(first)).toEqual(["call"]);
    // What makes room comes first: a tier may have room for no more than one.
    expect(visit.heard.map(({ op }) => op)).toEqual(["hello", "subscribe", "unsubscribe", "subscribe"]);
  });

  it("keep their rows where they are asked anew, until the new snapshot", async () => {
    const visit = await begin();
    const subscription = await live(visit, [row("call", 1)]);
    const before = subscription.wire;
    stream.askAnew(subscription, { channel: "mine" });
    await until(() => visit.subscribed.includes(subscription.wire), "the new question");
    expect(visit.of("subscribe").at(-1)).toEqual({
      op: "subscribe",
      sub: subscription.wire,
      channel: "mine",
    });
    visit.batch(before, [row("late", 2)]);
    visit.batch(before, [row("later", 3)]);
    await pause(20);
    expect(idsOf(subscription)).toEqual(["call"]);
    visit.snapshot(subscription.wire, [row("mine", 4)]);
    await until(() => subscription.rows.get("mine") !== undefined, "the new snapshot");
    expect(idsOf(subscription)).toEqual(["mine"]);
  });

  it("end with the errors that end them, and are not asked for again", async () => {
    const visit = await begin();
    const subscription = stream.subscribe("flow", { filter: "swep" });
    await until(() => visit.subscribed.length === 1, "a subscription");
    visit.say({ op: "error", code: "bad_filter", message: "No word.", sub: subscription.wire });
    await until(() => subscription.state.value === "ended", "its end");
    expect(subscription.problem.value?.message).toBe("No word.");
    visit.break();
    const second = await gateway.visit(1);
    stream.unsubscribe(subscription);
    await pause(20);
    expect(second.heard.map(({ op }) => op)).toEqual(["hello"]);
  });
});

describe("a lost connection", () => {
  it("is resumed with the last position; nothing is lost, and nothing doubled", async () => {
    const visit = await begin();
    const subscription = await live(visit, [row("a", 1)]);
    visit.batch(subscription.wire, [row("b", 2)]);
    await until(() => subscription.rows.size === 2, "a batch");
    const fresh: string[] = [];
    subscription.onFresh = (trades) => fresh.push(...trades.map(({ id }) => id));
    visit.break();
    const second = await gateway.visit(1);
    await until(() => second.subscribed.length === 1, "a subscription");
    expect(second.of("subscribe")[0]).toMatchObject({ sub: subscription.wire, since: "p-batch" });
    second.batch(subscription.wire, [row("c", 3), row("b", 2)], { recovered: true });
    await until(() => subscription.rows.size === 3, "what was missed");
    expect(idsOf(subscription)).toEqual(["c", "b", "a"]);
    expect(fresh).toEqual(["c"]);
  });

  it("takes a snapshot where the position was of no use", async () => {
    const visit = await begin();
    const subscription = await live(visit, [row("a", 1)]);
    visit.break();
    const second = await gateway.visit(1);
    await until(() => second.subscribed.length === 1, "a subscription");
    second.snapshot(subscription.wire, [row("z", 9)]);
    await until(() => subscription.rows.get("z") !== undefined, "a snapshot");
    expect(idsOf(subscription)).toEqual(["z"]);
  });

  it("knows of what was changed meanwhile", async () => {
    const visit = await begin({ backoff: new Backoff(60, 60, () => 1) });
    const first = await live(visit, [row("a", 1)]);
    const other = stream.subscribe("other", PUTS);
    visit.break();
    await until(() => stream.link.value.kind === "waiting", "the loss");
    const replaced = stream.subscribe("flow", { filter: "sweep" });
    stream.unsubscribe(other);
    const second = await gateway.visit(1);
    await until(() => second.subscribed.length === 1, "a subscription");
    await pause(20);
    expect(second.of("subscribe")).toEqual([{ op: "subscribe", sub: replaced.wire, filter: "sweep" }]);
    expect(second.of("unsubscribe")).toEqual([]);
    expect(replaced.wire).not.toBe(first.wire);
  });

  it("is tried again while nobody answers, and says when and which attempt", async () => {
    await begin();
    const { port } = gateway;
    await gateway.stop();
    await until(() => stream.link.value.kind === "waiting" && stream.link.value.attempt >= 3, "attempts");
    gateway = await TestGateway.start(undefined, port);
    await until(() => stream.link.value.kind === "open", "the gateway");
  });

  it("pauses longer while connections are let in and lost at once, and short again after a good one", async () => {
    const bounds: number[] = [];
    const backoff = new Backoff(1, 1_000, () => 1);
    const next = backoff.next.bind(backoff);
    backoff.next = () => {
      const bound = next();
      bounds.push(bound);
      return 1;
    };
    const visit = await begin({ backoff, stableMs: 100 });
    visit.break();
    (await gateway.visit(1)).break();
    const third = await gateway.visit(2);
    await until(() => stream.link.value.kind === "open", "an open link");
    await pause(120);
    third.break();
    await gateway.visit(3);
    expect(bounds).toEqual([1, 2, 1]);
  });

  it("is not waited for when the page is hastened", async () => {
    const visit = await begin({ backoff: new Backoff(60_000, 60_000, () => 1) });
    visit.break();
    await until(() => stream.link.value.kind === "waiting", "the loss");
    stream.hasten();
    expect(stream.link.value).toMatchObject({ kind: "waiting", retryAt: null, attempt: 1 });
    await until(() => stream.link.value.kind === "open", "an open link");
    expect(gateway.visits).toHaveLength(2);
  });
});

describe("silence", () => {
  it("ends a connection on which nothing comes", async () => {
    await begin({ silenceMs: 100 });
    await gateway.visit(1);
    expect(gateway.visits[0]?.closed).toBe(true);
  });

  it("is broken by whatever comes", async () => {
    const visit = await begin({ silenceMs: 100 });
    for (let beat = 0; beat < 10; beat++) {
      visit.say({ op: "heartbeat", t: 0, lag_ms: 0 });
      await pause(30);
    }
    expect(gateway.visits).toHaveLength(1);
  });

  it("ends also a connection that is never let in", async () => {
    await begin({ silenceMs: 60 }, () => {});
    await gateway.visit(1);
  });

  it("is found sooner where the network may have changed, unless the gateway answers", async () => {
    const visit = await begin({ silenceMs: 10_000, probeMs: 50 });
    stream.hasten();
    await until(() => visit.of("ping").length === 1, "a ping");
    visit.say({ op: "pong", t: visit.of("ping")[0]?.t });
    await pause(450);
    expect(gateway.visits).toHaveLength(1);
    stream.hasten();
    await gateway.visit(1);
  });
});

describe("a refusal", () => {
  it.each([
    [CloseCode.NOT_AUTHENTICATED, "You are signed out."],
    [CloseCode.BAD_MESSAGE, "why"],
    [CloseCode.FORBIDDEN, "why"],
    [CloseCode.TOO_MANY, "why"],
    [CloseCode.TOO_LONG, "why"],
  ])("with %d is final until the page is opened again", async (code, why) => {
    const visit = await begin();
    const subscription = await live(visit, [row("a", 1)]);
    visit.close(code, "why");
    await until(() => stream.link.value.kind === "refused", "a refusal");
    expect(stream.link.value).toEqual({ kind: "refused", code, why });
    stream.hasten();
    await pause(40);
    expect(gateway.visits).toHaveLength(1);
    stream.open();
    const second = await gateway.visit(1);
    await until(() => second.subscribed.length === 1, "a subscription");
    expect(second.of("subscribe")[0]).toMatchObject({ since: "p-snapshot", sub: subscription.wire });
  });

  it.each([CloseCode.GOING_AWAY, CloseCode.TOO_SLOW, CloseCode.HEARTBEAT_LOST, 1011, 1012])(
    "is not what %d means",
    async (code) => {
      const visit = await begin();
      visit.close(code);
      await gateway.visit(1);
    },
  );
});

describe("what is none of the protocol", () => {
  it.each<[string, (visit: Visit, wire: string) => void]>([
    ["no MessagePack", (visit) => visit.sayRaw(new Uint8Array([0xc1, 0xff]))],
    ["a frame that is cut off", (visit) => visit.sayRaw(new Uint8Array([0x82, 0xa2, 0x6f]))],
    ["text", (visit) => visit.sayRaw('{"op": "heartbeat", "lag_ms": 0}')],
    ["a list", (visit) => visit.sayRaw(new Uint8Array([0x90]))],
    ["a batch without rows", (visit, sub) => visit.say({ op: "batch", sub, pos: "p" })],
    ["a batch without a position", (visit, sub) => visit.say({ op: "batch", sub, rows: [] })],
    ["a row that is no list", (visit, sub) => visit.batch(sub, ["row"])],
    ["a row without an id", (visit, sub) => visit.batch(sub, [[null, 1, 1]])],
    ["gone that is no list", (visit, sub) => visit.batch(sub, [], { gone: 5 })],
  ])("ends the connection, and the rows stay: %s", async (_name, spoil) => {
    const visit = await begin();
    const subscription = await live(visit, [row("a", 1)]);
    spoil(visit, subscription.wire);
    const second = await gateway.visit(1);
    await until(() => second.subscribed.length === 1, "a subscription");
    expect(second.of("subscribe")[0]).toMatchObject({ since: "p-snapshot" });
    expect(idsOf(subscription)).toEqual(["a"]);
  });

  it("is passed over where it is only not known yet", async () => {
    const visit = await begin();
    const subscription = await live(visit, [row("a", 1)]);
    visit.say({ op: "news", text: "of a later version" });
    visit.batch(subscription.wire, [row("b", 2)], { later: true });
    await until(() => subscription.rows.size === 2, "the batch behind it");
    expect(gateway.visits).toHaveLength(1);
  });

  it("makes the page give up when it comes again and again", async () => {
    await begin({}, (visit) => visit.sayRaw("?"));
    await until(() => stream.link.value.kind === "refused", "a refusal");
    expect(stream.link.value).toMatchObject({ code: CloseCode.BAD_MESSAGE });
    expect(gateway.visits).toHaveLength(MALFORMED_MOST);
  });
});

describe("older rows", () => {
  it("are asked for below the last ones, one page at a time, to the end", async () => {
    const visit = await begin();
    const subscription = await live(visit, [row("c", 3)], "below c");
    stream.older(subscription, 100);
    stream.older(subscription, 100);
    await until(() => visit.of("history").length === 1, "a question");
    expect(visit.of("history")[0]).toEqual({
      op: "history",
      sub: subscription.wire,
      before: "below c",
      limit: 100,
    });
    expect(subscription.loading.value).toBe(true);
    const fresh = vi.fn();
    subscription.onFresh = fresh;
    visit.say({ op: "page", sub: subscription.wire, rows: [row("b", 2)], before: "below b", more: true });
    await until(() => !subscription.loading.value, "a page");
    stream.older(subscription, 100);
    await until(() => visit.of("history").length === 2, "the next question");
    expect(visit.of("history")[1]?.before).toBe("below b");
    visit.say({ op: "page", sub: subscription.wire, rows: [row("a", 1)], before: null, more: false });
    await until(() => !subscription.more.value, "the end");
    stream.older(subscription, 100);
    await pause(20);
    expect(visit.of("history")).toHaveLength(2);
    expect(idsOf(subscription)).toEqual(["c", "b", "a"]);
    expect(fresh).not.toHaveBeenCalled();
  });

  it.each(["rate_limited", "page_failed"])("may be asked for again after %s", async (code) => {
    const visit = await begin();
    const subscription = await live(visit, [row("c", 3)], "below c");
    stream.older(subscription, 100);
    await until(() => visit.of("history").length === 1, "a question");
    visit.say({ op: "error", code, message: "Not now.", sub: subscription.wire });
    await until(() => !subscription.loading.value, "the answer");
    expect(subscription.olderRows.problem.value?.code).toBe(code);
    expect(subscription.problem.value).toBeNull();
    stream.older(subscription, 100);
    expect(subscription.olderRows.problem.value).toBeNull();
    await until(() => visit.of("history").length === 2, "the next question");
    expect(visit.of("history")[1]?.before).toBe("below c");
  });

  it("are asked for again once a lost connection is resumed", async () => {
    const visit = await begin();
    const subscription = await live(visit, [row("c", 3)], "below c");
    stream.older(subscription, 100);
    await until(() => visit.of("history").length === 1, "a question");
    visit.break();
    const second = await gateway.visit(1);
    await until(() => second.subscribed.length === 1, "a subscription");
    await pause(20);
    expect(second.of("history")).toEqual([]);
    second.batch(subscription.wire, [], { recovered: true });
    await until(() => second.of("history").length === 1, "the question again");
    second.say({ op: "page", sub: subscription.wire, rows: [row("b", 2)], before: null, more: false });
    await until(() => subscription.rows.size === 2, "the page");
    expect(subscription.loading.value).toBe(false);
  });

  it("do not come from a page of the filter before a snapshot", async () => {
    const visit = await begin();
    const subscription = await live(visit, [row("c", 3)], "below c");
    stream.older(subscription, 100);
    await until(() => visit.of("history").length === 1, "a question");
    // The saved channel was changed.
    visit.snapshot(subscription.wire, [row("z", 9)], "below z");
    visit.say({ op: "page", sub: subscription.wire, rows: [row("b", 2)], before: "below b", more: true });
    await until(() => !subscription.loading.value, "the page");
    expect(idsOf(subscription)).toEqual(["z"]);
    stream.older(subscription, 100);
    await until(() => visit.of("history").length === 2, "the next question");
    expect(visit.of("history")[1]?.before).toBe("below z");
  });

  it("begin where rows were let go, so that none is missing in between", async () => {
    const visit = await begin();
    const subscription = await live(visit, [row("a", 1)], "below a");
    subscription.rows.limit = 2;
    visit.batch(subscription.wire, [row("d", 4), row("c", 3), row("b", 2)]);
    await until(() => subscription.rows.get("d") !== undefined, "a batch");
    expect(idsOf(subscription)).toEqual(["d", "c"]);
    stream.older(subscription, 100);
    await until(() => visit.of("history").length === 1, "a question");
    const cursor = Buffer.from(visit.of("history")[0]?.before ?? "", "base64url").toString();
    expect(cursor).toBe(`2.${Number.MAX_SAFE_INTEGER}.16383`);
    visit.say({
      op: "page",
      sub: subscription.wire,
      rows: [row("b", 2), row("a", 1)],
      before: null,
      more: false,
    });
    await until(() => subscription.rows.size === 4, "the page");
    expect(idsOf(subscription)).toEqual(["d", "c", "b", "a"]);
    expect(subscription.more.value).toBe(false);
  });
});

describe("what may be said", () => {
  it("holds for somebody who looks away and back all the time", async () => {
    const visit = await begin({}, (each) => each.welcome({ messages_per_minute: 20 }));
    await until(() => stream.link.value.kind === "open", "an open link");
    for (let look = 0; look < 100; look++) stream.hasten();
    await until(() => visit.of("ping").length === 10, "pings");
    await pause(20);
    expect(visit.of("ping")).toHaveLength(10);
  });

  it("is paced, and what was replaced meanwhile is never said", async () => {
    const visit = await begin({}, (each) => each.welcome({ messages_per_minute: 600 }));
    await until(() => stream.link.value.kind === "open", "an open link");
    for (let turn = 0; turn < 400; turn++) stream.subscribe("flow", { filter: `premium>=${turn}` });
    const last = stream.subscribe("flow", CALLS);
    await until(() => visit.subscribed.includes(last.wire), "the last one");
    // Half of the limit at once; the others but the last were replaced before their turn.
    expect(visit.heard.length).toBeLessThan(320);
    expect(visit.of("subscribe").at(-1)).toMatchObject({ filter: "calls" });
    const ended = new Set(visit.of("unsubscribe").map(({ sub }) => sub));
    expect(visit.subscribed.filter((wire) => !ended.has(wire))).toEqual([last.wire]);
  });

  it("waits with older rows when the gateway counts them", async () => {
    const visit = await begin({}, (each) => each.welcome({ history_per_minute: 2 }));
    await until(() => stream.link.value.kind === "open", "an open link");
    const subscription = await live(visit, [row("c", 3)], "below c");
    for (let page = 0; page < 2; page++) {
      stream.older(subscription, 100);
      if (page === 0) {
        await until(() => visit.of("history").length === 1, "a question");
        visit.say({ op: "page", sub: subscription.wire, rows: [], before: "further", more: true });
        await until(() => !subscription.loading.value, "a page");
      }
    }
    await pause(30);
    expect(visit.of("history")).toHaveLength(1);
    expect(subscription.loading.value).toBe(true);
    // Other things go on meanwhile.
    stream.subscribe("other", PUTS);
    await until(() => visit.subscribed.length === 2, "another subscription");
  });
});

describe("the tape", () => {
  it("is called away when Redis is, until the gateway has read it since", async () => {
    const visit = await begin();
    const subscription = await live(visit, [row("a", 1)]);
    const now = vi.spyOn(Date, "now");
    const begun = performance.timeOrigin + performance.now();
    const at = (ms: number) => now.mockReturnValue(begun + ms);
    at(0);
    visit.say({ op: "error", code: "source_unavailable", message: "Redis does not answer." });
    await whenever(() => stream.source.value !== null);
    expect(stream.source.value?.message).toBe("Redis does not answer.");
    expect(stream.error.value).toBeNull();
    at(6_000);
    visit.say({ op: "heartbeat", t: 0, lag_ms: 6_010 });
    await whenever(() => stream.lag.value === 6_010);
    expect(stream.source.value).not.toBeNull();
    at(12_000);
    visit.say({ op: "heartbeat", t: 0, lag_ms: 40 });
    await whenever(() => stream.source.value === null);
    visit.say({ op: "error", code: "source_unavailable", message: "Again.", sub: subscription.wire });
    await whenever(() => stream.source.value !== null);
    // What was on its way is no sign that it is back; what comes later is.
    visit.batch(subscription.wire, [row("b", 2)]);
    await whenever(() => subscription.rows.size === 2);
    expect(stream.source.value).not.toBeNull();
    at(14_000);
    visit.batch(subscription.wire, [row("c", 3)]);
    await whenever(() => subscription.rows.size === 3);
    expect(stream.source.value).toBeNull();
  });

  it("tells of an error for all until rows come again", async () => {
    const visit = await begin();
    const subscription = await live(visit, [row("a", 1)]);
    visit.say({ op: "error", code: "search_failed", message: "For all." });
    await until(() => stream.error.value?.message === "For all.", "the error");
    visit.batch(subscription.wire, []);
    await until(() => stream.error.value === null, "its end");
  });

  /** While the clock stands still. */
  async function whenever(holds: () => boolean): Promise<void> {
    for (let turn = 0; !holds(); turn++) {
      if (turn > 500) throw new Error("Waited in vain.");
      await pause(2);
    }
  }
});
