/** The sums behind the pictures: one question for all of them, asked again as trades arrive. */

import { Poll } from "../polling/poll";
import type { Api, Stats } from "../protocol/api";
import type { Window } from "../state/preferences";

/** Parts of the series that the pictures are drawn from. */
export const BUCKETS = 60;

/** Tickers that are ranked. */
export const TOP = 10;

/** A window without new trades is asked for again once it has moved on by this share of itself, and not sooner than IDLE_LEAST_MS. */
const IDLE_SHARE = 1 / 12;
const IDLE_LEAST_MS = 30_000;

export const WINDOW_MS: Readonly<Record<Window, number>> = {
  "5m": 300_000,
  "15m": 900_000,
  "1h": 3_600_000,
  "4h": 14_400_000,
  "1d": 86_400_000,
};

export interface StatsQuestion {
  /** Canonical text of the filter. */
  readonly q: string;
  readonly window: Window;
}

export class StatsFeed extends Poll<StatsQuestion, Stats> {
  constructor(api: Pick<Api, "stats">) {
    super({
      ask: (question, signal) => api.stats({ ...question, buckets: BUCKETS, top: TOP }, signal),
      idleMs: ({ window }) => Math.max(IDLE_LEAST_MS, WINDOW_MS[window] * IDLE_SHARE),
    });
  }
}
