import { describe, expect, it } from "vitest";
import { CloseCode } from "../protocol/messages";
import { type Facts, isSignedOut, standing } from "./standing";

const NOW = 1_000_000;
const LIVE: Facts = {
  link: { kind: "open" },
  delayS: 0,
  now: NOW,
  heard: NOW - 100,
  lagMs: 0,
  source: null,
  offline: false,
};
const WAITING = { kind: "waiting", attempt: 2, retryAt: NOW + 2_400, why: "It broke." } as const;

describe("words for the connection", () => {
  it.each<[string, Partial<Facts>, string, string]>([
    ["live", {}, "live", "Live"],
    ["delayed by minutes", { delayS: 900 }, "delayed", "Delayed 15 min"],
    ["delayed by seconds", { delayS: 30 }, "delayed", "Delayed 30 s"],
    ["before the first welcome", { link: { kind: "connecting" } }, "waiting", "Connecting"],
    ["lost", { link: WAITING }, "waiting", "Reconnecting in 3 s"],
    ["while an attempt runs", { link: { ...WAITING, retryAt: null } }, "waiting", "Reconnecting"],
    ["without a network", { link: WAITING, offline: true }, "bad", "Offline, trying in 3 s"],
    ["a gateway on this machine without a network", { offline: true }, "live", "Live"],
    ["Redis away", { source: { message: "Gone.", since: NOW - 7_000 } }, "waiting", "Stale by 7 s"],
    [
      "Redis away for longer than the gateway knew at first",
      { source: { message: "Gone.", since: NOW - 7_000 }, lagMs: 11_000, heard: NOW - 1_000 },
      "waiting",
      "Stale by 12 s",
    ],
    ["a gateway that is behind", { lagMs: 4_000, heard: NOW - 2_000 }, "waiting", "Stale by 6 s"],
    ["a gateway that is not heard", { heard: NOW - 14_000 }, "waiting", "Stale by 14 s"],
    ["a heartbeat that is a little late", { heard: NOW - 12_000 }, "live", "Live"],
    ["closed by the page", { link: { kind: "closed" } }, "bad", "Closed"],
  ])("%s", (_name, facts, tone, text) => {
    expect(standing({ ...LIVE, ...facts })).toMatchObject({ tone, text, remedy: null });
  });

  it("say nothing else to a screen reader as seconds pass", () => {
    const waits = [2_400, 1_400, 400].map((left) => ({ ...WAITING, retryAt: NOW + left }));
    const stale = [5_000, 6_000].map((ago) => ({ message: "Redis does not answer.", since: NOW - ago }));
    expect(new Set(waits.map((link) => standing({ ...LIVE, link }).text)).size).toBe(3);
    expect(new Set(waits.map((link) => standing({ ...LIVE, link }).said)).size).toBe(1);
    expect(new Set(stale.map((source) => standing({ ...LIVE, source }).text)).size).toBe(2);
    expect(new Set(stale.map((source) => standing({ ...LIVE, source }).said)).size).toBe(1);
  });

  it.each([CloseCode.BAD_MESSAGE, CloseCode.FORBIDDEN, CloseCode.TOO_MANY, CloseCode.TOO_LONG, 4499])(
    "name what to do about a refusal with %d",
    (code) => {
      const link = { kind: "refused", code, why: "The gateway's reason." } as const;
      const { said, remedy } = standing({ ...LIVE, link });
      expect(said).toContain("The gateway's reason.");
      expect(remedy).toMatch(/\.$/);
      expect(isSignedOut(link)).toBe(false);
    },
  );

  it("tell signed out from refused", () => {
    const link = { kind: "refused", code: CloseCode.NOT_AUTHENTICATED, why: "" } as const;
    expect(isSignedOut(link)).toBe(true);
    expect(standing({ ...LIVE, link })).toMatchObject({ text: "Signed out", remedy: null });
  });
});
