/** The band of pictures above the table: net premium, put/call ratio and top tickers of the filter shown. */

import "./pictures.css";
import { effect, useSignal } from "@preact/signals";
import { useEffect, useMemo } from "preact/hooks";
import { whileAwake } from "../polling/awake";
import type { Page } from "../state/page";
import { usePage } from "../state/page";
import { WINDOWS } from "../state/preferences";
import { NetPicture } from "./net_picture";
import { PutCallPicture } from "./put_call_picture";
import { shownWords, troubleWords } from "./state_words";
import { StatsFeed } from "./stats_feed";
import { TopPicture } from "./top_picture";

export function Pictures() {
  const page = usePage();
  const open = page.preferences.pictures.value;
  return (
    <section class="pictures" aria-label="Pictures">
      {open ? <Band page={page} /> : <div class="pictures-strip">{toggle(page)}</div>}
    </section>
  );
}

function Band({ page }: { readonly page: Page }) {
  const feed = useStatsFeed(page);
  const failed = useSignal("");
  const answer = feed.answer.value;
  const question = feed.question.value;
  const problem = feed.problem.value;
  const stats = answer?.value ?? null;
  const other =
    answer !== null &&
    question !== null &&
    (answer.question.q !== question.q || answer.question.window !== question.window);
  const trouble = failed.value || troubleWords(problem, question, answer);
  const delay = page.stream.welcome.value?.limits.delay_s ?? 0;
  const pick = async (underlying: string) => {
    const { filter } = page.tabs.current.value.filter.value;
    failed.value = await page.filterTo({ ...filter, underlying: [underlying] });
  };
  return (
    <>
      <div class="pictures-strip">
        {toggle(page)}
        {/* biome-ignore lint/a11y/useSemanticElements: a fieldset's legend cannot stand in this line. */}
        <div class="windows" role="group" aria-label="Window of the pictures">
          {WINDOWS.map((each) => (
            <button
              key={each}
              type="button"
              aria-pressed={page.preferences.window.value === each}
              onClick={() => {
                page.preferences.window.value = each;
              }}
            >
              {each}
            </button>
          ))}
        </div>
        <p class="pictures-state" title={stateWords()}>
          {stateWords()}
        </p>
        <p class="pictures-trouble" role="status">
          {trouble ?? ""}
        </p>
      </div>
      {/* On a phone it is wider than the screen; until it has buttons, the keyboard scrolls the band itself. */}
      <div
        class="pictures-band"
        tabIndex={stats?.underlyings.length ? undefined : 0}
        data-old={other || problem !== null ? "" : undefined}
      >
        <NetPicture stats={stats} />
        <PutCallPicture stats={stats} />
        <TopPicture stats={stats} onPick={pick} />
      </div>
    </>
  );

  function stateWords(): string {
    if (trouble !== null) return "";
    if (stats === null || other) return question === null ? "" : `Adding up ${question.window}…`;
    if (stats.trades === 0) return `No trades of this filter in ${answer?.question.window}.`;
    return shownWords(stats, delay);
  }
}

function toggle(page: Page) {
  const { pictures } = page.preferences;
  return (
    <button
      type="button"
      class="pictures-toggle"
      aria-expanded={pictures.value}
      onClick={() => {
        pictures.value = !pictures.value;
      }}
    >
      <span aria-hidden="true">{pictures.value ? "▾" : "▸"}</span> Pictures
    </button>
  );
}

/** Follows the tab that is shown, the window, the arrival of trades and whether anybody looks. */
function useStatsFeed(page: Page): StatsFeed {
  const feed = useMemo(() => new StatsFeed(page.api), [page]);
  useEffect(() => {
    const stops = [
      effect(() => {
        const { text } = page.tabs.current.value.filter.value;
        feed.ask({ q: text, window: page.preferences.window.value });
      }),
      effect(() => page.tabs.current.value.subscription.value?.rows.watch(() => feed.happened())),
      whileAwake(page, (awake) => feed.wake(awake)),
    ];
    return () => {
      for (const stop of stops) stop();
      feed.stop();
    };
  }, [page, feed]);
  return feed;
}
