/** The connection to the gateway's live stream: connects, resumes every subscription, connects again. */

import { decode, encode } from "@msgpack/msgpack";
import { type ReadonlySignal, signal } from "@preact/signals";
import {
  type ClientMessage,
  FINAL_FROM,
  type ServerMessage,
  type StreamError,
  SUBPROTOCOL,
  type Welcome,
} from "../protocol/messages";
import { rowReader } from "../protocol/trade";
import { Backoff } from "./backoff";
import type { Link } from "./link";
import { Subscription, type Wanted } from "./subscription";

/** A gateway that sent nothing for so long is taken for lost: two and a half heartbeats. */
export const SILENCE_MS = 25_000;

export class Stream {
  private readonly linkSignal = signal<Link>({ kind: "connecting" });
  private readonly welcomeSignal = signal<Welcome | null>(null);
  private readonly lagSignal = signal(0);
  private readonly heardSignal = signal(0);
  private readonly errorSignal = signal<StreamError | null>(null);
  private readonly subscriptions = new Map<string, Subscription>();
  private readonly backoff = new Backoff();
  private socket: WebSocket | null = null;
  private read = rowReader([]);
  private attempt = 0;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private silence: ReturnType<typeof setTimeout> | undefined;

  /** `url` is `ws://host/v1/stream`. */
  constructor(private readonly url: string) {}

  get link(): ReadonlySignal<Link> {
    return this.linkSignal;
  }

  /** The last welcome; stays while the connection is lost. */
  get welcome(): ReadonlySignal<Welcome | null> {
    return this.welcomeSignal;
  }

  /** The gateway's lag behind the tape by its last heartbeat, ms. */
  get lag(): ReadonlySignal<number> {
    return this.lagSignal;
  }

  /** When the gateway was last heard, unix ms; 0 is never. */
  get heard(): ReadonlySignal<number> {
    return this.heardSignal;
  }

  /** The last error that concerns no single subscription. */
  get error(): ReadonlySignal<StreamError | null> {
    return this.errorSignal;
  }

  open(): void {
    clearTimeout(this.timer);
    const socket = new WebSocket(this.url, [SUBPROTOCOL]);
    socket.binaryType = "arraybuffer";
    this.socket = socket;
    socket.onmessage = (event) => this.take(decode(event.data as ArrayBuffer) as ServerMessage);
    socket.onclose = (event) => this.lost(socket, event.code, event.reason);
    this.listen();
  }

  /** End it; `open` begins anew. */
  close(): void {
    clearTimeout(this.timer);
    clearTimeout(this.silence);
    const socket = this.socket;
    this.socket = null;
    socket?.close(1000);
    this.linkSignal.value = { kind: "closed" };
  }

  /** Begin a subscription, or replace the one of that name. */
  subscribe(name: string, wanted: Wanted): Subscription {
    const subscription = new Subscription(name, wanted);
    this.subscriptions.set(name, subscription);
    this.ask(subscription);
    return subscription;
  }

  /** Ask for the same trades in another way: the rows stay where they are until the snapshot of it comes. */
  askAnew(subscription: Subscription, wanted: Wanted): void {
    subscription.wanted = wanted;
    subscription.pos = null;
    this.ask(subscription);
  }

  unsubscribe(subscription: Subscription): void {
    if (this.subscriptions.get(subscription.name) !== subscription) return;
    this.subscriptions.delete(subscription.name);
    this.send({ op: "unsubscribe", sub: subscription.name });
  }

  /** Ask for rows below those that the subscription has; nothing is asked while a page is on its way. */
  older(subscription: Subscription, limit: number): void {
    if (subscription.loading.value || !subscription.more.value || subscription.before === null) return;
    if (this.send({ op: "history", sub: subscription.name, before: subscription.before, limit })) {
      subscription.loading.value = true;
    }
  }

  private ask(subscription: Subscription): void {
    this.send({
      op: "subscribe",
      sub: subscription.name,
      ...subscription.wanted,
      ...(subscription.pos === null ? {} : { since: subscription.pos }),
    });
  }

  private send(message: ClientMessage): boolean {
    if (this.linkSignal.value.kind !== "open" || this.socket === null) return false;
    this.socket.send(encode(message));
    return true;
  }

  private take(message: ServerMessage): void {
    this.heardSignal.value = Date.now();
    this.listen();
    switch (message.op) {
      case "welcome":
        this.read = rowReader(message.columns);
        this.welcomeSignal.value = message;
        this.linkSignal.value = { kind: "open" };
        this.attempt = 0;
        this.backoff.reset();
        for (const subscription of this.subscriptions.values()) this.ask(subscription);
        break;
      case "snapshot":
        this.subscriptions.get(message.sub)?.takeSnapshot(message, this.read);
        break;
      case "batch":
        this.subscriptions.get(message.sub)?.takeBatch(message, this.read);
        break;
      case "page":
        this.subscriptions.get(message.sub)?.takePage(message, this.read);
        break;
      case "heartbeat":
        this.lagSignal.value = message.lag_ms;
        break;
      case "error":
        if (message.sub === undefined) this.errorSignal.value = message;
        else this.subscriptions.get(message.sub)?.takeError(message);
        break;
      default:
    }
  }

  private listen(): void {
    clearTimeout(this.silence);
    this.silence = setTimeout(() => this.socket?.close(4009), SILENCE_MS);
  }

  private lost(socket: WebSocket, code: number, reason: string): void {
    if (socket !== this.socket) return;
    this.socket = null;
    clearTimeout(this.silence);
    if (code >= FINAL_FROM && code < 4500) {
      this.linkSignal.value = { kind: "refused", code, why: reason };
      return;
    }
    const pause = this.backoff.next();
    this.attempt += 1;
    this.linkSignal.value = {
      kind: "waiting",
      attempt: this.attempt,
      retryAt: Date.now() + pause,
      why: reason || "The connection to the gateway is lost.",
    };
    this.timer = setTimeout(() => this.open(), pause);
  }
}
