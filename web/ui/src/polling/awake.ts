/** Whether it makes sense to ask the gateway: somebody looks at the page and the link is open. */

import { effect, signal } from "@preact/signals";
import type { Page } from "../state/page";

/** Tells `run` now and at each change, until the answer is called. */
export function whileAwake(page: Page, run: (awake: boolean) => void): () => void {
  const visible = signal(document.visibilityState === "visible");
  const look = () => {
    visible.value = document.visibilityState === "visible";
  };
  document.addEventListener("visibilitychange", look);
  const stop = effect(() => run(visible.value && page.stream.link.value.kind === "open"));
  return () => {
    stop();
    document.removeEventListener("visibilitychange", look);
  };
}
