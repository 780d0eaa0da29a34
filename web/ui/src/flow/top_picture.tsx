/** The tickers with the most premium: a ranked list, each a button that narrows the filter to it. */

import { money, signedMoney } from "../format";
import type { Stats } from "../protocol/api";
import { topTickers } from "./top_tickers";

interface TopProps {
  readonly stats: Stats | null;
  readonly onPick: (underlying: string) => void;
}

export function TopPicture({ stats, onPick }: TopProps) {
  const tickers = stats ? topTickers(stats) : [];
  return (
    <figure class="picture picture-top">
      <figcaption>
        <span class="picture-title">Top tickers by premium</span>
        <span class="key key-call-bar">calls</span>
        <span class="key key-put-bar">puts</span>
        <span class="picture-hint">net: bullish + bearish −</span>
      </figcaption>
      <ol class="picture-body top">
        {tickers.map((each, index) => (
          <li key={each.underlying}>
            <button
              type="button"
              class="top-ticker"
              title={`${each.underlying}: ${each.split}, ${each.lean} ${signedMoney(each.net)}`}
              onClick={() => onPick(each.underlying)}
            >
              <span class="top-rank" aria-hidden="true">
                {index + 1}
              </span>
              <span class="top-name">{each.underlying}</span>
              <span class="top-bar">
                <span class="unseen">, {each.split}, </span>
                <span class="top-calls" style={{ width: `${100 * each.calls}%` }} />
                <span class="top-puts" style={{ width: `${100 * each.puts}%` }} />
              </span>
              <span class="top-premium">{money(each.premium)}</span>
              <span class={`top-net ${each.net < 0 ? "bearish" : "bullish"}`}>
                <span class="unseen">, {each.lean} </span>
                {signedMoney(each.net)}
              </span>
              <span class="unseen">. Show {each.underlying} only.</span>
            </button>
          </li>
        ))}
      </ol>
    </figure>
  );
}
