/** The flags: each may be there or not, must be there, must not, or be one of several of which one must. */

import type { Vocabulary } from "../protocol/api";
import { type FlagMark, flagsMarked, type PanelForm, withFlag } from "./panel_model";

const CHOICES: readonly (readonly [FlagMark | null, string, string])[] = [
  [null, "any", "does not matter"],
  ["must", "must", "must be there"],
  ["not", "not", "must not be there"],
  ["or", "or", "at least one of those marked or"],
];

interface FlagProps {
  readonly flags: Vocabulary["flags"];
  readonly form: PanelForm;
  readonly change: (form: PanelForm) => void;
}

export function FlagTable({ flags, form, change }: FlagProps) {
  const alone = flagsMarked(form, "or").length === 1;
  return (
    <>
      <p class="panel-note">
        {alone ? (
          <strong>Mark a second flag “or”: a trade must then have at least one of them.</strong>
        ) : (
          "“or”: at least one of the flags so marked."
        )}
      </p>
      <div class="flag-table">
        {flags.map(({ name, help }) => (
          <FlagRow
            key={name}
            name={name}
            help={help}
            mark={form.flags[name] ?? null}
            change={(mark) => change(withFlag(form, name, mark))}
          />
        ))}
      </div>
    </>
  );
}

interface RowProps {
  readonly name: string;
  readonly help: string;
  readonly mark: FlagMark | null;
  readonly change: (mark: FlagMark | null) => void;
}

function FlagRow({ name, help, mark, change }: RowProps) {
  return (
    <div class="flag-row" role="radiogroup" aria-label={name} title={help}>
      <span class="flag-name">{name}</span>
      <span class="flag-choices">
        {CHOICES.map(([choice, label, means]) => (
          <label key={label} class={`flag-choice flag-${label}`}>
            <input
              type="radio"
              name={`flag-${name}`}
              aria-label={means}
              checked={mark === choice}
              onChange={() => change(choice)}
            />
            <span aria-hidden="true">{label}</span>
          </label>
        ))}
      </span>
    </div>
  );
}
