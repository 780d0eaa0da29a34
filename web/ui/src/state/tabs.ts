/** The tabs: which there are, in which order, which is looked at, which are live, and what each has not shown yet. */

import { batch, effect, type ReadonlySignal, signal, untracked } from "@preact/signals";
import type { Channel } from "../protocol/api";
import { EVERYTHING, type ReadFilter } from "../protocol/filter";
import type { Batch, Snapshot } from "../protocol/messages";
import type { Trade } from "../protocol/trade";
import type { Stream } from "../stream/stream";
import type { Subscription, Wanted } from "../stream/subscription";
import { liveTabs, roomForTabs } from "./live_tabs";
import type { Preferences } from "./preferences";
import { type SharedLink, Tab, UNREAD_MOST } from "./tab";
import { inOrder, moved } from "./tab_order";

/** Shared channels that stay open at most; the one that was opened first makes room. */
export const SHARED_MOST = 20;

/** Tabs that are kept though their channel is gone at most. */
const LEFT_MOST = 20;

/** Errors that say that a channel is not what the tab takes it for. */
const LOST: ReadonlySet<string> = new Set(["channel_deleted", "unknown_channel"]);

export class Tabs {
  /** The free filter: always there, always first. */
  readonly flow = new Tab("flow");
  /** What happened to a tab without its user's doing, in words; null once it was taken note of. */
  readonly notice = signal<string | null>(null);
  /** Whether somebody looks at the page; what comes meanwhile is not read. */
  readonly watched = signal(true);
  /** Told when the gateway's channel may be another than the tab's: it was changed, renamed or deleted elsewhere. */
  onStale: ((tab: Tab) => void) | null = null;

  private readonly all = signal<readonly Tab[]>([this.flow]);
  private readonly shown = signal<Tab>(this.flow);
  /** The latest first. */
  private looked: readonly Tab[] = [this.flow];
  private made = 0;
  /** Ended subscriptions that were seen to; each is once. */
  private readonly seenTo = new WeakSet<Subscription>();
  /** Nothing is subscribed to before it is known what to look at. */
  private begun = false;

  constructor(
    private readonly stream: Stream,
    private readonly preferences: Pick<Preferences, "channelOrder">,
    /** Told of every trade that comes new to a tab. */
    private readonly onTrades: (trades: readonly Trade[]) => void = () => {},
  ) {
    effect(() => {
      this.stream.welcome.value;
      untracked(() => this.arrange());
    });
    effect(() => {
      for (const tab of this.all.value) {
        const subscription = tab.subscription.value;
        if (subscription?.state.value === "ended") untracked(() => this.ended(tab, subscription));
      }
    });
  }

  get list(): ReadonlySignal<readonly Tab[]> {
    return this.all;
  }

  get current(): ReadonlySignal<Tab> {
    return this.shown;
  }

  /** Look at a tab, with another filter where one is given. */
  show(tab: Tab, filter?: ReadFilter): void {
    this.begun = true;
    batch(() => {
      if (filter) this.put(tab, filter);
      tab.unread.value = 0;
      this.shown.value = tab;
      this.looked = [tab, ...this.looked.filter((each) => each !== tab)];
      // One that was refused is tried again: looking at it is asking for it.
      if (tab.subscription.value?.state.value === "ended") this.end(tab);
      this.arrange();
    });
  }

  /** Give a tab another filter, and subscribe to it. */
  setFilter(tab: Tab, filter: ReadFilter): void {
    this.begun = true;
    batch(() => {
      this.put(tab, filter);
      this.arrange();
    });
  }

  /** Back to what is saved. */
  revert(tab: Tab): void {
    const saved = tab.saved.value;
    if (saved !== null) this.setFilter(tab, saved);
  }

  /** Whether somebody looks at the page: a tab that is shown behind it is not read. */
  watch(watched: boolean): void {
    this.watched.value = watched;
    if (watched) this.shown.value.unread.value = 0;
  }

