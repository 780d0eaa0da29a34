/** One tab: a filter that is looked at or counted, saved as a channel or not, and its subscription if it is live. */

import { signal } from "@preact/signals";
import type { Channel } from "../protocol/api";
import { EVERYTHING, type ReadFilter } from "../protocol/filter";
import type { Subscription } from "../stream/subscription";

export class Tab {
  /** The filter that is shown; for a saved channel it may differ from what is saved. */
  readonly filter = signal<ReadFilter>(EVERYTHING);
  /** The saved channel; null is the free filter. */
  readonly channel = signal<Channel | null>(null);
  /** null while it is not live: the tier has no more subscriptions, or nothing was asked yet. */
  readonly subscription = signal<Subscription | null>(null);
  /** New trades since it was last looked at. */
  readonly unread = signal(0);

  constructor(
    /** Stays the same for the tab's life; also the name of its subscription. */
    readonly key: string,
  ) {}
}
