/** What concerns all of the page and does not go away by itself: a refused connection, an error of the gateway. */

import { usePage } from "../state/page";
import { useStanding } from "./link_badge";

export function Notice() {
  const { stream } = usePage();
  const { said, remedy } = useStanding();
  const error = stream.error.value;
  if (remedy === null && error === null) return null;
  return (
    <div class="status-notice" role="alert">
      {remedy === null ? (
        <p>{error?.message}</p>
      ) : (
        <>
          <p>
            {said} {remedy}
          </p>
          <button type="button" class="button" onClick={() => stream.open()}>
            Connect again
          </button>
        </>
      )}
    </div>
  );
}