  /** Move a tab to another place; the free filter stays the first. */
  move(tab: Tab, to: number): void {
    if (tab === this.flow) return;
    this.all.value = moved(this.all.value, tab, Math.max(1, to));
    this.rememberOrder();
  }

  /** The tab of one's own channel, made where there is none. */
  open(channel: Channel): Tab {
    const known = this.all.value.find((tab) => tab.channel.value?.name === channel.name);
    const tab = known ?? this.make(channel.name);
    batch(() => {
      this.take(tab, channel);
      if (!known) this.add([tab]);
    });
    return tab;
  }

  /** The tab of a channel that somebody shared, made where there is none. */
  openShared(shared: SharedLink): Tab {
    const known = this.all.value.find((tab) => tab.shared.value?.link === shared.link);
    const tab = known ?? this.make(shared.name);
    batch(() => {
      this.takeShared(tab, shared);
      if (known) return;
      const others = this.all.value.filter((each) => each.shared.value !== null);
      if (others.length >= SHARED_MOST) this.close(others[0] as Tab);
      this.add([tab]);
      this.rememberOrder();
    });
    return tab;
  }

  /** All of one's own channels as the gateway has them now: new ones get a tab, ones that are gone leave a free filter. */
  reconcile(channels: readonly Channel[]): void {
    batch(() => {
      const left = new Set(channels);
      // Which is which is settled for all before any is taken, so that two that changed names are not mixed up.
      const found = new Map<Tab, Channel>();
      const own = this.all.value.filter((tab) => tab.channel.value !== null);
      for (const alike of [isSame, isRenamed, isNamesake]) {
        for (const tab of own) {
          if (found.has(tab)) continue;
          const channel = [...left].find((each) => alike(tab.channel.value as Channel, each));
          if (channel === undefined) continue;
          found.set(tab, channel);
          left.delete(channel);
        }
      }
      let renamed = false;
      for (const tab of own) {
        const channel = found.get(tab);
        renamed ||= channel !== undefined && channel.name !== tab.place;
        if (channel) this.take(tab, channel);
        else this.leave(tab, `${tab.name.value} was deleted. Its filter is kept here until you close it.`);
      }
      if (renamed) this.rememberOrder();
      const fresh = [...left].map((channel) => {
        const tab = this.make(channel.name);
        this.take(tab, channel);
        return tab;
      });
      this.add(fresh);
    });
  }

  /** One's own channel as it is now; a filter that was not changed here follows it. */
  take(tab: Tab, channel: Channel): void {
    batch(() => {
      const followed = !tab.changed.value;
      tab.channel.value = channel;
      if (followed && tab.saved.value !== null) tab.filter.value = tab.saved.value;
      this.align(tab);
    });
  }

  /** A shared channel as it is now. */
  takeShared(tab: Tab, shared: SharedLink): void {
    batch(() => {
      const followed = !tab.changed.value;
      tab.shared.value = shared;
      if (followed) tab.filter.value = shared.saved;
      this.align(tab);
    });
  }

  /** The channel is gone: its filter stays as a free one. */
  leave(tab: Tab, notice: string): void {
    batch(() => {
      tab.title.value = tab.name.value;
      tab.channel.value = null;
      tab.shared.value = null;
      this.notice.value = notice;
      this.align(tab);
      const left = this.all.value.filter((each) => each !== this.flow && each.place === null);
      if (left.length > LEFT_MOST) this.close(left.find((each) => each !== this.shown.value) as Tab);
    });
  }

  /** Take a tab away; the one beside it is looked at where it was. */
  close(tab: Tab): void {
    if (tab === this.flow) return;
    batch(() => {
      const at = this.all.value.indexOf(tab);
      this.end(tab);
      this.all.value = this.all.value.filter((each) => each !== tab);
      this.looked = this.looked.filter((each) => each !== tab);
      if (this.shown.value === tab) this.show(this.all.value[Math.max(0, at - 1)] as Tab);
      else this.arrange();
      this.rememberOrder();
    });
  }

  /** Keep the order of the tabs as they stand. */
  rememberOrder(): void {
    const places = this.all.value.map((tab) => tab.place);
    this.preferences.channelOrder.value = places.filter((place) => place !== null);
  }

