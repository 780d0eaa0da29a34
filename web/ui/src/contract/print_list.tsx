/** The prints of a contract, the newest first, in a table of so many rows. */

import { clock, count, money, price } from "../format";
import type { Trade } from "../protocol/trade";
import type { Prints } from "./contract_feed";
import { isCancelled } from "./contract_figures";
import { flagWords, SIDES } from "./words";

/** Rows that are listed; the pictures and sums take in all prints that are held. */
export const LISTED_MOST = 200;

interface PrintListProps {
  readonly prints: Prints;
  /** The trade that the panel was opened from. */
  readonly opened: string;
}

export function PrintList({ prints, opened }: PrintListProps) {
  const { trades, cut } = prints;
  return (
    <table class="contract-prints">
      <caption>{listWords(trades.length, cut)}</caption>
      <thead>
        <tr>
          <th scope="col">Time</th>
          <th scope="col">Side</th>
          <th scope="col" class="number">
            Price
          </th>
          <th scope="col" class="number">
            Size
          </th>
          <th scope="col" class="number">
            Premium
          </th>
          <th scope="col">Flags</th>
        </tr>
      </thead>
      <tbody>
        {trades.slice(0, LISTED_MOST).map((trade) => (
          <PrintRow key={trade.id} trade={trade} opened={trade.id === opened} />
        ))}
      </tbody>
    </table>
  );
}

function PrintRow({ trade, opened }: { readonly trade: Trade; readonly opened: boolean }) {
  const side = SIDES[trade.side];
  const flags = flagWords(trade.flags);
  return (
    <tr class={isCancelled(trade) ? "cancelled" : ""} aria-current={opened ? "true" : undefined}>
      <td>{clock(trade.ts)}</td>
      <td class={trade.sentiment}>
        <span aria-hidden="true">{side.sign}</span> {side.words}
      </td>
      <td class="number">{price(trade.price)}</td>
      <td class="number">{count(trade.size)}</td>
      <td class="number">{money(trade.premium)}</td>
      <td class="contract-flags" title={flags}>
        {flags}
      </td>
    </tr>
  );
}

/** `45 prints`, `newest 200 of 812 prints`; `or more` where older ones were not read. */
export function listWords(held: number, cut: boolean): string {
  const prints = `${count(held)}${cut ? " or more" : ""} ${held === 1 && !cut ? "print" : "prints"}`;
  return held > LISTED_MOST ? `Newest ${LISTED_MOST} of ${prints}` : cut ? `Newest ${prints}` : prints;
}
