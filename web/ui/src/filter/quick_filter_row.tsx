/** The switches below the text: what traders filter by most, one press each. */

import type { FilterObject } from "../protocol/filter";
import { QUICK_FILTERS } from "./quick_filters";

interface QuickFilterRowProps {
  /** The filter in force, or the one that was asked for last: a second press adds to the first. */
  readonly filter: FilterObject;
  readonly change: (filter: FilterObject) => void;
}

export function QuickFilterRow({ filter, change }: QuickFilterRowProps) {
  return (
    // biome-ignore lint/a11y/useSemanticElements: a fieldset cannot scroll sideways on a phone
    <div class="quick-filters" role="group" aria-label="Quick filters">
      {QUICK_FILTERS.map((each) => (
        <button
          key={each.label}
          type="button"
          class="quick-filter"
          aria-pressed={each.isOn(filter)}
          title={each.help}
          onClick={() => change(each.turned(filter))}
        >
          {each.label}
        </button>
      ))}
    </div>
  );
}