  private put(tab: Tab, filter: ReadFilter): void {
    tab.filter.value = filter;
    tab.draft.value = null;
    const subscription = tab.subscription.value;
    if (subscription === null) return;
    if (subscription.state.value === "ended") this.begin(tab);
    // The rows before stand until the new ones come: an empty table between the two would blink.
    else if (!same(subscription.wanted, tab.wanted)) this.stream.askAnew(subscription, tab.wanted);
  }

  private make(title: string): Tab {
    this.made += 1;
    return new Tab(`tab-${this.made}`, title);
  }

  private add(tabs: readonly Tab[]): void {
    if (tabs.length === 0) return;
    const places = new Map([...this.all.value, ...tabs].map((tab) => [tab.place, tab]));
    const left = this.all.value.filter((tab) => tab !== this.flow && tab.place === null);
    places.delete(null);
    const order = inOrder([...places.keys()] as string[], this.preferences.channelOrder.value);
    this.all.value = [this.flow, ...order.map((place) => places.get(place) as Tab), ...left];
    this.arrange();
  }

  /** Let as many be live as may be. */
  private arrange(): void {
    if (!this.begun) return;
    const [flow, ...channels] = this.all.value;
    const room = roomForTabs(this.stream.welcome.value?.limits ?? null);
    const live = liveTabs([...channels, flow as Tab], this.looked, room);
    for (const tab of this.all.value) if (!live.has(tab)) this.end(tab);
    for (const tab of live) if (tab.subscription.value === null) this.begin(tab);
  }

  private begin(tab: Tab): void {
    const subscription = this.stream.subscribe(tab.key, tab.wanted);
    let begun = "";
    subscription.onFresh = (fresh, message) => {
      if (message.op === "snapshot") {
        const again = begun === subscription.wire;
        begun = subscription.wire;
        if (again && "channel" in subscription.wanted) this.onStale?.(tab);
      }
      this.count(tab, fresh, message);
    };
    tab.subscription.value = subscription;
  }

  private end(tab: Tab): void {
    const subscription = tab.subscription.value;
    if (subscription === null) return;
    this.stream.unsubscribe(subscription);
    tab.subscription.value = null;
  }

  /** Bring a subscription in line with a channel that was saved, renamed or left. */
  private align(tab: Tab): void {
    const subscription = tab.subscription.value;
    const { wanted } = tab;
    if (subscription === null) return;
    if (subscription.state.value === "ended") this.begin(tab);
    else if (same(subscription.wanted, wanted)) return;
    // A new name changes nothing of what flows; it is needed once the connection is lost.
    else if ("channel" in subscription.wanted && "channel" in wanted) subscription.wanted = wanted;
    else this.stream.askAnew(subscription, wanted);
  }

  private ended(tab: Tab, subscription: Subscription): void {
    if (this.seenTo.has(subscription)) return;
    this.seenTo.add(subscription);
    const code = subscription.problem.value?.code ?? "";
    if (LOST.has(code) && "channel" in subscription.wanted) this.onStale?.(tab);
    else if (code === "subscription_limit" && tab !== this.shown.value) this.end(tab);
  }

  private count(tab: Tab, fresh: readonly Trade[], message: Snapshot | Batch): void {
    if (fresh.length === 0) return;
    this.onTrades(fresh);
    const seen = tab === this.shown.value && this.watched.value;
    // Where every trade is shown, a new one is no news.
    if (message.op === "snapshot" || seen || tab.filter.value.text === EVERYTHING.text) return;
    tab.unread.value = Math.min(tab.unread.value + fresh.length, UNREAD_MOST);
  }
}

function same(a: Wanted, b: Wanted): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

const isSame = (known: Channel, found: Channel) => isRenamed(known, found) && isNamesake(known, found);
/** The time of its making stays with a channel; one that cannot be read has none. */
const isRenamed = (known: Channel, found: Channel) =>
  known.created !== undefined && known.created === found.created;
const isNamesake = (known: Channel, found: Channel) => known.name === found.name;
