/** A group of controls with its name and its reset, and the line that says what is wrong at a control. */

import type { ComponentChildren } from "preact";
import type { Problem } from "../protocol/api";

interface GroupProps {
  readonly name: string;
  /** Whether anything in it is set. */
  readonly active: boolean;
  readonly reset: () => void;
  readonly children: ComponentChildren;
}

export function PanelGroup({ name, active, reset, children }: GroupProps) {
  return (
    <fieldset class="panel-group">
      <legend>{name}</legend>
      <button
        type="button"
        class="panel-reset"
        aria-label={`Reset ${name.toLowerCase()}`}
        hidden={!active}
        onClick={reset}
      >
        Reset
      </button>
      {children}
    </fieldset>
  );
}

/** The gateway's words, where they are about this field. */
export function PanelFault({ id, field, problem }: { id: string; field: string; problem: Problem | null }) {
  if (problem?.field !== field) return null;
  return (
    <p class="panel-fault" id={id}>
      {problem.message}
    </p>
  );
}
