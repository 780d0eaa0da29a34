/** A channel was changed elsewhere while it was changed here: which of the two stays is asked. */

import { usePage } from "../state/page";
import type { Tab } from "../state/tab";
import { Dialog } from "./dialog";

interface ConflictDialogProps {
  readonly tab: Tab;
  readonly onSave: () => void;
  readonly onClose: () => void;
}

export function ConflictDialog({ tab, onSave, onClose }: ConflictDialogProps) {
  const page = usePage();
  return (
    <Dialog title={`${tab.name.value} was changed elsewhere`} onClose={onClose}>
      {(close) => (
        <>
          <dl class="versions">
            <dt>Saved now</dt>
            <dd>
              <code>{tab.saved.value?.text}</code>
            </dd>
            <dt>Here</dt>
            <dd>
              <code>{tab.filter.value.text}</code>
            </dd>
          </dl>
          <div class="answers">
            <button type="button" class="button" onClick={close}>
              Cancel
            </button>
            <button
              type="button"
              class="button"
              onClick={() => {
                page.tabs.revert(tab);
                close();
              }}
            >
              Take what is saved
            </button>
            <button
              type="button"
              class="button primary"
              onClick={() => {
                close();
                onSave();
              }}
            >
              Save mine over it
            </button>
          </div>
        </>
      )}
    </Dialog>
  );
}
