/** The tabs: which there are, which is looked at, which are live. */

import { type ReadonlySignal, signal } from "@preact/signals";
import type { ReadFilter } from "../protocol/filter";
import type { Stream } from "../stream/stream";
import { Tab } from "./tab";

export class Tabs {
  private readonly all = signal<readonly Tab[]>([new Tab("flow")]);
  private readonly shown = signal<Tab>(this.all.value[0] as Tab);

  constructor(private readonly stream: Stream) {}

  get list(): ReadonlySignal<readonly Tab[]> {
    return this.all;
  }

  get current(): ReadonlySignal<Tab> {
    return this.shown;
  }

  /** Look at a tab. */
  show(tab: Tab): void {
    tab.unread.value = 0;
    this.shown.value = tab;
  }

  /** Give a tab another filter, and subscribe to it. */
  setFilter(tab: Tab, filter: ReadFilter): void {
    tab.filter.value = filter;
    tab.subscription.value = this.stream.subscribe(tab.key, { filter: filter.filter });
  }
}
