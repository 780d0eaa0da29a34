/** The prints of a contract: its day read page by page, then followed live, or asked for again where no filter is free. */

import { type ReadonlySignal, signal } from "@preact/signals";
import { Poll } from "../polling/poll";
import type { Api, Problem } from "../protocol/api";
import type { Trade } from "../protocol/trade";
import type { Stream } from "../stream/stream";
import type { Subscription } from "../stream/subscription";
import { PrintsOfDay } from "./prints_of_day";

/** Pages that are read at most, each of as many rows as the tier gets. */
export const PAGES_MOST = 10;

/** How often a contract that is not live is asked for, ms. */
export const REFRESH_MS = 5_000;

/** Prints that come close together are drawn together, ms. */
export const DRAW_MS = 250;

export interface Prints {
  /** The newest first. */
  readonly trades: readonly Trade[];
  /** Whether there are older ones of that day that were not read. */
  readonly cut: boolean;
}

export interface ContractFeedOptions {
  readonly api: Pick<Api, "trades">;
  readonly stream: Pick<Stream, "subscribe" | "unsubscribe">;
  /** A trade of the contract: names it, and its day. */
  readonly trade: Trade;
  /** Rows of a page. */
  readonly rows: number;
  /** Whether the tier follows one more filter. */
  readonly live: boolean;
}

export class ContractFeed {
  private readonly printsSignal = signal<Prints | null>(null);
  private readonly liveSignal = signal(false);
  private readonly prints: PrintsOfDay;
  private readonly poll: Poll<string, null>;
  private subscription: Subscription | null = null;
  private readonly stops: (() => void)[] = [];
  /** Whether all between the newest and the oldest print that is held was read. */
  private whole = false;
  private cut = false;
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly options: ContractFeedOptions) {
    const { symbol, ts } = options.trade;
    this.prints = new PrintsOfDay(symbol, ts);
    this.poll = new Poll({
      ask: (asked, abort) => this.read(asked, abort),
      idleMs: () => (this.liveSignal.peek() ? Number.POSITIVE_INFINITY : REFRESH_MS),
    });
  }

  /** null until the first answer. */
  get shown(): ReadonlySignal<Prints | null> {
    return this.printsSignal;
  }

  /** Whether prints come by themselves. */
  get live(): ReadonlySignal<boolean> {
    return this.liveSignal;
  }

  get problem(): ReadonlySignal<Problem | null> {
    return this.poll.problem;
  }

  /** The subscription comes before the pages, so that nothing falls in between. */
  start(): void {
    const { symbol } = this.options.trade;
    if (this.options.live) this.follow(symbol);
    this.poll.ask(symbol);
  }

  wake(awake: boolean): void {
    this.poll.wake(awake);
  }

  stop(): void {
    clearTimeout(this.timer);
    this.poll.stop();
    for (const stop of this.stops.splice(0)) stop();
    if (this.subscription) this.options.stream.unsubscribe(this.subscription);
    this.subscription = null;
  }

  private follow(symbol: string): void {
    const subscription = this.options.stream.subscribe(`contract ${symbol}`, {
      filter: { symbol: [symbol] },
    });
    this.subscription = subscription;
    let begun = false;
    this.stops.push(
      subscription.rows.watch(() => {
        const changes = subscription.rows.drain();
        this.prints.apply([...changes.added, ...changes.changed], changes.gone);
        // A snapshot in the midst of it says that something may be missing between it and what is held.
        if (changes.reset && begun) {
          this.whole = false;
          this.poll.happened();
        }
        begun = true;
        this.drawSoon();
      }),
      subscription.state.subscribe((state) => {
        this.liveSignal.value = state === "live";
        // Without it the pages are asked for again, as where there was none from the beginning.
        if (state === "ended") this.poll.happened();
      }),
    );
  }

  /** The pages of the day; once they were all read, only as many as bring something new. */
  private async read(symbol: string, abort: AbortSignal): Promise<null> {
    let before: string | null = null;
    let pages = 0;
    let known = false;
    do {
      const page = await this.options.api.trades(`symbol:${symbol}`, this.options.rows, before, abort);
      before = page.trades.every((trade) => this.prints.has(trade)) ? page.before : null;
      const oldest = page.trades.at(-1);
      known = this.whole && oldest !== undefined && this.prints.holds(oldest);
      this.prints.apply(page.trades);
      this.drawSoon();
      pages += 1;
    } while (before !== null && !known && pages < PAGES_MOST && !this.prints.full);
    if (!this.whole) this.cut = before !== null;
    this.whole = true;
    this.draw();
    return null;
  }

  private drawSoon(): void {
    this.timer ??= setTimeout(() => this.draw(), DRAW_MS);
  }

  private draw(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    this.printsSignal.value = { trades: this.prints.newestFirst(), cut: this.cut || this.prints.full };
  }
}
