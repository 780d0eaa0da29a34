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
      return waiting("Connecting", "Connecting.");
    case "open":
      return open(facts);
    case "waiting": {
      const attempt = `attempt ${link.attempt}`;
      const when = link.retryAt === null ? "" : ` in ${seconds(link.retryAt - facts.now)}`;
      return facts.offline
        ? {
            tone: "bad",
            text: `Offline, trying${when || " now"}`,
            said: "No network. It goes on by itself.",
            remedy: null,
          }
        : waiting(`Reconnecting${when} (${attempt})`, `${link.why} It reconnects by itself.`);
    }
    case "refused":
      return isSignedOut(link)
        ? { tone: "bad", text: "Signed out", said: "Signed out.", remedy: null }
        : refused(link.code, link.why);
    case "closed":
      return { tone: "bad", text: "Closed", said: "The connection is closed.", remedy: null };
  }
}

function open({ source, now, heard, lagMs, delayS }: Facts): Standing {
  if (source !== null) return waiting(`Stale by ${seconds(now - source.since)}`, source.message);
  const quiet = now - heard;
  if (lagMs > BEHIND_MS) {
    return waiting(`Stale by ${seconds(lagMs + quiet)}`, "The gateway is behind. It catches up by itself.");
  }
  if (quiet > QUIET_MS) {
    return waiting(`Stale by ${seconds(quiet)}`, "The gateway is not heard. It reconnects by itself.");
  }
  if (delayS === 0) return { tone: "live", text: "Live", said: "Live.", remedy: null };
  const delay = delayS < 60 ? `${delayS} s` : `${Math.round(delayS / 60)} min`;
  return {
    tone: "delayed",
    text: `Delayed ${delay}`,
    said: `Delayed by ${delay}, as your tier says.`,
    remedy: null,
  };
}

function refused(code: number, why: string): Standing {
  const remedy = REMEDIES[code] ?? "Reload the page.";
  return { tone: "bad", text: "Disconnected", said: `Disconnected. ${why}`, remedy };
}

function waiting(text: string, said: string): Standing {
  return { tone: "waiting", text, said, remedy: null };
}

function seconds(ms: number): string {
  return `${Math.max(0, Math.ceil(ms / 1_000))} s`;
}
