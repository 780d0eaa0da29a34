/** The connection to the gateway's live stream: connects, resumes every subscription, connects again. */

import { batch, type ReadonlySignal, signal } from "@preact/signals";
import {
  type ClientMessage,
  CloseCode,
  isFinal,
  type ServerMessage,
  type StreamError,
  SUBPROTOCOL,
  type Welcome,
} from "../protocol/messages";
import { Backoff } from "./backoff";
import { Budget } from "./budget";
import { Connection, type Ending } from "./connection";
import type { Link, SourceAway } from "./link";
import { Subscription, type Wanted } from "./subscription";

/** A gateway that sent nothing for so long is taken for lost: two and a half heartbeats. */
export const SILENCE_MS = 25_000;

/** As long may an answer take where the network may have changed. */
export const PROBE_MS = 4_000;

/** A connection that was let in for so long was a good one: the next pause is a first one again. */
export const STABLE_MS = 10_000;

/** Connections in a row that end because the gateway is not understood, before the page gives up. */
export const MALFORMED_MOST = 3;

/** What was on its way when Redis went away may still come for so long; it is no sign of its return. */
const ON_ITS_WAY_MS = 1_000;

export interface StreamOptions {
  readonly silenceMs?: number;
  readonly probeMs?: number;
  readonly stableMs?: number;
  readonly backoff?: Backoff;
  /** Opens a socket; the browser's own where none is given. */
  readonly open?: (url: string, protocol: string) => WebSocket;
}

export class Stream {
  private readonly linkSignal = signal<Link>({ kind: "connecting" });
  private readonly welcomeSignal = signal<Welcome | null>(null);
  private readonly lagSignal = signal(0);
  private readonly sourceSignal = signal<SourceAway | null>(null);
  private readonly errorSignal = signal<StreamError | null>(null);
  private readonly byName = new Map<string, Subscription>();
  private readonly byWire = new Map<string, Subscription>();
  /** Names on the wire that the gateway of this connection was told of, and was not told to end. */
  private readonly told = new Set<string>();
  private readonly silenceMs: number;
  private readonly probeMs: number;
  private readonly stableMs: number;
  private readonly backoff: Backoff;
  private readonly openSocket: (url: string, protocol: string) => WebSocket;
  private connection: Connection | null = null;
  private messages = new Budget(1, 0);
  private pages = new Budget(1, 0);
  private wires = 0;
  private attempt = 0;
  private malformed = 0;
  /** Since when the gateway has let this page in, unix ms; null where it has not. */
  private letInAt: number | null = null;
  private retry: ReturnType<typeof setTimeout> | undefined;
  private later: ReturnType<typeof setTimeout> | undefined;

  /** `url` is `ws://host/v1/stream`. */
  constructor(
    private readonly url: string,
    options: StreamOptions = {},
  ) {
    this.silenceMs = options.silenceMs ?? SILENCE_MS;
    this.probeMs = options.probeMs ?? PROBE_MS;
    this.stableMs = options.stableMs ?? STABLE_MS;
    this.backoff = options.backoff ?? new Backoff();
    this.openSocket = options.open ?? ((url, protocol) => new WebSocket(url, protocol));
  }

  get link(): ReadonlySignal<Link> {
    return this.linkSignal;
  }

  /** The last welcome; stays while the connection is lost. */
  get welcome(): ReadonlySignal<Welcome | null> {
    return this.welcomeSignal;
  }

  /** How far the gateway last said it is behind the tape, ms; 0 once rows come. */
  get lag(): ReadonlySignal<number> {
    return this.lagSignal;
  }

  /** That the gateway cannot read the tape; null while it can. */
  get source(): ReadonlySignal<SourceAway | null> {
    return this.sourceSignal;
  }

  /** The last error that concerns all subscriptions; null once rows come again. */
  get error(): ReadonlySignal<StreamError | null> {
    return this.errorSignal;
  }

  /** When the gateway was last heard, unix ms; 0 without a connection. No signal: it changes with every message. */
  get heard(): number {
    return this.connection?.heard ?? 0;
  }

