/** The gateway over HTTP: filters, sums, trades, channels, session. Errors are `Problem`s. */

import type { FilterObject, ReadFilter } from "./filter";
import type { Limits } from "./messages";
import type { Trade } from "./trade";

/** How long an answer may take; the gateway itself gives a sum 20 s. */
const ANSWER_MS = 30_000;

/** A problem document (RFC 9457), or what stands for one where no gateway answered. */
export class Problem extends Error {
  override readonly name = "Problem";

  constructor(
    /** HTTP status; 0 where nobody answered. */
    readonly status: number,
    /** The last word of the document's `type`. */
    readonly code: string,
    detail: string,
    /** The parameter or filter field at fault. */
    readonly field: string | null = null,
    /** Where in the filter's text the wrong word begins and how long it is; null where it has no place. */
    readonly position: number | null = null,
    readonly length: number | null = null,
    /** Seconds after which to ask again. */
    readonly retryAfter: number | null = null,
  ) {
    super(detail);
  }
}

/** Sums over some trades; dollars and contracts. */
export interface Sums {
  readonly trades: number;
  readonly premium: number;
  readonly call_premium: number;
  readonly put_premium: number;
  readonly net_premium: number;
  /** Calls bought (at the ask or above) minus calls sold; `net_put_premium` the same of puts. */
  readonly net_call_premium: number;
  readonly net_put_premium: number;
  readonly bullish_premium: number;
  readonly bearish_premium: number;
  readonly net_bullish_premium: number;
  readonly call_volume: number;
  readonly put_volume: number;
}

/** The sums over `after < ts <= to` (unix ms). */
export interface Stats extends Sums {
  readonly after: number;
  readonly to: number;
  readonly put_call_premium: number | null;
  readonly put_call_volume: number | null;
  readonly underlyings: readonly (Sums & { readonly underlying: string })[];
  readonly series: readonly (Sums & { readonly after: number; readonly to: number })[];
}

export interface StatsRequest {
  readonly q: string;
  /** As `90s`, `15m`, `2h`, `1d`. */
  readonly window: string;
  readonly buckets?: number;
  readonly top?: number;
}

/** A saved channel; one that somebody shared has no link, revision and time of making. */
export interface Channel {
  readonly name: string;
  readonly link: string | null;
  /** null where this version cannot read it; `error` says why. */
  readonly filter: FilterObject | null;
  readonly text: string | null;
  readonly error?: string;
  readonly revision: number;
  readonly created: number;
  readonly changed: number;
}

export type SharedChannel = Pick<Channel, "name" | "filter" | "text" | "changed">;

export interface TradesPage {
  readonly trades: readonly Trade[];
  readonly before: string | null;
}

export interface Session {
  readonly user: string;
  readonly tier: string;
  readonly limits: Limits;
  /** Unix seconds. */
  readonly expires: number;
}

/** The words of the filter language, for completion and for the panel. */
export interface Vocabulary {
  readonly lists: readonly {
    name: string;
    aliases: readonly string[];
    help: string;
    values: readonly string[];
  }[];
  readonly ranges: readonly {
    name: string;
    aliases: readonly string[];
    unit: string;
    help: string;
    whole: boolean;
  }[];
  readonly flags: readonly { name: string; aliases: readonly string[]; help: string }[];
  /** Bare words such as `calls`: each stands for one value of a list. */
  readonly words: readonly { name: string; field: string; value: string }[];
}

export class Api {
  /** `origin` is where the gateway answers; empty is the page's own. */
  constructor(private readonly origin = "") {}

  /** The filter of a text. Throws a Problem with `position` where a word is wrong. */
  readFilter(text: string, signal?: AbortSignal): Promise<ReadFilter> {
    return this.get("/v1/filter", { q: text }, signal);
  }

  /** The same for a filter's object: its canonical text. */
  writeFilter(filter: FilterObject, signal?: AbortSignal): Promise<ReadFilter> {
    return this.get("/v1/filter", { json: JSON.stringify(filter) }, signal);
  }

  vocabulary(): Promise<Vocabulary> {
    return this.get("/v1/filter/words", {});
  }

  stats(request: StatsRequest, signal?: AbortSignal): Promise<Stats> {
    return this.get("/v1/stats", { ...request }, signal);
  }

  trades(q: string, limit: number, before?: string | null, signal?: AbortSignal): Promise<TradesPage> {
    return this.get("/v1/trades", { q, limit, ...(before ? { before } : {}) }, signal);
  }

