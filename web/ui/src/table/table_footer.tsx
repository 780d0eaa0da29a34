/** The line below the table: how many rows there are, and where older ones are. */

import { count } from "../format";
import type { Subscription } from "../stream/subscription";
import { ROWS_MOST } from "../tape/trade_rows";

interface TableFooterProps {
  readonly subscription: Subscription | null;
  /** Rows that are shown. */
  readonly shown: number;
  /** Rows of one page of history; null before the gateway said so. */
  readonly page: number | null;
  readonly older: () => void;
}

export function TableFooter({ subscription, shown, page, older }: TableFooterProps) {
  return (
    <div class="table-footer">
      <span>{shown === 1 ? "1 trade" : `${count(shown)} trades`}</span>
      {subscription && subscription.skipped.value > 0 && (
        <span>{count(subscription.skipped.value)} left out: more than your tier's batch holds</span>
      )}
      {subscription?.problem.value && shown > 0 ? (
        <span class="table-problem" role="alert">
          {subscription.problem.value.message}
        </span>
      ) : (
        <span role="status">{subscription && shown > 0 ? place(subscription, shown) : ""}</span>
      )}
      {subscription?.more.value && shown > 0 && shown < ROWS_MOST && (
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
    </div>
  );
}

function place(subscription: Subscription, shown: number): string {
  if (subscription.loading.value) return "Loading older trades…";
  if (shown >= ROWS_MOST)
    return `${count(ROWS_MOST)} trades are as many as fit; narrow the filter to see older ones`;
  return subscription.more.value ? "" : "No older trades are kept";
}
