/** The panel: the same filter as controls. It stays open beside the table; on a phone it takes the whole screen. */

import "./panel.css";
import type { ComponentChildren } from "preact";
import { useEffect, useId, useRef, useState } from "preact/hooks";
import type { Problem, Vocabulary } from "../protocol/api";
import { EVERYTHING, LISTS, RANGES, type RangeField } from "../protocol/filter";
import { usePage } from "../state/page";
import { expirationPresets } from "./expirations";
import { FlagTable } from "./flag_table";
import type { PanelEdits } from "./panel_edits";
import {
  CONTRACT_RANGES,
  MARKET_RANGES,
  type RangeControl,
  SENTIMENTS,
  SIDES,
  TRADE_RANGES,
} from "./panel_fields";
import { PanelFault, PanelGroup } from "./panel_group";
import { EMPTY_RANGE, formOf, type PanelForm, type PlainList, withList, withRange } from "./panel_model";
import { RangeRow } from "./range_row";
import { ValueList } from "./value_list";

/** Up to this width it takes the whole screen; also in filter.css. */
const PHONE = "(max-width: 640px)";

interface PanelProps {
  readonly id: string;
  readonly edits: PanelEdits;
  readonly vocabulary: Vocabulary;
  readonly closed: () => void;
}

export function FilterPanel({ id, edits, vocabulary, closed }: PanelProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  const tickers = usePage().tickers;
  // Names and days as they are when it opens: a list that changes under the hand is no help.
  const [seen] = useState(() => tickers.names());
  const [days] = useState(() => expirationPresets(Date.now()));
  const form = edits.form.value;
  const problem = edits.problem.value;
  const change = (next: PanelForm, typing = false) => edits.change(next, typing);
  const shared = { form, problem, change };

  useEffect(() => {
    if (matchMedia(PHONE).matches) dialog.current?.showModal();
    else dialog.current?.show();
  }, []);

  const exchanges = vocabulary.lists.find(({ name }) => name === "exchange")?.values ?? [];
  return (
    <dialog
      ref={dialog}
      id={id}
      class="filter-panel"
      aria-label="Filter as controls"
      onClose={closed}
      onKeyDown={(event) => {
        if (event.key !== "Escape") return;
        // The page would take the same press for the contract beside the table.
        event.stopPropagation();
        dialog.current?.close();
      }}
    >
      <div class="panel-head">
        <span class="panel-state" role="alert" aria-live="polite">
          {problem && !isAtControl(problem) && <span class="panel-fault">{problem.message}</span>}
          {problem && isAtControl(problem) && (
            <span class="panel-fault">Not applied: one value is wrong.</span>
          )}
        </span>
        <button type="button" class="button" onClick={() => change(formOf(EVERYTHING.filter))}>
          Reset all
        </button>
        <button type="button" class="button" onClick={() => dialog.current?.close()}>
          Close
        </button>
      </div>
      <div class="panel-groups">
        <div class="panel-column">
          <Tickers {...shared} seen={seen} />
          <Ranges
            {...shared}
            name="Contract"
            controls={CONTRACT_RANGES}
            lists={["right"]}
            days={days}
            first={<RightChoice {...shared} />}
          />
          <Ranges {...shared} name="Trade" controls={TRADE_RANGES} lists={["side", "exchange"]} days={[]}>
            <Boxes {...shared} name="side" label="Side" words={SIDES} />
            <NamedList {...shared} name="exchange" label="Exchange" hint="XCBO" known={exchanges} />
          </Ranges>
        </div>
        <div class="panel-column">
          <Ranges {...shared} name="Market" controls={MARKET_RANGES} lists={["sentiment"]} days={[]}>
            <Boxes {...shared} name="sentiment" label="Sentiment" words={SENTIMENTS} />
          </Ranges>
          <Flags {...shared} vocabulary={vocabulary} />
        </div>
      </div>
    </dialog>
  );
}

interface PartProps {
  readonly form: PanelForm;
  readonly problem: Problem | null;
  readonly change: (form: PanelForm, typing?: boolean) => void;
}

function Tickers({ seen, ...shared }: PartProps & { seen: readonly string[] }) {
  const { form, problem, change } = shared;
  const fault = useId();
  const wrong = problem?.field === "underlying" ? fault : null;
  const symbols = form.lists.symbol;
  return (
    <PanelGroup
      name="Tickers"
      active={form.only.length + form.except.length + symbols.length > 0}
      reset={() => change(withList({ ...form, only: [], except: [] }, "symbol", []))}
    >
      <ValueList
        label="Only these"
        hint="SPY"
        values={form.only}
        suggestions={seen}
        fault={wrong}
        change={(only) => change({ ...form, only })}
      />
      <ValueList
        label="Not these"
        hint="TSLA"
        values={form.except}
        suggestions={seen}
        fault={wrong}
        change={(except) => change({ ...form, except })}
      />
      <PanelFault id={fault} field="underlying" problem={problem} />
      <NamedList
        {...shared}
        name="symbol"
        label="Only these contracts, as OSI symbols"
        hint="SPY261218C00600000"
        known={[]}
      />
    </PanelGroup>
  );
}

