/** One WebSocket to a gateway: frames to messages and back, and whether the gateway still lives. */

import { FrameError, FrameReader, writeFrame } from "../protocol/frames";
import type { ClientMessage, ServerMessage } from "../protocol/messages";

/** How a connection ended. */
export interface Ending {
  /** The close code; 1006 where there was none. */
  readonly code: number;
  readonly why: string;
  /** It was ended here, because what came is not of the protocol. */
  readonly malformed: boolean;
}

/** Codes of our own for a close that the gateway may see. */
const CLOSED = 1000;
const NOT_UNDERSTOOD = 3000;
const SILENT = 3001;
/** What a browser says where a connection just broke. */
const BROKEN = 1006;

/** `WebSocket.OPEN`. */
const OPEN = 1;

/** In so many looks is the silence measured: one timer, however many messages come. */
const LOOKS = 25;

export class Connection {
  private readonly reader = new FrameReader();
  private readonly timer: ReturnType<typeof setInterval>;
  private deadline: number;
  private lastHeard = Date.now();
  private over = false;

  constructor(
    private readonly socket: WebSocket,
    private readonly silenceMs: number,
    private readonly onMessage: (message: ServerMessage) => void,
    private readonly onEnd: (ending: Ending) => void,
  ) {
    this.deadline = Date.now() + silenceMs;
    this.timer = setInterval(() => this.look(), silenceMs / LOOKS);
    socket.binaryType = "arraybuffer";
    // Without a token: whoever has no session is told so at once, not when the time to say hello is over.
    socket.onopen = () => this.say({ op: "hello" });
    socket.onmessage = (event) => this.receive(event.data);
    socket.onclose = ({ code, reason }) => {
      this.finish({ code, why: reason || "The connection to the gateway broke.", malformed: false });
    };
    // The close that follows says the same.
    socket.onerror = () => {};
  }

  /** When something came last, or when it was begun, unix ms. */
  get heard(): number {
    return this.lastHeard;
  }

  say(message: ClientMessage): void {
    if (this.socket.readyState === OPEN) this.socket.send(writeFrame(message));
  }

  /** The network may have changed: an answer is wanted within `withinMs`. */
  probe(withinMs: number): void {
    this.look();
    if (this.over) return;
    this.deadline = Math.min(this.deadline, Date.now() + withinMs);
    this.say({ op: "ping", t: Date.now() });
  }

  /** End it; nothing is told any more. */
  close(): void {
    this.leave(CLOSED);
  }

  private receive(frame: unknown): void {
    if (this.over) return;
    this.lastHeard = Date.now();
    this.deadline = this.lastHeard + this.silenceMs;
    let message: ServerMessage | null;
    try {
      message = this.reader.read(frame);
    } catch (error) {
      if (!(error instanceof FrameError)) throw error;
      console.error("The gateway sent what this page does not understand.", error);
      this.leave(NOT_UNDERSTOOD);
      this.onEnd({ code: NOT_UNDERSTOOD, why: error.message, malformed: true });
      return;
    }
    if (message !== null) this.onMessage(message);
  }

  private look(): void {
    if (Date.now() < this.deadline) return;
    // A dead network answers no close either: whoever waited for its end would wait long.
    this.leave(SILENT);
    this.onEnd({ code: BROKEN, why: "The gateway fell silent.", malformed: false });
  }

  private finish(ending: Ending): void {
    if (this.over) return;
    this.stop();
    this.onEnd(ending);
  }

  private leave(code: number): void {
    if (this.over) return;
    this.stop();
    this.socket.close(code);
  }

  private stop(): void {
    this.over = true;
    clearInterval(this.timer);
  }
}
