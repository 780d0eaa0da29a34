/** The address of a shared channel: made, copied, made anew, taken back. */

import { useSignal } from "@preact/signals";
import { useEffect, useId, useRef } from "preact/hooks";
import { writeAddress } from "../state/address";
import { usePage } from "../state/page";
import type { Tab } from "../state/tab";
import { Dialog } from "./dialog";
import { refusalText } from "./wording";

export function ShareDialog({ tab, onClose }: { readonly tab: Tab; readonly onClose: () => void }) {
  const page = usePage();
  const said = useSignal("");
  const refusal = useSignal("");
  const asking = useSignal(false);
  const field = useRef<HTMLInputElement>(null);
  const next = useRef<HTMLButtonElement>(null);
  const id = useId();
  const link = tab.channel.value?.link ?? null;
  const address = link === null ? "" : location.origin + writeAddress({ channel: link, q: null });

  // The button that was pressed is gone once there is an address, and the other way round.
  useEffect(() => next.current?.focus(), [link]);

  const ask = async (work: () => Promise<unknown>, done: string) => {
    if (asking.value) return;
    asking.value = true;
    said.value = "";
    refusal.value = "";
    try {
      await work();
      said.value = done;
    } catch (error) {
      refusal.value = refusalText(error, tab.name.value);
    } finally {
      asking.value = false;
    }
  };
  const copy = async () => {
    field.current?.select();
    try {
      await navigator.clipboard.writeText(address);
      said.value = "Copied.";
    } catch {
      said.value = "The browser does not let the page copy. The address is selected: press Ctrl+C.";
    }
  };

  return (
    <Dialog title={`Share ${tab.name.value}`} onClose={onClose}>
      {(close) => (
        <>
          <p>
            Whoever has the address and may in at this gateway can read this filter and follow it, delivered
            as their own tier delivers. They cannot change it, and are not told whose it is. What you save
            later, they see too.
          </p>
          {link === null ? (
            <button
              ref={next}
              type="button"
              class="button primary"
              aria-disabled={asking.value}
              onClick={() => ask(() => page.channels.share(tab), "The address is made.")}
            >
              Make an address
            </button>
          ) : (
            <>
              <label for={id}>Address</label>
              <div class="address">
                <input
                  id={id}
                  ref={field}
                  class="field"
                  readOnly
                  value={address}
                  onFocus={(event) => event.currentTarget.select()}
                />
                <button ref={next} type="button" class="button primary" onClick={copy}>
                  Copy
                </button>
              </div>
              <div class="answers apart">
                <button
                  type="button"
                  class="button"
                  aria-disabled={asking.value}
                  onClick={() =>
                    ask(() => page.channels.share(tab), "The earlier address is worth nothing now.")
                  }
                >
                  New address
                </button>
                <button
                  type="button"
                  class="button"
                  aria-disabled={asking.value}
                  onClick={() => ask(() => page.channels.unshare(tab), "No longer shared.")}
                >
                  Stop sharing
                </button>
              </div>
            </>
          )}
          <p class="about" role="status">
            {said}
          </p>
          <p class="refusal" role="alert">
            {refusal}
          </p>
          <div class="answers">
            <button type="button" class="button" onClick={close}>
              Close
            </button>
          </div>
        </>
      )}
    </Dialog>
  );
}