  session(): Promise<Session> {
    return this.get("/v1/session", {});
  }

  /** Trade a token for the session cookie. */
  signIn(token: string): Promise<Session> {
    return this.send("PUT", "/v1/session", { token });
  }

  async signOut(): Promise<void> {
    await this.send("DELETE", "/v1/session");
  }

  channels(): Promise<{ readonly channels: readonly Channel[]; readonly limit: number }> {
    return this.get("/v1/channels", {});
  }

  /** One's own channel, and the ETag of the state that it is in. */
  async channel(name: string): Promise<{ readonly channel: Channel; readonly etag: string | null }> {
    const response = await this.answer(`/v1/channels/${encodeURIComponent(name)}`, { method: "GET" });
    return { channel: (await response.json()) as Channel, etag: response.headers.get("ETag") };
  }

  /** `expected` is the ETag of the state that is written over, or `new` where there must be none. */
  saveChannel(name: string, filter: FilterObject | string, expected: string): Promise<Channel> {
    const condition = expected === "new" ? { "If-None-Match": "*" } : { "If-Match": expected };
    return this.send("PUT", `/v1/channels/${encodeURIComponent(name)}`, { filter }, condition);
  }

  renameChannel(name: string, to: string): Promise<Channel> {
    return this.send("PUT", `/v1/channels/${encodeURIComponent(name)}`, { name: to });
  }

  async deleteChannel(name: string): Promise<void> {
    await this.send("DELETE", `/v1/channels/${encodeURIComponent(name)}`);
  }

  async shareChannel(name: string): Promise<string> {
    const answer = await this.send<{ link: string }>(
      "POST",
      `/v1/channels/${encodeURIComponent(name)}/share`,
    );
    return answer.link;
  }

  async unshareChannel(name: string): Promise<void> {
    await this.send("DELETE", `/v1/channels/${encodeURIComponent(name)}/share`);
  }

  sharedChannel(link: string): Promise<SharedChannel> {
    return this.get(`/v1/channels/shared/${encodeURIComponent(link)}`, {});
  }

  private get<T>(path: string, query: Record<string, string | number>, signal?: AbortSignal): Promise<T> {
    const words = new URLSearchParams();
    for (const [name, value] of Object.entries(query)) words.set(name, String(value));
    const tail = words.size ? `?${words}` : "";
    return this.ask<T>(`${path}${tail}`, { method: "GET" }, signal);
  }

  private send<T>(
    method: string,
    path: string,
    body?: unknown,
    condition: Record<string, string> = {},
  ): Promise<T> {
    const init: RequestInit = { method, headers: condition };
    if (body !== undefined) {
      init.body = JSON.stringify(body);
      init.headers = { "Content-Type": "application/json", ...condition };
    }
    return this.ask<T>(path, init);
  }

  private async ask<T>(path: string, init: RequestInit, signal?: AbortSignal): Promise<T> {
    const response = await this.answer(path, init, signal);
    return (response.status === 204 ? undefined : await response.json()) as T;
  }

  private async answer(path: string, init: RequestInit, signal?: AbortSignal): Promise<Response> {
    const bound = AbortSignal.timeout(ANSWER_MS);
    let response: Response;
    try {
      response = await fetch(this.origin + path, {
        ...init,
        credentials: "same-origin",
        signal: signal ? AbortSignal.any([signal, bound]) : bound,
      });
    } catch (error) {
      if (signal?.aborted) throw error;
      // What is read is asked for again by whoever shows it; what is written is somebody's wish, once.
      const remedy = init.method === "GET" ? "It is asked again." : "Try again once it does.";
      throw new Problem(0, "unreachable", `The gateway does not answer. ${remedy}`);
    }
    if (!response.ok) throw await problemOf(response);
    return response;
  }
}

async function problemOf(response: Response): Promise<Problem> {
  const retry = Number(response.headers.get("Retry-After"));
  const document = (await response.json().catch(() => ({}))) as Record<string, unknown>;
  return new Problem(
    response.status,
    String(document.type ?? "")
      .split(":")
      .at(-1) || "internal",
    String(document.detail ?? `The gateway answered ${response.status}.`),
    typeof document.field === "string" ? document.field : null,
    typeof document.position === "number" ? document.position : null,
    typeof document.length === "number" ? document.length : null,
    Number.isFinite(retry) && retry > 0 ? retry : null,
  );
}