  /** Connect, whatever stands; also after a refusal, once its reason is gone. */
  open(): void {
    this.leave();
    this.backoff.reset();
    this.attempt = 0;
    this.malformed = 0;
    this.linkSignal.value = { kind: "connecting" };
    this.connect();
  }

  /** End it; `open` begins anew, and every subscription goes on. */
  close(): void {
    this.leave();
    this.linkSignal.value = { kind: "closed" };
  }

  /** The network came back, or somebody looks again: try at once, or see whether the connection still lives. */
  hasten(): void {
    const link = this.linkSignal.value;
    if (link.kind === "waiting" && link.retryAt !== null) {
      clearTimeout(this.retry);
      this.again(link.why);
    } else if (link.kind === "open" && this.messages.pause(performance.now()) === 0) {
      this.messages.spend();
      this.connection?.probe(this.probeMs);
    }
  }

  /** Begin a subscription, or replace the one of that name. */
  subscribe(name: string, wanted: Wanted): Subscription {
    const before = this.byName.get(name);
    if (before !== undefined) this.byWire.delete(before.wire);
    const subscription = new Subscription(name, wanted, this.newWire());
    this.byName.set(name, subscription);
    this.byWire.set(subscription.wire, subscription);
    this.say();
    return subscription;
  }

  /** Ask for other trades in its place: the rows stay where they are until the snapshot comes. */
  askAnew(subscription: Subscription, wanted: Wanted): void {
    if (this.byName.get(subscription.name) !== subscription) return;
    this.byWire.delete(subscription.wire);
    subscription.beginAnew(wanted, this.newWire());
    this.byWire.set(subscription.wire, subscription);
    this.say();
  }

  unsubscribe(subscription: Subscription): void {
    if (this.byName.get(subscription.name) !== subscription) return;
    this.byName.delete(subscription.name);
    this.byWire.delete(subscription.wire);
    this.say();
  }

  /** Ask for rows below those that the subscription has; not while a page is on its way, nor where no row fits. */
  older(subscription: Subscription, limit: number): void {
    if (subscription.rows.full || !this.byWire.has(subscription.wire)) return;
    if (subscription.olderRows.want(limit)) this.say();
  }

  private newWire(): string {
    this.wires += 1;
    return `s${this.wires}`;
  }

  private connect(): void {
    this.connection = new Connection(
      this.openSocket(this.url, SUBPROTOCOL),
      this.silenceMs,
      (message) => batch(() => this.take(message)),
      (ending) => this.lost(ending),
    );
  }

  private again(why: string): void {
    this.linkSignal.value = { kind: "waiting", attempt: this.attempt, retryAt: null, why };
    this.connect();
  }

  /** What is still to be said follows from what is wanted and what was told: so there is no queue of messages. */
  private say(): void {
    clearTimeout(this.later);
    if (this.linkSignal.value.kind !== "open") return;
    for (;;) {
      const now = performance.now();
      const pagePause = this.pages.pause(now);
      const message = this.next(pagePause === 0);
      const pause = message === null ? pagePause : this.messages.pause(now);
      if (message === null && (pause === 0 || this.question() === null)) return;
      if (message === null || pause > 0) {
        this.later = setTimeout(() => this.say(), pause);
        return;
      }
      this.messages.spend();
      this.note(message);
      this.connection?.say(message);
    }
  }

  /** First what makes room, then what was asked for, then what is older. */
  private next(pages: boolean): ClientMessage | null {
    for (const wire of this.told) {
      if (!this.byWire.has(wire)) return { op: "unsubscribe", sub: wire };
    }
    for (const subscription of this.byWire.values()) {
      const ended = subscription.state.peek() === "ended";
      if (!ended && !this.told.has(subscription.wire)) return subscription.subscribing();
    }
    return pages ? this.question() : null;
  }

