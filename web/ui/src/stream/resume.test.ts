// @vitest-environment node
import { afterEach, describe, expect, it } from "vitest";
import { Backoff } from "./backoff";
import { Stream } from "./stream";
import { openSocket, pause, row, TestGateway, until, type Visit } from "./test_gateway";

/** A tape that goes on whoever reads it, and a gateway that resumes at any place of it. */
class Tape {
  readonly rows: unknown[][] = [];
  private readonly readers = new Map<Visit, string>();

  /** Trade `t<n>` for the first time, or a later version of one of the last ten. */
  announce(number: number, random: () => number): void {
    const rewritten = number > 10 && random() < 0.3 ? number - 1 - Math.floor(random() * 10) : number;
    const made = row(`t${rewritten}`, number, rewritten);
    this.rows.push(made);
    for (const [visit, sub] of this.readers) visit.batch(sub, [made], { pos: String(this.rows.length) });
  }

  subscribe(visit: Visit, sub: string, since: string | undefined): void {
    const from = Number(since ?? 0);
    const missed = this.rows.slice(from);
    if (since === undefined) {
      // A position that is older than the snapshot: rows between the two come twice.
      const pos = String(Math.max(0, this.rows.length - 3));
      const held = new Map(this.rows.map((each) => [each[0], each]));
      visit.say({ op: "snapshot", sub, rows: [...held.values()].reverse(), pos, more: false, before: null });
    } else {
      for (let at = 0; at === 0 || at < missed.length; at += 4) {
        const part = missed.slice(at, at + 4).reverse();
        visit.batch(sub, part, { pos: String(from + Math.min(at + 4, missed.length)), recovered: true });
      }
    }
    this.readers.set(visit, sub);
  }

  forget(visit: Visit): void {
    this.readers.delete(visit);
  }
}

/** The same numbers for the same seed (mulberry32). */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

let gateway: TestGateway;
let stream: Stream;

afterEach(async () => {
  stream.close();
  await gateway.stop();
});

describe("a stream over many lost connections", () => {
  it.each([1, 2, 3])("holds each trade of the tape once, in its last version (seed %d)", async (seed) => {
    const random = randomOf(seed);
    const tape = new Tape();
    gateway = await TestGateway.start((visit) => {
      visit.welcome();
      visit.onMessage = (message) => {
        if (message.op === "subscribe") tape.subscribe(visit, message.sub, message.since);
      };
    });
    stream = new Stream(gateway.url, { backoff: new Backoff(3, 6, random), open: openSocket });
    stream.open();
    const subscription = stream.subscribe("flow", { filter: {} });
    const counted: string[] = [];
    subscription.onFresh = (fresh) => counted.push(...fresh.map(({ id }) => id));
    const shown = new Map<string, number>();
    const draw = () => {
      const changes = subscription.rows.drain();
      if (changes.reset) shown.clear();
      for (const { id, seq } of [...changes.added, ...changes.changed]) shown.set(id, seq);
    };
    for (let number = 1; number <= 400; number++) {
      tape.announce(number, random);
      if (random() < 0.05) await pause(random() * 4);
      if (random() < 0.1) draw();
      if (random() < 0.03) {
        const visit = gateway.visits.at(-1);
        if (visit !== undefined) {
          tape.forget(visit);
          visit.break();
        }
      }
    }
    const newest = new Map(tape.rows.map(([id, seq]) => [id as string, seq as number]));
    const whole = () =>
      subscription.rows.size === newest.size &&
      [...newest].every(([id, seq]) => subscription.rows.get(id)?.seq === seq);
    await until(whole, "all of the tape");
    expect(gateway.visits.length).toBeGreaterThan(3);
    draw();
    expect(shown).toEqual(newest);
    expect(counted.sort()).toEqual([...newest.keys()].sort());
  });
});
