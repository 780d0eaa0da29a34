/** The filter of the tab that is looked at: as a text with completion, and as controls in a panel. */

import "./filter.css";
import { effect, untracked, useSignalEffect } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useEffect, useId, useMemo, useRef, useState } from "preact/hooks";
import { EVERYTHING, type ReadFilter } from "../protocol/filter";
import { usePage } from "../state/page";
import type { Tab } from "../state/tab";
import { FilterDraft, type Standing } from "./draft";
import { FilterEditor } from "./editor";
import { FilterPanel } from "./panel";
import { PanelEdits } from "./panel_edits";
import { conditions, formOf } from "./panel_model";
import { QuickFilterRow } from "./quick_filter_row";
import { KnownWords } from "./words";

/** `children` stand at the right end: what can be done with the filter as a whole. */
export function FilterBar({ children }: { children?: ComponentChildren }) {
  const page = usePage();
  const messageId = useId();
  const panelId = useId();
  const place = useRef<HTMLDivElement>(null);
  const editor = useRef<FilterEditor | null>(null);
  const toggle = useRef<HTMLButtonElement>(null);
  const [open, setOpen] = useState(false);
  const [known, setKnown] = useState<KnownWords | null>(null);

  const { draft, edits, apply } = useMemo(() => {
    const apply = (read: ReadFilter) => page.tabs.setFilter(page.tabs.current.value, read);
    const draft = new FilterDraft({
      read: (text, signal) => page.api.readFilter(text, signal),
      apply,
      choosing: () => editor.current?.choosing ?? false,
    });
    const edits = new PanelEdits({ write: (filter, signal) => page.api.writeFilter(filter, signal), apply });
    return { draft, edits, apply };
  }, [page]);

  useEffect(() => {
    if (place.current === null) return;
    const made = new FilterEditor({
      parent: place.current,
      describedBy: messageId,
      tickers: () => page.tickers.names(),
      edited: (text) => draft.edit(text),
      entered: () => draft.apply(),
      escaped: () => draft.putBack(),
      left: () => draft.leave(),
    });
    editor.current = made;
    const takeBack = [
      page.actions.offer("editFilter", () => made.focus()),
      page.actions.offer("togglePanel", () => setOpen((now) => !now)),
      effect(() => made.show(draft.text.value)),
      effect(() => made.mark(draft.standing.value)),
      follow(page.tabs.current, draft, edits),
    ];
    return () => {
      for (const stop of takeBack) stop();
      draft.stop();
      edits.stop();
      made.destroy();
      editor.current = null;
    };
  }, [page, draft, edits, messageId]);

  // The words are asked for again with each connection until they are there.
  useSignalEffect(() => {
    if (page.stream.link.value.kind !== "open" || known !== null) return;
    page.api.vocabulary().then(
      (vocabulary) => setKnown(new KnownWords(vocabulary)),
      () => setKnown(null),
    );
  });
  useEffect(() => {
    if (known !== null) editor.current?.learn(known);
  }, [known]);

  const inForce = page.tabs.current.value.filter.value.filter;
  const active = conditions(inForce);
  const standing = draft.standing.value;
  return (
    <section class="filter-bar" aria-label="Filter">
      <div class="filter-line">
        <div class="filter-field">
          <div class="filter-editor" ref={place} />
          <button
            type="button"
            class="filter-clear"
            aria-label="Clear the filter"
            hidden={draft.text.value === ""}
            onClick={() => {
              draft.begin(EVERYTHING);
              apply(EVERYTHING);
              editor.current?.focus();
            }}
          >
            <span aria-hidden="true">×</span>
          </button>
        </div>
        <button
          ref={toggle}
          type="button"
          class="button filter-toggle"
          aria-expanded={open}
          aria-controls={open ? panelId : undefined}
          aria-disabled={known === null}
          onClick={() => known !== null && setOpen(!open)}
        >
          Panel{active > 0 ? ` (${active})` : ""}
        </button>
        {children}
      </div>
      <div class="filter-below">
        <Message id={messageId} standing={standing} everything={active === 0} />
        {standing.kind === "applied" && (
          <QuickFilterRow filter={edits.wanted} change={(filter) => edits.change(formOf(filter))} />
        )}
      </div>
      {open && known !== null && (
        <FilterPanel
          id={panelId}
          edits={edits}
          vocabulary={known.vocabulary}
          closed={() => {
            setOpen(false);
            toggle.current?.focus();
          }}
        />
      )}
    </section>
  );
}

/** Show the filter in force of whichever tab is looked at; a text that is not in force stays with its tab. */
function follow(current: { readonly value: Tab }, draft: FilterDraft, edits: PanelEdits): () => void {
  let shown: Tab | null = null;
  return effect(() => {
    const tab = current.value;
    const filter = tab.filter.value;
    const text = tab.draft.value;
    untracked(() => {
      edits.take(filter);
      if (tab === shown) {
        draft.take(filter);
        if (text !== null) draft.edit(text);
        return;
      }
      if (shown !== null) {
        shown.draft.value = draft.standing.value.kind === "applied" ? null : draft.text.value;
      }
      shown = tab;
      edits.putBack();
      draft.begin(filter, text);
    });
  });
}

interface MessageProps {
  readonly id: string;
  readonly standing: Standing;
  /** Whether the filter in force is every trade. */
  readonly everything: boolean;
}

/** What is to be said of the text, in the place of the switches. */
function Message({ id, standing, everything }: MessageProps) {
  const problem = "problem" in standing ? standing.problem : null;
  const waits = standing.kind === "unread" || standing.kind === "ready";
  return (
    <div class="filter-message" id={id}>
      <span class="filter-problem" role="alert" aria-live="polite">
        {problem?.message}
        {standing.kind === "wrong" && everything && " Until then every trade is shown."}
      </span>
      {waits && <span class="filter-hint">Not applied yet: press Enter, or Esc to go back.</span>}
    </div>
  );
}
