/** A gateway for tests of the connection: real WebSockets and real frames, and it says only what it is told to. */

import type { AddressInfo } from "node:net";
import { decode, encode } from "@msgpack/msgpack";
import { type WebSocket as ServerSocket, WebSocket, WebSocketServer } from "ws";
import type { ClientMessage } from "../protocol/messages";

/** A wait that is longer than this has failed. */
const PATIENCE_MS = 3_000;

export const COLUMNS = ["id", "seq", "ts", "underlying", "flags"];

type Message = { readonly op: string } & Readonly<Record<string, unknown>>;

/** A row in the order of COLUMNS. */
export function row(id: string, seq: number, ts = seq): unknown[] {
  return [id, seq, ts, "SPY", []];
}

/** Opens a socket as a browser does. */
export function openSocket(url: string, protocol: string): globalThis.WebSocket {
  return new WebSocket(url, [protocol]) as unknown as globalThis.WebSocket;
}

/** Resolves once it holds. */
export async function until(holds: () => boolean, what = "the condition"): Promise<void> {
  const deadline = Date.now() + PATIENCE_MS;
  while (!holds()) {
    if (Date.now() > deadline) throw new Error(`Waited ${PATIENCE_MS} ms in vain for ${what}.`);
    await pause(2);
  }
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** One connection of a client, as the gateway sees it. */
export class Visit {
  readonly heard: ClientMessage[] = [];
  closed = false;
  onMessage: ((message: ClientMessage) => void) | null = null;

  constructor(private readonly socket: ServerSocket) {
    socket.on("message", (data: Buffer) => {
      const message = decode(data) as ClientMessage;
      this.heard.push(message);
      this.onMessage?.(message);
    });
    socket.on("close", () => {
      this.closed = true;
    });
  }

  say(message: Message): void {
    this.socket.send(encode(message));
  }

  /** Anything, as a binary frame or as text. */
  sayRaw(frame: Uint8Array | string): void {
    this.socket.send(frame);
  }

  welcome(limits: Readonly<Record<string, number>> = {}): void {
    this.say({
      op: "welcome",
      user: "ann",
      tier: "premium",
      epoch: "e1",
      server_time: 0,
      columns: COLUMNS,
      limits: { rows: 200, delay_s: 0, messages_per_minute: 6_000, history_per_minute: 6_000, ...limits },
    });
  }

  snapshot(sub: string, rows: readonly unknown[], before: string | null = null): void {
    this.say({
      op: "snapshot",
      sub,
      rows,
      pos: "p-snapshot",
      more: before !== null,
      before,
      recovered: false,
    });
  }

  batch(sub: string, rows: readonly unknown[], more: Readonly<Record<string, unknown>> = {}): void {
    this.say({ op: "batch", sub, rows, pos: "p-batch", skipped: 0, ...more });
  }

  close(code: number, reason = ""): void {
    this.socket.close(code, reason);
  }

  /** Break it as a network does. */
  break(): void {
    this.socket.terminate();
  }

  of<Op extends ClientMessage["op"]>(op: Op): Extract<ClientMessage, { op: Op }>[] {
    return this.heard.filter((each) => each.op === op) as Extract<ClientMessage, { op: Op }>[];
  }

  /** The names on the wire that were subscribed, in their order. */
  get subscribed(): string[] {
    return this.of("subscribe").map(({ sub }) => sub);
  }
}

export class TestGateway {
  readonly visits: Visit[] = [];

  private constructor(
    private readonly server: WebSocketServer,
    /** What each new client is told. */
    private readonly greet: (visit: Visit) => void,
  ) {
    server.on("connection", (socket) => {
      const visit = new Visit(socket);
      this.visits.push(visit);
      this.greet(visit);
    });
  }

  static async start(
    greet: (visit: Visit) => void = (visit) => visit.welcome(),
    port = 0,
  ): Promise<TestGateway> {
    const server = new WebSocketServer({ port, host: "127.0.0.1" });
    await new Promise((resolve) => server.once("listening", resolve));
    return new TestGateway(server, greet);
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  get url(): string {
    return `ws://127.0.0.1:${this.port}/v1/stream`;
  }

  /** The visit of that number, the first is 0, once it said hello. */
  async visit(number: number): Promise<Visit> {
    await until(() => (this.visits[number]?.of("hello").length ?? 0) > 0, `visit ${number}`);
    return this.visits[number] as Visit;
  }

  async stop(): Promise<void> {
    for (const client of this.server.clients) client.terminate();
    await new Promise((resolve) => this.server.close(resolve));
  }
}
