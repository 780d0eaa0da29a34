/** One visit of the page: what its address asks for is shown, and what is shown stands in its address and title. */

import { effect, untracked } from "@preact/signals";
import { type Api, Problem } from "../protocol/api";
import { EVERYTHING, type ReadFilter } from "../protocol/filter";
import type { Stream } from "../stream/stream";
import { type Address, isLink, readAddress, writeAddress } from "./address";
import type { SavedChannels } from "./saved_channels";
import { type Tab, unreadText } from "./tab";
import type { Tabs } from "./tabs";

const TITLE = "Flowtape";

/** A view that has its filter does not wait longer for the list of channels, which only says whose tab it is. */
const CHANNELS_WAIT_MS = 500;

/** Before an answer that did not come is asked for again. */
const RETRY_MS = 3_000;

/** Several signs that channels changed lead to one reading of them. */
const STALE_MS = 300;

/** What this page leaves in the browser's history: that it wrote the entry itself. */
interface Written {
  readonly flowtape: true;
}

export class Visit {
  /** The one that began last is in force; earlier ones still wait for their answers. */
  private turn = 0;
  /** Whether the address was followed: until then it is left alone. */
  private settled = false;
  /** Whether a tab is shown since the address says so, and not the other way round. */
  private following = false;
  private addressed: Tab | null = null;
  /** Whether what the address says could not be read. */
  private refused = false;
  /** Answers with what stood in the way; null is nothing. */
  private loading: Promise<Problem | null> | null = null;
  private unlisted = true;
  private stale: ReturnType<typeof setTimeout> | undefined;
  private retry: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly api: Api,
    private readonly stream: Stream,
    private readonly tabs: Tabs,
    private readonly channels: SavedChannels,
  ) {}

  /** Begin to follow the address; the first rows wait for no list of channels. */
  start(): void {
    this.tabs.onStale = () => this.reload();
    addEventListener("popstate", () => this.follow());
    document.addEventListener("visibilitychange", () => this.tabs.watch(!document.hidden));
    this.tabs.watch(!document.hidden);
    effect(() => this.entitle());
    effect(() => this.write());
    let known = false;
    effect(() => {
      if (this.stream.link.value.kind !== "open") return;
      // Signed in, or connected again: what was refused is asked for again, what may have changed is read again.
      untracked(() => {
        if (this.refused) this.follow();
        else if (known || this.unlisted) this.reload();
        known = true;
      });
    });
    this.follow();
  }

  /** Show what the address says. */
  private follow(): void {
    this.turn += 1;
    const { turn } = this;
    this.refused = false;
    clearTimeout(this.retry);
    const address = readAddress(location.search);
    const own = (history.state as Written | null)?.flowtape === true;
    this.open(address, own, () => turn === this.turn).catch((error) => {
      if (turn !== this.turn) return;
      if (!(error instanceof Problem)) throw error;
      this.refused = true;
      // Not signed in, or nobody answers: the text is not lost meanwhile.
      this.tabs.flow.draft.value = address.q;
      if (error.status !== 401) this.retry = setTimeout(() => this.follow(), RETRY_MS);
    });
  }

  private async open(address: Address, own: boolean, current: () => boolean): Promise<void> {
    const [tab, read] = await Promise.all([this.tabOf(address, own), this.read(address.q)]);
    if (!current()) return;
    this.following = true;
    this.settled = true;
    if (read === "wrong") {
      this.tabs.show(tab, tab === this.tabs.flow ? EVERYTHING : undefined);
      tab.draft.value = address.q;
    } else {
      this.tabs.show(tab, read ?? (tab === this.tabs.flow ? EVERYTHING : undefined));
    }
    this.write();
    this.following = false;
  }

  /** `q` alone says what is seen. A channel's tab is shown where it has this very filter, or where this page itself
   *  wrote the address, as before a reload; a channel of the same name with another filter is somebody else's. */
  private async tabOf({ q, channel }: Address, own: boolean): Promise<Tab> {
    const { flow, notice } = this.tabs;
    const loaded = this.load();
    if (channel === null) return flow;
    if (isLink(channel)) {
      try {
        // One's own channel is known by its link id once the list is there.
        await bounded(loaded, CHANNELS_WAIT_MS);
        return await this.channels.open(channel);
      } catch (error) {
        if (!(error instanceof Problem && error.code === "unknown_channel")) throw error;
        notice.value = `${error.message} Ask whoever sent you the address for a new one.`;
        return flow;
      }
    }
    if (q === null) {
      const problem = await loaded;
      if (problem) throw problem;
    } else await bounded(loaded, CHANNELS_WAIT_MS);
    const tab = this.tabs.list.value.find((each) => each.channel.value?.name === channel);
    if (tab === undefined) {
      notice.value =
        q === null
          ? `You have no channel ${channel}. Every trade is shown.`
          : `You have no channel ${channel}. Its filter is shown under ${flow.name.value}.`;
      return flow;
    }
    if (q === null || own || tab.saved.value?.text === q) return tab;
    notice.value = `Your own channel ${channel} has another filter. The one of the address is shown under ${flow.name.value}.`;
    return flow;
  }

  private async read(q: string | null): Promise<ReadFilter | null | "wrong"> {
    if (q === null) return null;
    if (q === EVERYTHING.text) return EVERYTHING;
    try {
      return await this.api.readFilter(q);
    } catch (error) {
      if (error instanceof Problem && error.status === 400) return "wrong";
      throw error;
    }
  }

  /** Read the channels; who asks while they are read gets the same answer. */
  private load(): Promise<Problem | null> {
    this.loading ??= this.channels
      .load()
      .then(
        () => null,
        (error) => {
          if (!(error instanceof Problem)) throw error;
          // Without a session there is nothing to ask; once it is there, the link opens.
          if (error.status !== 401) this.reload(RETRY_MS);
          return error;
        },
      )
      .then((problem) => {
        this.unlisted = problem !== null;
        return problem;
      })
      .finally(() => {
        this.loading = null;
      });
    return this.loading;
  }

  private reload(after = STALE_MS): void {
    clearTimeout(this.stale);
    this.stale = setTimeout(() => void this.load(), after);
  }

  private addressOf(tab: Tab): Address {
    const { text } = tab.filter.value;
    const shared = tab.shared.value;
    if (shared !== null) return { channel: shared.link, q: tab.changed.value ? text : null };
    return { channel: tab.channel.value?.name ?? null, q: text };
  }

  /** A tab that was gone to is an entry of its own in the browser's history; a filter that is edited is not. */
  private write(): void {
    const tab = this.tabs.current.value;
    const address = writeAddress(this.addressOf(tab));
    // A text that is not valid stays in the address that it came from.
    const kept = tab.draft.value !== null;
    if (!this.settled) return;
    const went = this.addressed !== null && this.addressed !== tab && !this.following;
    this.addressed = tab;
    if (kept && !went) return;
    const written: Written = { flowtape: true };
    if (went) history.pushState(written, "", address);
    else if (address !== location.pathname + location.search || history.state === null) {
      history.replaceState(written, "", address);
    }
  }

  private entitle(): void {
    const unread = this.tabs.watched.value ? 0 : this.tabs.current.value.unread.value;
    document.title = unread ? `(${unreadText(unread)}) ${TITLE}` : TITLE;
  }
}

async function bounded(work: Promise<unknown>, ms: number): Promise<void> {
  await Promise.race([work, new Promise((done) => setTimeout(done, ms))]);
}
