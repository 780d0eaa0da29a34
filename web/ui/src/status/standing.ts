/** Where the connection stands, in words for people and with what they can do about it. */

import { CloseCode } from "../protocol/messages";
import type { Link, SourceAway } from "../stream/link";

/** A live gateway is heard every 10 s, give or take its look at all sessions and the way here. */
const QUIET_MS = 13_000;

/** A gateway that is less behind the tape than this is not called stale. */
const BEHIND_MS = 2_000;

export type Tone = "live" | "delayed" | "waiting" | "bad";

export interface Standing {
  readonly tone: Tone;
  /** Short, may count seconds. */
  readonly text: string;
  /** More of it, where there is room. */
  readonly detail: string;
  /** A sentence for who can't see it; the same as long as nothing but the seconds change. */
  readonly said: string;
  /** What to do, where the page can't help itself. */
  readonly remedy: string | null;
}

export interface Facts {
  readonly link: Link;
  /** How far behind the clock the tier is shown trades, seconds; 0 is live. */
  readonly delayS: number;
  /** Unix ms. */
  readonly now: number;
  /** When the gateway was last heard, unix ms. */
  readonly heard: number;
  /** How far it then was behind the tape, ms. */
  readonly lagMs: number;
  readonly source: SourceAway | null;
  /** Whether the browser knows of no network. */
  readonly offline: boolean;
}

/** Codes of refusal and what to do about them. */
const REMEDIES: Readonly<Record<number, string>> = {
  [CloseCode.NOT_TEXT]: "Reload the page: it and the gateway are of different versions.",
  [CloseCode.TOO_LONG]: "Use a shorter filter, then connect again.",
  [CloseCode.BAD_MESSAGE]: "Reload the page: it and the gateway are of different versions.",
  [CloseCode.FORBIDDEN]:
    "Open the page at the gateway's own address, or ask for this one in FLOWTAPE_ORIGINS.",
  [CloseCode.TOO_MANY]: "Close other pages and programs of yours that follow the stream, then connect again.",
};

/** Whether signing in is what helps. */
export function isSignedOut(link: Link): boolean {
  return link.kind === "refused" && link.code === CloseCode.NOT_AUTHENTICATED;
}

export function standing(facts: Facts): Standing {
  const { link } = facts;
  switch (link.kind) {
    case "connecting":
      return show("waiting", "Connecting", "Connecting.");
    case "open":
      return open(facts);
    case "waiting": {
      const when = link.retryAt === null ? "" : ` in ${seconds(link.retryAt - facts.now)}`;
      const detail = `attempt ${link.attempt}`;
      return facts.offline
        ? show("bad", `Offline, trying${when || " now"}`, "No network. It goes on by itself.", detail)
        : show("waiting", `Reconnecting${when}`, `${link.why} It reconnects by itself.`, detail);
    }
    case "refused":
      if (isSignedOut(link)) return show("bad", "Signed out", "Signed out.");
      return {
        ...show("bad", "Disconnected", `Disconnected. ${link.why}`),
        remedy: REMEDIES[link.code] ?? "Reload the page.",
      };
    case "closed":
      return show("bad", "Closed", "The connection is closed.");
  }
}

function open({ source, now, heard, lagMs, delayS }: Facts): Standing {
  const quiet = now - heard;
  if (source !== null) {
    // The gateway found it out later than it happened, and says how much later with its next heartbeat.
    const stale = Math.max(now - source.since, lagMs + quiet);
    return show("waiting", `Stale by ${seconds(stale)}`, source.message);
  }
  if (lagMs > BEHIND_MS) {
    const said = "The gateway is behind. It catches up by itself.";
    return show("waiting", `Stale by ${seconds(lagMs + quiet)}`, said);
  }
  if (quiet > QUIET_MS) {
    const said = "The gateway is not heard. The page connects again by itself.";
    return show("waiting", `Stale by ${seconds(quiet)}`, said);
  }
  if (delayS === 0) return show("live", "Live", "Live.");
  const delay = delayS < 60 ? `${delayS} s` : `${Math.round(delayS / 60)} min`;
  return show("delayed", `Delayed ${delay}`, `Delayed by ${delay}, as your tier says.`);
}

function show(tone: Tone, text: string, said: string, detail = ""): Standing {
  return { tone, text, detail, said, remedy: null };
}

function seconds(ms: number): string {
  return `${Math.max(0, Math.ceil(ms / 1_000))} s`;
}
