/** What the browser knows of the network and of who looks, told to the stream. */

import type { Stream } from "./stream";

/** Try at once when the network is back or somebody looks again; until the answer is called. */
export function followBrowser(stream: Stream): () => void {
  const listening = new AbortController();
  const { signal } = listening;
  window.addEventListener("online", () => stream.hasten(), { signal });
  document.addEventListener(
    "visibilitychange",
    () => {
      if (document.visibilityState === "visible") stream.hasten();
    },
    { signal },
  );
  return () => listening.abort();
}
