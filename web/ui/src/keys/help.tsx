/** The help: what the keys do, what the colours mean, and where the language of filters is described. */

import "./help.css";
import { useEffect, useRef } from "preact/hooks";
import { usePage } from "../state/page";
import { SHORTCUTS } from "./shortcut_table";

const SIGNS: readonly { readonly sign: string; readonly class: string; readonly means: string }[] = [
  { sign: "Call", class: "sign-call", means: "the right to buy" },
  { sign: "Put", class: "sign-put", means: "the right to sell" },
  { sign: "▲", class: "sign-bullish", means: "bullish: calls bought or puts sold" },
  { sign: "▼", class: "sign-bearish", means: "bearish: puts bought or calls sold" },
  { sign: "large", class: "sign-large", means: "large premium" },
  { sign: "sweep", class: "sign-sweep", means: "one order over several exchanges at once" },
  {
    sign: "golden",
    class: "sign-golden",
    means: "a sweep of a million dollars, more volume than open interest",
  },
  { sign: "cancelled", class: "sign-cancelled", means: "withdrawn by the exchange" },
];

const WORDS: readonly (readonly [string, string])[] = [
  ["SPY,QQQ -TSLA", "tickers; a minus leaves one out"],
  ["calls sweep -multi_leg", "what a trade must be, and must not"],
  ["premium>=100k dte<=7", "bounds, with k, m, b"],
  ["side:ask,above_ask", "one of several values"],
  ["strike:590..610", "from, to"],
];

export function Help() {
  const page = usePage();
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => page.actions.offer("help", () => dialog.current?.showModal()), [page]);
  return (
    <dialog ref={dialog} class="dialog help" aria-labelledby="help-title">
      <form method="dialog">
        <header>
          <h2 id="help-title">Help</h2>
          <button type="submit" class="button icon" aria-label="Close">
            ×
          </button>
        </header>
        <div class="help-parts">
          {SHORTCUTS.map((group) => (
            <section key={group.title}>
              <h3>{group.title}</h3>
              <dl>
                {group.shortcuts.map((shortcut) => (
                  <div key={shortcut.does}>
                    <dt>
                      {shortcut.keys.map((key) => (
                        <kbd key={key}>{key === "Escape" ? "Esc" : key}</kbd>
                      ))}
                    </dt>
                    <dd>{shortcut.does}</dd>
                  </div>
                ))}
              </dl>
            </section>
          ))}
          <section>
            <h3>Signs</h3>
            <dl>
              {SIGNS.map((each) => (
                <div key={each.sign}>
                  <dt>
                    <span class={each.class}>{each.sign}</span>
                  </dt>
                  <dd>{each.means}</dd>
                </div>
              ))}
            </dl>
          </section>
          <section>
            <h3>Filters</h3>
            <dl class="help-words">
              {WORDS.map(([words, meaning]) => (
                <div key={words}>
                  <dt>
                    <code>{words}</code>
                  </dt>
                  <dd>{meaning}</dd>
                </div>
              ))}
            </dl>
          </section>
          <section>
            <h3>The table</h3>
            <p>
              It holds still while you point at a row, or have scrolled; new trades wait, and the pill says
              how many. Times are New York's. Prices are dollars a share, premiums dollars.
            </p>
          </section>
        </div>
      </form>
    </dialog>
  );
}
