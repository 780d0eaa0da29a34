/** What stands where rows will be: that the first are awaited, that none passes, or why there can be none. */

import type { Link } from "../stream/link";
import type { Subscription } from "../stream/subscription";

export function EmptyTable({ subscription, link }: { subscription: Subscription | null; link: Link }) {
  const [text, more] = said(subscription, link);
  return (
    <div class="table-empty" role="status">
      <p>{text}</p>
      {more && <p class="more">{more}</p>}
    </div>
  );
}

function said(subscription: Subscription | null, link: Link): readonly [string, string?] {
  const problem = subscription?.problem.value;
  if (problem) return [problem.message];
  if (link.kind === "refused") return ["No trades can be shown.", link.why];
  if (subscription === null) return ["This tab is not live.", "Close another tab, or choose a filter."];
  if (link.kind === "waiting") return ["The gateway does not answer.", "Trades come as soon as it does."];
  // Rows that came are drawn with the next frame; until then none is missing.
  if (subscription.state.value === "asked" || subscription.rows.size > 0) {
    return ["Waiting for the first trades…"];
  }
  return ["No trade passes this filter yet.", "New ones appear here by themselves."];
}
