import { encode } from "@msgpack/msgpack";
import { describe, expect, it } from "vitest";
import { FrameError, FrameReader } from "./frames";

const LIMITS = { messages_per_minute: 100, history_per_minute: 30 };
const frame = (message: unknown) => {
  const bytes = encode(message);
  return bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength);
};
const welcome = (columns: unknown) =>
  frame({ op: "welcome", user: "ann", tier: "free", limits: LIMITS, columns });

describe("frames", () => {
  it("have rows in the order that the welcome named", () => {
    const reader = new FrameReader();
    reader.read(welcome(["ts", "id", "seq", "premium"]));
    const batch = reader.read(
      frame({
        op: "batch",
        sub: "s",
        pos: "p",
        skipped: 0,
        rows: [[5, "a", 1, 2.5]],
        gone: [[6, "b", 2, 0]],
      }),
    );
    expect(batch).toMatchObject({
      rows: [{ ts: 5, id: "a", seq: 1, premium: 2.5 }],
      gone: [{ ts: 6, id: "b", seq: 2, premium: 0 }],
    });
  });

  it("of a kind that is not known are passed over", () => {
    expect(new FrameReader().read(frame({ op: "alert", id: 1 }))).toBeNull();
  });

  it.each([
    ["no columns", welcome(undefined)],
    ["columns that are no texts", welcome([1, 2])],
    ["columns without an id", welcome(["seq", "ts"])],
    ["a heartbeat without a lag", frame({ op: "heartbeat", t: 1 })],
    ["an error without words", frame({ op: "error", code: "x" })],
    ["a subscription without a name", frame({ op: "page", rows: [] })],
    ["a number", frame(17)],
    ["nothing", new ArrayBuffer(0)],
    ["text", "{}"],
  ])("with %s are refused", (_name, bytes) => {
    expect(() => new FrameReader().read(bytes)).toThrow(FrameError);
  });
});
