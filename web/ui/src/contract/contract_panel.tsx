/** The contract of the trade that was opened: figures, price, volume against open interest, and its prints. */

import "./contract.css";
import { useSignal } from "@preact/signals";
import { useEffect, useMemo, useRef } from "preact/hooks";
import { count, day, money, percent, UNKNOWN } from "../format";
import { whileAwake } from "../polling/awake";
import type { FilterObject } from "../protocol/filter";
import type { Trade } from "../protocol/trade";
import { roomForTabs } from "../state/live_tabs";
import type { Page } from "../state/page";
import { usePage } from "../state/page";
import { ContractFeed, REFRESH_MS } from "./contract_feed";
import { type ContractFigures, courseOf, figuresOf } from "./contract_figures";
import { PricePicture } from "./price_picture";
import { PrintList } from "./print_list";
import { useSheetFocus } from "./sheet_focus";
import { VolumePicture } from "./volume_picture";
import { contractName } from "./words";

/** Rows of a page before the gateway has said how many the tier gets. */
const ROWS_UNTOLD = 50;

export function ContractPanel() {
  const page = usePage();
  const trade = page.contract.value;
  if (trade === null) return null;
  return <OpenContract key={trade.symbol} page={page} trade={trade} />;
}

function OpenContract({ page, trade }: { readonly page: Page; readonly trade: Trade }) {
  const feed = useContractFeed(page, trade);
  const point = useSignal<number | null>(null);
  const said = useSignal("");
  const panel = useRef<HTMLElement>(null);
  useSheetFocus(panel);
  const prints = feed.shown.value;
  const trades = useMemo(() => prints?.trades ?? [trade], [prints, trade]);
  const course = useMemo(() => courseOf(trades), [trades]);
  const figures = useMemo(() => figuresOf(trades), [trades]);
  const at = point.value === null || point.value >= course.prints.length ? null : point.value;
  const onPoint = (index: number | null) => {
    point.value = index;
  };
  const close = () => {
    page.contract.value = null;
  };
  const filterTo = async (filter: FilterObject) => {
    said.value = await page.filterTo(filter);
  };
  const filterToTicker = () => {
    const { symbol: _symbol, ...rest } = page.tabs.current.value.filter.value.filter;
    return filterTo({ ...rest, underlying: [trade.underlying] });
  };
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(trade.symbol);
      said.value = `Copied ${trade.symbol}.`;
    } catch {
      said.value = `The browser does not let the page copy. The symbol is ${trade.symbol}.`;
    }
  };
  return (
    <aside class="contract" aria-labelledby="contract-name" ref={panel}>
      <header class="contract-head">
        <h2 id="contract-name" tabIndex={-1}>
          {contractName(trade)}
        </h2>
        <button type="button" class="button icon" aria-label="Close the contract" onClick={close}>
          <span aria-hidden="true">✕</span>
        </button>
      </header>
      <div class="contract-actions">
        <button type="button" class="button" onClick={() => filterTo({ symbol: [trade.symbol] })}>
          Only this contract
        </button>
        <button type="button" class="button" onClick={filterToTicker}>
          Only {trade.underlying}
        </button>
        <button type="button" class="button" title={trade.symbol} onClick={copy}>
          Copy symbol
        </button>
      </div>
      <p class="contract-said" role="status">
        {said.value || feed.problem.value?.message || ""}
      </p>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: the keyboard scrolls it, as it has nothing else to stand on. */}
      <section class="contract-scroll" tabIndex={0} aria-label="Figures and prints">
        <Figures trade={trade} figures={figures} />
        <PricePicture course={course} point={at} onPoint={onPoint} />
        <VolumePicture course={course} point={at} onPoint={onPoint} />
        <p class="contract-source">{sourceWords(trade, figures, prints !== null, feed.live.value)}</p>
        <PrintList prints={prints ?? { trades, cut: false }} opened={trade.id} />
      </section>
    </aside>
  );
}

function Figures({ trade, figures }: { readonly trade: Trade; readonly figures: ContractFigures }) {
  const { volume, openInterest, volOi, held, bought, sold } = figures;
  return (
    <dl class="contract-figures">
      <Figure name="Volume">{known(volume)}</Figure>
      <Figure name="Open interest">{known(openInterest)}</Figure>
      <Figure name="Vol/OI">{volOi === null ? UNKNOWN : volOi.toFixed(2)}</Figure>
      <Figure name="Premium">{money(held.premium)}</Figure>
      <Figure name="Bought (at ask)">
        <span aria-hidden="true">▲ </span>
        {money(bought.premium)} <small>{count(bought.contracts)}</small>
      </Figure>
      <Figure name="Sold (at bid)">
        <span aria-hidden="true">▼ </span>
        {money(sold.premium)} <small>{count(sold.contracts)}</small>
      </Figure>
      <Figure name="Spot at trade">
        {trade.underlying_price === null ? UNKNOWN : trade.underlying_price.toFixed(2)}
      </Figure>
      <Figure name="OTM at trade">{trade.otm_pct === null ? UNKNOWN : percent(trade.otm_pct)}</Figure>
      <Figure name="IV at trade">{trade.iv === null ? UNKNOWN : percent(100 * trade.iv)}</Figure>
    </dl>
  );
}

function Figure({ name, children }: { readonly name: string; readonly children: preact.ComponentChildren }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

function known(contracts: number | null): string {
  return contracts === null ? UNKNOWN : count(contracts);
}

/** How much of the day the prints are, and how they come: ordinary trades are not kept all day. */
function sourceWords(trade: Trade, figures: ContractFigures, read: boolean, live: boolean): string {
  if (!read) return "Reading the prints of the day…";
  const { held, volume } = figures;
  const of = `of ${day(trade.ts)}`;
  const share =
    volume === null || held.contracts >= volume
      ? `These prints are all the volume ${of}.`
      : `These prints are ${count(held.contracts)} of ${contracts(volume)} ${of}; the others are no longer kept.`;
  return `${share} ${live ? "Live." : `Asked for again every ${REFRESH_MS / 1_000} s.`}`;
}

function contracts(number: number): string {
  return number === 1 ? "1 contract" : `${count(number)} contracts`;
}

/** A feed for the life of the panel, live where the tier follows one filter more than the tabs take. */
function useContractFeed(page: Page, trade: Trade): ContractFeed {
  const feed = useMemo(() => {
    const limits = page.stream.welcome.peek()?.limits ?? null;
    return new ContractFeed({
      api: page.api,
      stream: page.stream,
      trade,
      rows: limits?.rows ?? ROWS_UNTOLD,
      live: limits !== null && limits.subscriptions > roomForTabs(limits),
    });
    // Another trade of the same contract is the same feed.
  }, [page, trade.symbol]);
  useEffect(() => {
    feed.start();
    const stop = whileAwake(page, (awake) => feed.wake(awake));
    return () => {
      stop();
      feed.stop();
    };
  }, [page, feed]);
  return feed;
}
