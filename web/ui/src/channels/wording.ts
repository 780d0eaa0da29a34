/** What the page says about channels and tiers: refusals of the gateway, and limits in words. */

import { Problem } from "../protocol/api";
import type { Limits } from "../protocol/messages";

/** A refusal in words. The gateway's own say the remedy; where it speaks of requests, the page speaks of channels. */
export function refusalText(error: unknown, name: string): string {
  if (!(error instanceof Problem)) throw error;
  if (error.code === "channel_changed") {
    return `You have a channel “${name}” already. Choose another name, or delete that one first.`;
  }
  if (error.code === "unknown_channel") return `The channel “${name}” is gone: it was deleted elsewhere.`;
  return error.message;
}

/** How long, in the largest unit that is whole. */
export function duration(seconds: number): string {
  if (seconds >= 60 && seconds % 60 === 0) return amount(seconds / 60, "minute");
  return amount(seconds, "second");
}

export function amount(count: number, noun: string): string {
  const figure = count === 0 ? "no" : count.toLocaleString("en-US");
  return `${figure} ${noun}${count === 1 ? "" : "s"}`;
}

/** Every limit of a tier that somebody at the page can meet: what it is, and what it says. */
export function limitsInWords(limits: Limits): readonly (readonly [string, string])[] {
  const interval = limits.interval_ms;
  return [
    [
      "Delay",
      limits.delay_s === 0 ? "none: trades are live" : `${duration(limits.delay_s)} behind the market`,
    ],
    [
      "Delivery",
      `new rows of a filter every ${interval % 1_000 === 0 ? duration(interval / 1_000).replace(/^1 /, "") : `${interval} ms`}`,
    ],
    ["Rows", `${amount(limits.rows, "row")} a delivery and a page; the newest come first`],
    ["Filters at once", amount(limits.subscriptions, "filter")],
    ["Saved channels", amount(limits.channels, "channel")],
    ["Alerts", amount(limits.alerts, "alert")],
    ["Older rows", `${amount(limits.history_per_minute, "page")} a minute`],
    ["Connections", `${limits.connections} at once; each open page is one`],
  ];
}
