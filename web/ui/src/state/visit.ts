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

/** The filter of an address; null where it says none. */
type Read = ReadFilter | "wrong" | null;

/** Where an address leads, and what is said where that is not quite what it asked for. */
interface Place {
  readonly tab: Tab;
  readonly notice: string | null;
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
  /** Whose page this is; null before the gateway said so. */
  private user: string | null = null;
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
      const user = this.stream.welcome.peek()?.user ?? null;
      if (this.user !== null && this.user !== user) {
        // Somebody else signed in, here or in another tab of the browser: what is on this page is not theirs to see.
        location.reload();
        return;
      }
      this.user = user;
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
    const listing = this.load();
    const named = address.channel !== null && !isLink(address.channel);
    // Without a filter of its own, the address says only what the list knows.
    const patience = named && address.q === null ? null : CHANNELS_WAIT_MS;
    const [read, listed] = await Promise.all([
      this.read(address.q),
      address.channel === null || within(listing, patience),
    ]);
    const place = await this.placeOf(address, read, own, listed);
    if (!current()) return;
    this.land(address, read, place);
    if (listed || !named) return;
    const { flow } = this.tabs;
    const shown = flow.filter.value;
    if ((await listing) !== null) return;
    // The list came late: whose tab it is shows now, unless something else was done meanwhile.
    if (!current() || this.tabs.current.value !== flow || flow.filter.value !== shown) return;
    this.land(address, read, await this.placeOf(address, read, own, true));
  }

  private land(address: Address, read: Read, { tab, notice }: Place): void {
    const { flow } = this.tabs;
    this.settled = true;
    this.following = true;
    const free = tab === flow ? EVERYTHING : undefined;
    this.tabs.show(tab, read === "wrong" || read === null ? free : read);
    if (read === "wrong") tab.draft.value = address.q;
    this.tabs.notice.value = notice;
    this.write();
    this.following = false;
  }

  /** `q` alone says what is seen. A channel's tab is shown where it has this very filter, or where this page itself
   *  wrote the address, as before a reload; a channel of the same name with another filter is somebody else's. */
  private async placeOf({ q, channel }: Address, read: Read, own: boolean, listed: boolean): Promise<Place> {
    const { flow, list } = this.tabs;
    const free = flow.name.value;
    if (channel === null) return { tab: flow, notice: null };
    if (isLink(channel)) {
      try {
        return { tab: await this.channels.open(channel), notice: null };
      } catch (error) {
        if (!(error instanceof Problem && error.code === "unknown_channel")) throw error;
        return { tab: flow, notice: `${error.message} Every trade is shown.` };
      }
    }
    const tab = list.value.find((each) => each.channel.value?.name === channel);
    const alike = read !== null && read !== "wrong" && tab?.saved.value?.text === read.text;
    if (tab && (q === null || own || alike)) return { tab, notice: null };
    if (!listed) return { tab: flow, notice: null };
    const shown = q === null ? "Every trade is shown." : `The filter of the address is shown under ${free}.`;
    const said = tab ? `Your own channel ${channel} has another filter.` : `You have no channel ${channel}.`;
    return { tab: flow, notice: `${said} ${shown}` };
  }

  private async read(q: string | null): Promise<Read> {
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

/** Whether the list came in time; null waits for as long as it takes. Throws what stood in its way. */
async function within(listing: Promise<Problem | null>, ms: number | null): Promise<boolean> {
  if (ms === null) {
    const problem = await listing;
    if (problem) throw problem;
    return true;
  }
  const late = new Promise<false>((done) => setTimeout(() => done(false), ms));
  return Promise.race([listing.then((problem) => problem === null), late]);
}
