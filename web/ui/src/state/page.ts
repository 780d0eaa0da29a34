/** Everything that lives as long as the page, made once; components reach it by `usePage`. */

import { signal } from "@preact/signals";
import { createContext } from "preact";
import { useContext } from "preact/hooks";
import { Api } from "../protocol/api";
import type { FilterObject } from "../protocol/filter";
import type { Trade } from "../protocol/trade";
import { Stream } from "../stream/stream";
import { Actions } from "./actions";
import { Preferences } from "./preferences";
import { SavedChannels } from "./saved_channels";
import { SeenTickers } from "./seen_tickers";
import { Tabs } from "./tabs";
import { Visit } from "./visit";

export class Page {
  readonly api = new Api();
  readonly preferences = new Preferences();
  /** What the keyboard can ask of the parts; each offers its own in an effect. */
  readonly actions = new Actions();
  readonly stream: Stream;
  readonly tabs: Tabs;
  readonly channels: SavedChannels;
  /** The address, the title and the tabs, kept in line with each other. */
  readonly visit: Visit;
  readonly tickers = new SeenTickers();
  /** Whether new rows wait until they are asked for (key `p`). */
  readonly paused = signal(false);
  /** The trade whose contract is open; null shows none. */
  readonly contract = signal<Trade | null>(null);
  /** Whether a trade with the flag `synthetic` was seen. */
  readonly synthetic = signal(false);

  constructor(stream = new Stream(streamUrl())) {
    this.stream = stream;
    this.tabs = new Tabs(stream, this.preferences, (trades) => this.see(trades));
    this.channels = new SavedChannels(this.api, this.tabs, this.preferences);
    this.visit = new Visit(this.api, stream, this.tabs, this.channels);
  }

  /** Filter the tab that is looked at; answers with what stands in the way, empty where it is done. */
  async filterTo(filter: FilterObject): Promise<string> {
    const tab = this.tabs.current.value;
    try {
      this.tabs.setFilter(tab, await this.api.writeFilter(filter));
      return "";
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    }
  }

  private see(trades: readonly Trade[]): void {
    this.tickers.see(trades);
    this.synthetic.value ||= trades.some((trade) => trade.flags.includes("synthetic"));
  }
}

function streamUrl(): string {
  return `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/v1/stream`;
}

export const PageContext = createContext<Page | null>(null);

export function usePage(): Page {
  const page = useContext(PageContext);
  if (page === null) throw new Error("usePage stands outside of PageContext.");
  return page;
}
