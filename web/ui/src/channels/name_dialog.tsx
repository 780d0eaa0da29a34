/** Asks for a channel's name, to save it or to call it otherwise; a name that is refused is said why at its field. */

import { useSignal } from "@preact/signals";
import { useId } from "preact/hooks";
import { Dialog } from "./dialog";
import { refusalText } from "./wording";

/** Characters that the field takes; the gateway allows fewer and says so. */
const TYPED_MOST = 256;

interface NameDialogProps {
  readonly title: string;
  readonly name: string;
  readonly action: string;
  /** What is saved under the name, and what the tier leaves room for. */
  readonly about: string;
  /** Throws the gateway's Problem. */
  readonly onName: (name: string) => Promise<unknown>;
  readonly onClose: () => void;
}

export function NameDialog({ title, name, action, about, onName, onClose }: NameDialogProps) {
  const typed = useSignal(name);
  const refusal = useSignal("");
  const asking = useSignal(false);
  const field = useId();
  const submit = async (close: () => void) => {
    if (asking.value) return;
    asking.value = true;
    refusal.value = "";
    try {
      await onName(typed.value.trim());
      close();
    } catch (error) {
      refusal.value = refusalText(error, typed.value.trim());
    } finally {
      asking.value = false;
    }
  };
  return (
    <Dialog title={title} onClose={onClose}>
      {(close) => (
        <form
          onSubmit={(event) => {
            event.preventDefault();
            void submit(close);
          }}
        >
          <label for={field}>Name</label>
          <input
            id={field}
            class="field"
            value={typed.value}
            maxLength={TYPED_MOST}
            autocomplete="off"
            autoFocus
            required
            aria-invalid={refusal.value !== ""}
            aria-describedby={`${field}-refusal ${field}-about`}
            onInput={(event) => {
              typed.value = event.currentTarget.value;
              refusal.value = "";
            }}
          />
          <p id={`${field}-refusal`} class="refusal" role="alert">
            {refusal}
          </p>
          <p id={`${field}-about`} class="about">
            {about}
          </p>
          <div class="answers">
            <button type="button" class="button" onClick={close}>
              Cancel
            </button>
            <button type="submit" class="button primary" aria-disabled={asking.value}>
              {action}
            </button>
          </div>
        </form>
      )}
    </Dialog>
  );
}
