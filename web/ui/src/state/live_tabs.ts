/** Which tabs are live: as many as the tier follows at once, the ones looked at last before the others. */

import type { Limits } from "../protocol/messages";

/** A tier that follows so many filters leaves one of them for the contract that is open beside the table. */
const ROOM_FOR_CONTRACT_FROM = 3;

/** How many tabs may be live; before the gateway has said its limits, the one that is looked at. */
export function roomForTabs(limits: Pick<Limits, "subscriptions"> | null): number {
  const all = limits?.subscriptions ?? 1;
  return Math.max(1, all >= ROOM_FOR_CONTRACT_FROM ? all - 1 : all);
}

/** `looked`: the ones looked at, the latest first; the first of them is always live. `list`: all, in the order of
 *  who comes next. */
export function liveTabs<T>(list: readonly T[], looked: readonly T[], room: number): Set<T> {
  const live = new Set<T>();
  for (const tab of [...looked, ...list]) {
    if (live.size >= room) break;
    if (list.includes(tab)) live.add(tab);
  }
  return live;
}

/** Why a tab is not live, in words. */
export function whyNotLive(tier: string, limits: Pick<Limits, "subscriptions">): string {
  const { subscriptions } = limits;
  const kept = roomForTabs(limits) < subscriptions ? ", one of them kept for an open contract" : "";
  const filters = subscriptions === 1 ? "1 filter" : `${subscriptions} filters`;
  return `Not live: ${tier} follows ${filters} at once${kept}.`;
}
