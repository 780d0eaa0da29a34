/** Frames of the stream: bytes to messages, with every row read into a trade, and back. */

import { Decoder, encode } from "@msgpack/msgpack";
import type { ClientMessage, ServerMessage } from "./messages";
import type { Trade } from "./trade";

/** What came is none of the protocol's messages. */
export class FrameError extends Error {
  override readonly name = "FrameError";
}

type Fields = Readonly<Record<string, unknown>>;

/** Without these columns rows can be neither told apart nor put in order. */
const NEEDED = ["id", "seq", "ts"] as const;

export function writeFrame(message: ClientMessage): Uint8Array<ArrayBuffer> {
  return encode(message);
}

/** Reads the frames of one connection, whose welcome names the columns of its rows. */
export class FrameReader {
  private readonly decoder = new Decoder();
  private columns: readonly string[] = [];

  /** null is a message of a kind that is not known here, which is to be passed over. Throws FrameError. */
  read(frame: unknown): ServerMessage | null {
    if (!(frame instanceof ArrayBuffer)) throw new FrameError("A frame is text, expected MessagePack.");
    let message: unknown;
    try {
      message = this.decoder.decode(new Uint8Array(frame));
    } catch (error) {
      throw new FrameError("A frame is no MessagePack.", { cause: error });
    }
    if (!isFields(message)) throw new FrameError("A message is no map.");
    return this.understand(message);
  }

  private understand(message: Fields): ServerMessage | null {
    switch (message.op) {
      case "welcome":
        need(message, "columns", isTexts);
        need(message, "limits", isFields);
        for (const name of ["user", "tier"]) need(message, name, isText);
        this.columns = message.columns as readonly string[];
        for (const name of NEEDED) {
          if (!this.columns.includes(name)) throw new FrameError(`Rows come without ${name}.`);
        }
        return message as unknown as ServerMessage;
      case "snapshot":
      case "batch":
        need(message, "pos", isText);
        return this.withTrades(message);
      case "page":
        return this.withTrades(message);
      case "heartbeat":
        need(message, "lag_ms", isNumber);
        return message as unknown as ServerMessage;
      case "error":
        for (const name of ["code", "message"]) need(message, name, isText);
        return message as unknown as ServerMessage;
      case "pong":
        return message as unknown as ServerMessage;
      default:
        return null;
    }
  }

  private withTrades(message: Fields): ServerMessage {
    need(message, "sub", isText);
    const read = { ...message, rows: this.trades(message.rows) };
    const whole = message.gone === undefined ? read : { ...read, gone: this.trades(message.gone) };
    return whole as unknown as ServerMessage;
  }

  private trades(rows: unknown): Trade[] {
    if (!Array.isArray(rows)) throw new FrameError("Rows are no list.");
    return rows.map((row) => this.trade(row));
  }

  /** By the names of the columns, so that columns may be added or moved. */
  private trade(row: unknown): Trade {
    if (!Array.isArray(row)) throw new FrameError("A row is no list.");
    const trade: Record<string, unknown> = {};
    for (let index = 0; index < this.columns.length; index++) {
      trade[this.columns[index] as string] = row[index];
    }
    if (!isText(trade.id) || !isNumber(trade.seq) || !isNumber(trade.ts)) {
      throw new FrameError("A row is without id, seq or ts.");
    }
    return trade as unknown as Trade;
  }
}

function need(message: Fields, name: string, valid: (value: unknown) => boolean): void {
  if (!valid(message[name])) throw new FrameError(`${message.op} came without ${name} as it should be.`);
}

const isText = (value: unknown): value is string => typeof value === "string";
const isNumber = (value: unknown): value is number => typeof value === "number";
const isTexts = (value: unknown): value is readonly string[] => Array.isArray(value) && value.every(isText);
const isFields = (value: unknown): value is Fields =>
  typeof value === "object" && value !== null && !Array.isArray(value);
