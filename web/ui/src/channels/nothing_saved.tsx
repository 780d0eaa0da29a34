/** The save button of a tier that saves no channels: there, and saying which tiers do. */

import { useSignal } from "@preact/signals";
import { useEffect, useId, useRef } from "preact/hooks";
import { Problem } from "../protocol/api";
import { usePage } from "../state/page";
import { Popover, usePopover } from "./popover";

export function NothingSaved() {
  const page = usePage();
  const popover = usePopover();
  const button = useRef<HTMLButtonElement>(null);
  const id = useId();
  const tier = page.stream.welcome.value?.tier ?? "";
  const reason = useSignal(`The tier ${tier} saves no channels.`);
  const asked = useRef(false);
  const show = () => {
    if (button.current) popover.show(button.current);
    if (asked.current) return;
    asked.current = true;
    page.channels.refusal().then(
      (said) => {
        reason.value = said;
      },
      (error) => {
        // What is known without the gateway stays.
        asked.current = false;
        if (!(error instanceof Problem)) throw error;
      },
    );
  };
  useEffect(() => page.actions.offer("saveChannel", () => button.current?.focus()), [page]);
  return (
    <>
      <button
        ref={button}
        type="button"
        class="button"
        aria-disabled="true"
        aria-describedby={id}
        onClick={show}
        onFocus={show}
        onBlur={popover.hide}
        onPointerEnter={(event) => event.pointerType === "mouse" && show()}
        onPointerLeave={(event) => event.pointerType === "mouse" && popover.hide()}
      >
        Save
      </button>
      <Popover handle={popover} id={id} role="tooltip" label="Why nothing can be saved">
        {reason}
      </Popover>
    </>
  );
}