  private question(): ClientMessage | null {
    for (const subscription of this.byWire.values()) {
      const { question } = subscription;
      if (question !== null) {
        return { op: "history", sub: subscription.wire, before: question.before, limit: question.limit };
      }
    }
    return null;
  }

  private note(message: ClientMessage): void {
    if (message.op === "unsubscribe") this.told.delete(message.sub);
    else if (message.op === "subscribe") this.told.add(message.sub);
    else if (message.op === "history") {
      this.pages.spend();
      this.byWire.get(message.sub)?.olderRows.sent();
    }
  }

  private take(message: ServerMessage): void {
    switch (message.op) {
      case "welcome":
        this.letIn(message);
        break;
      case "snapshot":
        this.flows();
        this.byWire.get(message.sub)?.takeSnapshot(message);
        break;
      case "batch":
        this.flows();
        this.byWire.get(message.sub)?.takeBatch(message);
        break;
      case "page":
        this.byWire.get(message.sub)?.takePage(message);
        break;
      case "heartbeat":
        this.lagSignal.value = message.lag_ms;
        this.sourceMayBeBack(message.lag_ms);
        break;
      case "error":
        this.takeError(message);
        break;
      default:
    }
    // A page that came or failed, a first row: the next thing may be said.
    this.say();
  }

  private letIn(welcome: Welcome): void {
    const now = performance.now();
    this.letInAt = Date.now();
    this.messages = new Budget(welcome.limits.messages_per_minute, now);
    this.pages = new Budget(welcome.limits.history_per_minute, now);
    this.welcomeSignal.value = welcome;
    this.lagSignal.value = 0;
    this.linkSignal.value = { kind: "open" };
  }

  /** Rows, or at least a position: the tape is read. */
  private flows(): void {
    this.lagSignal.value = 0;
    this.errorSignal.value = null;
    this.sourceMayBeBack(0);
  }

  private takeError(message: StreamError): void {
    if (message.code === "source_unavailable") {
      this.sourceSignal.value ??= { message: message.message, since: Date.now() };
    } else if (message.sub === undefined) this.errorSignal.value = message;
    if (message.sub === undefined) return;
    if (message.code === "rate_limited") this.pages.empty();
    const subscription = this.byWire.get(message.sub);
    subscription?.takeError(message);
    if (subscription?.state.peek() === "ended") this.told.delete(message.sub);
  }

  /** A gateway that is less behind than Redis was away has read the tape since. */
  private sourceMayBeBack(lagMs: number): void {
    const away = this.sourceSignal.peek();
    if (away !== null && lagMs + ON_ITS_WAY_MS < Date.now() - away.since) this.sourceSignal.value = null;
  }

  private lost(ending: Ending): void {
    const stable = this.letInAt !== null && Date.now() - this.letInAt >= this.stableMs;
    this.leave();
    if (stable) {
      this.backoff.reset();
      this.attempt = 0;
      this.malformed = 0;
    }
    if (ending.malformed) this.malformed += 1;
    if (isFinal(ending.code) || this.malformed >= MALFORMED_MOST) {
      const code = ending.malformed ? CloseCode.BAD_MESSAGE : ending.code;
      // Whether there was no session or it is over: people need to know that they are to sign in.
      const why = code === CloseCode.NOT_AUTHENTICATED ? "You are signed out." : ending.why;
      this.linkSignal.value = { kind: "refused", code, why };
      return;
    }
    const pause = this.backoff.next();
    this.attempt += 1;
    const { attempt } = this;
    this.linkSignal.value = { kind: "waiting", attempt, retryAt: Date.now() + pause, why: ending.why };
    this.retry = setTimeout(() => this.again(ending.why), pause);
  }

  /** Without a connection: what the next one needs stays with each subscription. */
  private leave(): void {
    clearTimeout(this.retry);
    clearTimeout(this.later);
    this.connection?.close();
    this.connection = null;
    this.letInAt = null;
    this.told.clear();
    batch(() => {
      this.sourceSignal.value = null;
      this.errorSignal.value = null;
      for (const subscription of this.byWire.values()) subscription.interrupted();
    });
  }
}
