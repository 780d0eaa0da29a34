/** The line below the table: how it stands, how many rows there are, where older ones are, and the table's tools. */

import type { ComponentChildren } from "preact";
import { count } from "../format";
import type { Subscription } from "../stream/subscription";
import { ROWS_MOST } from "../tape/trade_rows";

interface TableFooterProps {
  readonly subscription: Subscription | null;
  /** Rows that are shown. */
  readonly shown: number;
  /** How the rows are ordered, or why they are held still. */
  readonly standing: string;
  readonly held: boolean;
  /** Rows of one page of history; null before the gateway said so. */
  readonly page: number | null;
  readonly older: () => void;
  /** The tools, at the right end. */
  readonly children: ComponentChildren;
}

export function TableFooter({
  subscription,
  shown,
  standing,
  held,
  page,
  older,
  children,
}: TableFooterProps) {
  const problem = subscription?.problem.value ?? subscription?.olderRows.problem.value;
  return (
    <div class="table-footer">
      <span class={held ? "table-hold held" : "table-hold"}>{standing}</span>
      <span class="table-count">{shown === 1 ? "1 trade" : `${count(shown)} trades`}</span>
      {subscription && subscription.skipped.value > 0 && (
        <span class="table-count">
          {count(subscription.skipped.value)} left out: more than your tier's batch holds
        </span>
      )}
      {problem && shown > 0 ? (
        <span class="table-problem" role="alert">
          {problem.message}
        </span>
      ) : (
        <span role="status">{subscription && shown > 0 ? place(subscription) : ""}</span>
      )}
      {subscription?.more.value && shown > 0 && !subscription.rows.full && (
        <button
          type="button"
          class="link"
          aria-disabled={subscription.loading.value}
          onClick={older}
          title={
            page === null ? undefined : `${count(page)} at a time with your tier; scrolling does the same`
          }
        >
          Load older
        </button>
      )}
      {children}
    </div>
  );
}

function place(subscription: Subscription): string {
  if (subscription.state.value === "asked") return "Waiting for the trades of this filter…";
  if (subscription.loading.value) return "Loading older trades…";
  if (subscription.rows.full) {
    return `The page holds ${count(ROWS_MOST)} trades at most; narrow the filter to see older ones`;
  }
  return subscription.more.value ? "" : "No older trades are kept";
}
