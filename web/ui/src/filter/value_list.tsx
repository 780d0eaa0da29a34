/** A list of values that are typed: each with a button that takes it off, and a field that adds to them. */

import { useId, useRef, useState } from "preact/hooks";

interface ListProps {
  readonly label: string;
  readonly hint: string;
  readonly values: readonly string[];
  readonly suggestions: readonly string[];
  /** Id of the words that say what is wrong. */
  readonly fault: string | null;
  readonly change: (values: readonly string[]) => void;
}

export function ValueList({ label, hint, values, suggestions, fault, change }: ListProps) {
  const [typed, setTyped] = useState("");
  const input = useRef<HTMLInputElement>(null);
  const id = useId();
  const add = (text: string) => {
    setTyped("");
    const added = text.split(/[\s,]+/).filter((word) => word !== "");
    if (added.length) change([...new Set([...values, ...added.map((word) => word.toUpperCase())])]);
  };
  const remove = (value: string) => {
    change(values.filter((each) => each !== value));
    input.current?.focus();
  };
  return (
    <div class="value-list">
      <label class="range-label" for={`${id}-input`}>
        {label}
      </label>
      <div class="value-box">
        {values.map((value) => (
          <button
            key={value}
            type="button"
            class="value"
            aria-label={`Remove ${value}`}
            onClick={() => remove(value)}
          >
            {value} <span aria-hidden="true">×</span>
          </button>
        ))}
        <input
          ref={input}
          id={`${id}-input`}
          class="value-input"
          list={`${id}-known`}
          autocomplete="off"
          autocapitalize="characters"
          spellcheck={false}
          placeholder={hint}
          aria-invalid={fault !== null}
          aria-describedby={fault ?? undefined}
          value={typed}
          onInput={({ currentTarget: { value } }) => (/[\s,]$/.test(value) ? add(value) : setTyped(value))}
          onChange={({ currentTarget: { value } }) => add(value)}
          onKeyDown={(event) => {
            if (event.key === "Enter" && typed !== "") add(typed);
            else if (event.key === "Backspace" && typed === "") change(values.slice(0, -1));
          }}
        />
      </div>
      <datalist id={`${id}-known`}>
        {suggestions.map((name) => (
          <option key={name} value={name} />
        ))}
      </datalist>
    </div>
  );
}