interface RangesProps extends PartProps {
  readonly name: string;
  readonly controls: readonly RangeControl[];
  /** The lists that stand in the group too. */
  readonly lists: readonly PlainList[];
  /** Presets of the expiration. */
  readonly days: ReturnType<typeof expirationPresets>;
  /** Stands above the ranges, as `children` stand below. */
  readonly first?: ComponentChildren;
  readonly children?: ComponentChildren;
}

function Ranges({ form, problem, change, name, controls, lists, days, first, children }: RangesProps) {
  const isSet = (field: RangeField) =>
    form.ranges[field].low.text !== "" || form.ranges[field].high.text !== "";
  const emptied = () => {
    const withoutRanges = controls.reduce((less, { field }) => withRange(less, field, EMPTY_RANGE), form);
    return lists.reduce((less, list) => withList(less, list, []), withoutRanges);
  };
  return (
    <PanelGroup
      name={name}
      active={controls.some(({ field }) => isSet(field)) || lists.some((list) => form.lists[list].length > 0)}
      reset={() => change(emptied())}
    >
      {first}
      {controls.map((control) => (
        <RangeRow
          key={control.field}
          control={control}
          presets={control.field === "expiry" ? days : control.presets}
          form={form.ranges[control.field]}
          problem={problem}
          change={(range, typing) => change(withRange(form, control.field, range), typing)}
        />
      ))}
      {children}
    </PanelGroup>
  );
}

const RIGHTS: readonly (readonly [string, readonly string[]])[] = [
  ["Calls and puts", []],
  ["Calls", ["C"]],
  ["Puts", ["P"]],
];

function RightChoice({ form, change }: PartProps) {
  return (
    <div class="choices" role="radiogroup" aria-label="Calls or puts">
      {RIGHTS.map(([label, values]) => (
        <label key={label} class="choice">
          <input
            type="radio"
            name="right"
            checked={form.lists.right.join() === values.join()}
            onChange={() => change(withList(form, "right", values))}
          />
          {label}
        </label>
      ))}
    </div>
  );
}

interface BoxesProps extends PartProps {
  readonly name: PlainList;
  readonly label: string;
  /** Values and what they are called. */
  readonly words: Readonly<Record<string, string>>;
}

function Boxes({ form, change, name, label, words }: BoxesProps) {
  const chosen = form.lists[name];
  return (
    // biome-ignore lint/a11y/useSemanticElements: a fieldset within a fieldset would draw a second box.
    <div class="choices" role="group" aria-label={`${label}, none chosen is all`}>
      <span class="range-label">
        {label} <span class="range-unit">none chosen is all</span>
      </span>
      {Object.entries(words).map(([value, text]) => (
        <label key={value} class="choice">
          <input
            type="checkbox"
            checked={chosen.includes(value)}
            onChange={({ currentTarget: { checked } }) => {
              const others = chosen.filter((each) => each !== value);
              change(withList(form, name, checked ? [...others, value] : others));
            }}
          />
          {text}
        </label>
      ))}
    </div>
  );
}

interface NamedProps extends PartProps {
  readonly name: PlainList;
  readonly label: string;
  readonly hint: string;
  readonly known: readonly string[];
}

function NamedList({ form, problem, change, name, label, hint, known }: NamedProps) {
  const fault = useId();
  return (
    <>
      <ValueList
        label={label}
        hint={hint}
        values={form.lists[name]}
        suggestions={known}
        fault={problem?.field === name ? fault : null}
        change={(values) => change(withList(form, name, values))}
      />
      <PanelFault id={fault} field={name} problem={problem} />
    </>
  );
}

function Flags({ form, problem, change, vocabulary }: PartProps & { vocabulary: Vocabulary }) {
  const fault = useId();
  return (
    <PanelGroup
      name="Flags"
      active={Object.keys(form.flags).length > 0}
      reset={() => change({ ...form, flags: {} })}
    >
      <FlagTable flags={vocabulary.flags} form={form} change={change} />
      <PanelFault id={fault} field="flags" problem={problem} />
    </PanelGroup>
  );
}

/** Whether a control says what is wrong. */
function isAtControl({ field }: Problem): boolean {
  return [...LISTS, ...RANGES, "flags"].some((name) => name === field);
}
