/** One range of the panel: from, to, and what is often chosen. */

import { useId, useState } from "preact/hooks";
import type { Problem } from "../protocol/api";
import type { RangeField } from "../protocol/filter";
import type { Preset, RangeControl } from "./panel_fields";
import { PanelFault } from "./panel_group";
import { EMPTY_RANGE, type End, type RangeForm, rangeForm, saysSame } from "./panel_model";

const TEXT = { type: "text" } as const;
/** Within these years a date is typed in full; options reach no further. */
const DATE = { type: "date", min: "1990-01-01", max: "2099-12-31" } as const;

interface RowProps {
  readonly control: RangeControl;
  readonly presets: readonly Preset[];
  readonly form: RangeForm;
  readonly problem: Problem | null;
  readonly change: (form: RangeForm, typing: boolean) => void;
}

export function RangeRow({ control, presets, form, problem, change }: RowProps) {
  const { field, label, unit } = control;
  const fault = useId();
  const wrong = problem?.field === field;
  const end = (side: "low" | "high", name: string, signs: readonly [string, string]) => (
    <EndInput
      field={field}
      name={`${label} ${name}${unit ? `, ${unit}` : ""}`}
      signs={signs}
      end={form[side]}
      fault={wrong ? fault : null}
      change={(text, typing) =>
        change({ ...form, [side]: { text, open: text !== "" && form[side].open } }, typing)
      }
    />
  );
  return (
    // biome-ignore lint/a11y/useSemanticElements: a fieldset within a fieldset would draw a second box.
    <div class="range-row" role="group" aria-label={label}>
      <span class="range-label">
        {label} {unit && <span class="range-unit">{unit}</span>}
      </span>
      <span class="range-ends">
        {end("low", "from", ["≥", ">"])}
        {end("high", "to", ["≤", "<"])}
      </span>
      {presets.length > 0 && (
        <span class="range-presets">
          {presets.map((preset) => {
            const range = rangeForm(field, preset.range);
            const pressed = sameRange(field, form, range);
            return (
              <button
                key={preset.label}
                type="button"
                class="preset"
                aria-pressed={pressed}
                aria-label={`${label} ${preset.label}`}
                onClick={() => change(pressed ? EMPTY_RANGE : range, false)}
              >
                {preset.label}
              </button>
            );
          })}
        </span>
      )}
      <PanelFault id={fault} field={field} problem={problem} />
    </div>
  );
}

interface EndProps {
  readonly field: RangeField;
  readonly name: string;
  /** For a bound that is included, and for one that is not. */
  readonly signs: readonly [string, string];
  readonly end: End;
  /** Id of the words that say what is wrong. */
  readonly fault: string | null;
  readonly change: (text: string, typing: boolean) => void;
}

function EndInput({ field, name, signs, end, fault, change }: EndProps) {
  // What is typed stays as it is typed, `100000` beside `100k`, while it says what is in force.
  const [typed, setTyped] = useState(end.text);
  const isDate = field === "expiry";
  return (
    <label class="range-end">
      <span class="range-sign" aria-hidden="true">
        {signs[end.open ? 1 : 0]}
      </span>
      <input
        class="field"
        {...(isDate ? DATE : TEXT)}
        autocomplete="off"
        aria-label={end.open ? `${name}, not included` : name}
        aria-invalid={fault !== null}
        aria-describedby={fault ?? undefined}
        value={saysSame(field, typed, end.text) ? typed : end.text}
        onInput={({ currentTarget: { value, validity } }) => {
          setTyped(value);
          // A date that is half typed has a year of one digit.
          if (validity.valid) change(value, true);
        }}
        onBlur={() => setTyped(end.text)}
      />
    </label>
  );
}

function sameRange(field: RangeField, one: RangeForm, other: RangeForm): boolean {
  const same = (a: End, b: End) => a.open === b.open && saysSame(field, a.text, b.text);
  return same(one.low, other.low) && same(one.high, other.high);
}
