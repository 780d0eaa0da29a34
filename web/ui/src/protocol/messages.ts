/** The WebSocket protocol, version 1, as docs/stream.md says it; `frames.ts` has read the rows into trades. */

import type { FilterObject } from "./filter";
import type { Trade } from "./trade";

export const SUBPROTOCOL = "flowtape.v1.msgpack";

/** By name; docs/stream.md says what each means. */
export interface Limits {
  readonly subscriptions: number;
  readonly rows: number;
  readonly interval_ms: number;
  readonly delay_s: number;
  readonly channels: number;
  readonly alerts: number;
  readonly message_bytes: number;
  readonly messages_per_minute: number;
  readonly history_per_minute: number;
  readonly connections: number;
}

export interface Welcome {
  readonly op: "welcome";
  readonly user: string;
  readonly tier: string;
  readonly limits: Limits;
  readonly epoch: string;
  readonly server_time: number;
  readonly columns: readonly string[];
}

export interface Snapshot {
  readonly op: "snapshot";
  readonly sub: string;
  readonly rows: readonly Trade[];
  readonly pos: string;
  readonly more: boolean;
  readonly before: string | null;
  readonly recovered: boolean;
}

export interface Batch {
  readonly op: "batch";
  readonly sub: string;
  readonly rows: readonly Trade[];
  readonly pos: string;
  readonly skipped: number;
  readonly gone?: readonly Trade[];
  readonly recovered?: boolean;
}

export interface HistoryPage {
  readonly op: "page";
  readonly sub: string;
  readonly rows: readonly Trade[];
  readonly before: string | null;
  readonly more: boolean;
}

export interface Heartbeat {
  readonly op: "heartbeat";
  readonly t: number;
  readonly lag_ms: number;
}

export interface StreamError {
  readonly op: "error";
  readonly code: string;
  readonly message: string;
  readonly sub?: string;
}

export interface Pong {
  readonly op: "pong";
  readonly t: unknown;
}

export type ServerMessage = Welcome | Snapshot | Batch | HistoryPage | Heartbeat | StreamError | Pong;

export interface Subscribe {
  readonly op: "subscribe";
  readonly sub: string;
  readonly filter?: FilterObject | string;
  readonly channel?: string;
  readonly snapshot?: number;
  readonly since?: string;
}

export type ClientMessage =
  /** Without a token: the session cookie stands for it. */
  | { readonly op: "hello" }
  | Subscribe
  | { readonly op: "unsubscribe"; readonly sub: string }
  | { readonly op: "history"; readonly sub: string; readonly before: string | null; readonly limit: number }
  | { readonly op: "ping"; readonly t: number };

/** Errors with which a subscription does not begin, or ends. */
export const ENDING_ERRORS: ReadonlySet<string> = new Set([
  "bad_filter",
  "unknown_channel",
  "subscription_limit",
  "channel_deleted",
]);

/** Errors that answer a question for older rows. */
export const HISTORY_ERRORS: ReadonlySet<string> = new Set([
  "unknown_sub",
  "bad_position",
  "rate_limited",
  "page_failed",
]);

export const CloseCode = {
  NOT_TEXT: 1007,
  TOO_LONG: 1009,
  GOING_AWAY: 4001,
  TOO_SLOW: 4008,
  HEARTBEAT_LOST: 4009,
  BAD_MESSAGE: 4400,
  NOT_AUTHENTICATED: 4401,
  FORBIDDEN: 4403,
  TOO_MANY: 4429,
} as const;

/** Whether something must change before connecting again would help. */
export function isFinal(code: number): boolean {
  return code === CloseCode.NOT_TEXT || code === CloseCode.TOO_LONG || (code >= 4400 && code < 4500);
}
