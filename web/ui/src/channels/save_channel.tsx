/** The buttons beside the filter that save it: as a new channel, or over the one that it was changed from. */

import "./channels.css";
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { usePage } from "../state/page";
import { type Asked, AskedDialog, saveChanges } from "./asked";
import { NothingSaved } from "./nothing_saved";

export function SaveChannel() {
  const page = usePage();
  const asked = useSignal<Asked | null>(null);
  const tab = page.tabs.current.value;
  const own = tab.channel.value !== null;
  const changed = tab.changed.value;
  const nothing = page.stream.welcome.value?.limits.channels === 0;
  const idle = own && !changed;
  const save = () => {
    if (idle) return;
    if (own) void saveChanges(page, tab, asked);
    else asked.value = { question: "name", tab };
  };
  useEffect(() => (nothing ? undefined : page.actions.offer("saveChannel", save)));
  return (
    <div class="save-channel">
      {nothing ? (
        <NothingSaved />
      ) : (
        <button
          type="button"
          class="button"
          aria-disabled={idle}
          title={idle ? `${tab.name.value} is saved as it is shown.` : undefined}
          onClick={save}
        >
          {idle ? "Saved" : "Save"}
        </button>
      )}
      {changed && (
        <button
          type="button"
          class="button"
          title={`Back to ${tab.saved.value?.text ?? "what is saved"}`}
          onClick={() => page.tabs.revert(tab)}
        >
          Revert
        </button>
      )}
      <AskedDialog asked={asked} />
    </div>
  );
}
