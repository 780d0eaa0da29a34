/** What is done with saved channels: each is asked of the gateway, then shown in the tabs. Errors are `Problem`s. */

import { type Api, type Channel, Problem } from "../protocol/api";
import { isLink } from "./address";
import type { Preferences } from "./preferences";
import type { Tab } from "./tab";
import { SHARED_MOST, type Tabs } from "./tabs";

/** An ETag that no channel has: a write that expects it is never done. */
const NO_STATE = '"none"';

export class SavedChannels {
  private turn = 0;
  private writes = 0;
  private reopened = false;

  constructor(
    private readonly api: Api,
    private readonly tabs: Tabs,
    private readonly preferences: Pick<Preferences, "channelOrder">,
  ) {}

  /** Bring the tabs in line with what is saved. */
  async load(): Promise<void> {
    this.turn += 1;
    const turn = this.turn;
    const shared = this.loadShared();
    for (;;) {
      const { writes } = this;
      const [{ channels }] = await Promise.all([this.api.channels(), shared]);
      // Of two answers on their way, the one that was asked for last is the newer.
      if (turn !== this.turn) return;
      // What was written meanwhile may not be in the answer.
      if (writes === this.writes) return this.tabs.reconcile(channels);
    }
  }

  /** The tab of a link id. Throws a Problem with the code `unknown_channel` where nothing is shared by it any more. */
  async open(link: string): Promise<Tab> {
    const own = this.tabs.list.value.find((tab) => tab.channel.value?.link === link);
    if (own) return own;
    const { name, filter, text } = await this.api.sharedChannel(link);
    return this.tabs.openShared({ link, name, saved: { filter: filter ?? {}, text: text ?? "*" } });
  }

  /** Save the filter of a tab under a new name; the tab of that channel. */
  async create(tab: Tab, name: string): Promise<Tab> {
    const channel = await this.api.saveChannel(name, tab.filter.value.filter, "new");
    this.writes += 1;
    const made = this.tabs.open(channel);
    this.tabs.show(made);
    if (tab !== this.tabs.flow && tab.place === null) this.tabs.close(tab);
    if (tab.shared.value !== null || tab.channel.value !== null) this.tabs.revert(tab);
    this.tabs.rememberOrder();
    return made;
  }

  /** Save the changed filter of a channel. Throws `channel_changed` where it was changed elsewhere meanwhile; the tab
   *  knows the newer state then, so saving again is done over it. */
  async save(tab: Tab): Promise<void> {
    const known = channelOf(tab);
    const { channel, etag } =
      known.filter === null ? { channel: known, etag: null } : await this.api.channel(known.name);
    if (channel.created !== known.created || channel.revision !== known.revision) {
      this.tabs.take(tab, channel);
      throw new Problem(412, "channel_changed", `${channel.name} was changed elsewhere meanwhile.`);
    }
    const saved = await this.api.saveChannel(known.name, tab.filter.value.filter, etag ?? "*");
    this.writes += 1;
    this.tabs.take(tab, saved);
  }

  async rename(tab: Tab, name: string): Promise<void> {
    const renamed = await this.api.renameChannel(channelOf(tab).name, name);
    this.writes += 1;
    this.tabs.take(tab, renamed);
    this.tabs.rememberOrder();
  }

  /** The link id; a new one where there was one, which is worth nothing from then on. */
  async share(tab: Tab): Promise<string> {
    const link = await this.api.shareChannel(channelOf(tab).name);
    await this.reread(tab);
    return link;
  }

  async unshare(tab: Tab): Promise<void> {
    await this.api.unshareChannel(channelOf(tab).name);
    await this.reread(tab);
  }

  async delete(tab: Tab): Promise<void> {
    await this.api.deleteChannel(channelOf(tab).name);
    this.writes += 1;
    this.tabs.close(tab);
  }

  /** What the gateway says to a tier that saves no channels: it alone knows which tiers do. Nothing is saved. */
  async refusal(): Promise<string> {
    try {
      await this.api.saveChannel("any", {}, NO_STATE);
    } catch (error) {
      if (error instanceof Problem && error.code === "channel_changed") {
        return "Your tier saves channels now: open the page anew.";
      }
      if (error instanceof Problem) return error.message;
      throw error;
    }
    return "";
  }

  /** Sharing is a change too: the channel has another revision then. */
  private async reread(tab: Tab): Promise<void> {
    const { channel } = await this.api.channel(channelOf(tab).name);
    this.writes += 1;
    this.tabs.take(tab, channel);
  }

  /** Read the shared channels that are open again: their owners may have changed them or taken them back. */
  private async loadShared(): Promise<void> {
    const remembered = this.reopened ? [] : this.preferences.channelOrder.value.filter(isLink);
    this.reopened = true;
    const open = this.tabs.list.value.flatMap((tab) => tab.shared.value?.link ?? []);
    const links = [...new Set([...open, ...remembered])].slice(0, SHARED_MOST);
    await Promise.all(links.map((link) => this.readShared(link)));
  }

  private async readShared(link: string): Promise<void> {
    const find = () => this.tabs.list.value.find((each) => each.shared.value?.link === link);
    try {
      const { name, filter, text } = await this.api.sharedChannel(link);
      const shared = { link, name, saved: { filter: filter ?? {}, text: text ?? "*" } };
      const tab = find();
      if (tab) this.tabs.takeShared(tab, shared);
      else this.tabs.openShared(shared);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      const tab = find();
      if (tab && error.code === "unknown_channel") {
        this.tabs.leave(
          tab,
          `${tab.name.value} is no longer shared. Its filter is kept here until you close it.`,
        );
      }
    }
  }
}

function channelOf(tab: Tab): Channel {
  const channel = tab.channel.value;
  if (channel === null) throw new Error(`The tab ${tab.key} is no channel of one's own.`);
  return channel;
}
