/** One tab: a filter that is looked at or counted, saved as a channel or not, and its subscription if it is live. */

import { computed, signal } from "@preact/signals";
import type { Channel } from "../protocol/api";
import { EVERYTHING, type ReadFilter } from "../protocol/filter";
import type { Subscription, Wanted } from "../stream/subscription";

/** A channel that somebody shared: to be read, not to be changed. */
export interface SharedLink {
  readonly link: string;
  readonly name: string;
  readonly saved: ReadFilter;
}

/** More new trades than this are counted no further. */
export const UNREAD_MOST = 1_000;

/** As a badge shows it: `12`, `999+`. */
export function unreadText(unread: number): string {
  return unread >= UNREAD_MOST ? `${UNREAD_MOST - 1}+` : String(unread);
}

export class Tab {
  /** The filter that is shown; for a saved channel it may differ from what is saved. */
  readonly filter = signal<ReadFilter>(EVERYTHING);
  /** Text that stands in the bar in place of the filter's, since it is not (yet) valid, as from a wrong address. */
  readonly draft = signal<string | null>(null);
  /** The user's own saved channel; null is a free filter or a shared channel. */
  readonly channel = signal<Channel | null>(null);
  /** The channel that somebody shared. */
  readonly shared = signal<SharedLink | null>(null);
  /** null while it is not live: the tier has no more subscriptions, or nothing was asked yet. */
  readonly subscription = signal<Subscription | null>(null);
  /** New trades since it was last looked at, `UNREAD_MOST` at most. */
  readonly unread = signal(0);
  /** What it is called while it is no channel. */
  readonly title;

  readonly name = computed(() => this.channel.value?.name ?? this.shared.value?.name ?? this.title.value);

  /** What is saved; null where nothing is, or where it cannot be read. */
  readonly saved = computed<ReadFilter | null>(() => {
    const channel = this.channel.value;
    if (channel === null) return this.shared.value?.saved ?? null;
    return channel.filter === null ? null : { filter: channel.filter, text: channel.text ?? "*" };
  });

  /** Whether the filter differs from what is saved. */
  readonly changed = computed(() => {
    if (this.channel.value === null && this.shared.value === null) return false;
    return this.filter.value.text !== (this.saved.value ?? EVERYTHING).text;
  });

  constructor(
    /** Stays the same for the tab's life; also the name of its subscription. */
    readonly key: string,
    title = "Flow",
  ) {
    this.title = signal(title);
  }

  /** What it is subscribed by: the channel, so that changes made elsewhere come by themselves, or the filter. */
  get wanted(): Wanted {
    const channel = this.channel.value?.name ?? this.shared.value?.link;
    if (channel !== undefined && !this.changed.value) return { channel };
    return { filter: this.filter.value.filter };
  }

  /** Its name in the order of tabs; null where it has no place to be remembered. */
  get place(): string | null {
    return this.channel.value?.name ?? this.shared.value?.link ?? null;
  }
}
