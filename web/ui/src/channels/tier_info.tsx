/** The tier of who looks, and each of its limits in words. */

import "./channels.css";
import { useId } from "preact/hooks";
import { usePage } from "../state/page";
import { Popover, usePopover } from "./popover";
import { limitsInWords } from "./wording";

export function TierInfo() {
  const page = usePage();
  const popover = usePopover();
  const id = useId();
  const welcome = page.stream.welcome.value;
  return (
    <>
      <button
        type="button"
        class="button tier"
        aria-haspopup="dialog"
        aria-disabled={welcome === null}
        onPointerDown={popover.press}
        onClick={(event) => welcome && popover.toggle(event.currentTarget)}
      >
        <span class="tier-user">{welcome?.user ?? "–"}</span>
        <span class="tier-name">{welcome?.tier}</span>
        <span class="unseen">: what the tier includes</span>
      </button>
      <Popover handle={popover} id={id} role="dialog" label="What the tier includes" class="tier-info">
        {welcome && (
          <>
            <h2>Tier {welcome.tier}</h2>
            <dl>
              {limitsInWords(welcome.limits).map(([what, says]) => (
                <div key={what}>
                  <dt>{what}</dt>
                  <dd>{says}</dd>
                </div>
              ))}
            </dl>
          </>
        )}
      </Popover>
    </>
  );
}
