/** Asks before a channel is deleted: its address would not come back with it. */

import { useSignal } from "@preact/signals";
import { usePage } from "../state/page";
import type { Tab } from "../state/tab";
import { Dialog } from "./dialog";
import { refusalText } from "./wording";

export function DeleteDialog({ tab, onClose }: { readonly tab: Tab; readonly onClose: () => void }) {
  const page = usePage();
  const refusal = useSignal("");
  const asking = useSignal(false);
  // The channel is gone from the tab before the dialog is.
  const name = useSignal(tab.name.peek());
  const shared = useSignal(tab.channel.peek()?.link !== null);
  const text = useSignal(tab.saved.peek()?.text ?? "a filter that cannot be read");
  const confirm = async (close: () => void) => {
    if (asking.value) return;
    asking.value = true;
    try {
      await page.channels.delete(tab);
      close();
    } catch (error) {
      refusal.value = refusalText(error, name.value);
    } finally {
      asking.value = false;
    }
  };
  return (
    <Dialog title={`Delete ${name.value}?`} onClose={onClose}>
      {(close) => (
        <>
          <p>
            Saved is <code>{text}</code>.{" "}
            {shared.value && "It is shared: whoever follows it by its address loses it."}
          </p>
          <p class="refusal" role="alert">
            {refusal}
          </p>
          <div class="answers">
            <button type="button" class="button" onClick={close}>
              Keep
            </button>
            <button
              type="button"
              class="button danger"
              aria-disabled={asking.value}
              onClick={() => void confirm(close)}
            >
              Delete
            </button>
          </div>
        </>
      )}
    </Dialog>
  );
}
