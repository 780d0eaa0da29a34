/** The field of the filter's text: CodeMirror in one line, with colours, completion and a mark under what is wrong. */

import {
  acceptCompletion,
  autocompletion,
  type Completion,
  type CompletionContext,
  type CompletionResult,
  closeCompletion,
  completionStatus,
  selectedCompletion,
  startCompletion,
} from "@codemirror/autocomplete";
import { defaultKeymap, history, historyKeymap } from "@codemirror/commands";
import { EditorState, type Extension, Prec, StateEffect, StateField } from "@codemirror/state";
import { Decoration, type DecorationSet, EditorView, keymap, placeholder } from "@codemirror/view";
import type { Problem } from "../protocol/api";
import { STYLE_NONCE } from "../style/nonce";
import { type Offer, offersAt } from "./completion";
import type { Standing } from "./draft";
import { type KnownWords, wordsOf } from "./words";

/** Characters that the field takes: one more than the gateway, so that it is the gateway who says it is too long. */
export const FIELD_CHARS = 8_193;

const EXAMPLE = "All trades. Try: SPY,QQQ calls premium>=100k sweep";

export interface EditorPlace {
  readonly parent: HTMLElement;
  /** Id of the element that tells what is wrong. */
  readonly describedBy: string;
  tickers(): readonly string[];
  edited(text: string): void;
  /** Enter. */
  entered(): void;
  /** Escape; whether there was anything to do. */
  escaped(): boolean;
  left(): void;
}

const setKnown = StateEffect.define<KnownWords>();
const setProblem = StateEffect.define<Problem | null>();

const knownField = StateField.define<KnownWords | null>({
  create: () => null,
  update: (known, transaction) =>
    transaction.effects.reduce((now, effect) => (effect.is(setKnown) ? effect.value : now), known),
});

const colours = EditorView.decorations.compute(["doc", knownField], (state) => {
  const known = state.field(knownField);
  if (known === null) return Decoration.none;
  const words = wordsOf(state.doc.toString(), known);
  return Decoration.set(
    words.map(({ from, to, kind }) => Decoration.mark({ class: `word-${kind}` }).range(from, to)),
  );
});

const wrongField = StateField.define<boolean>({
  create: () => false,
  update: (wrong, transaction) =>
    transaction.effects.reduce((now, effect) => (effect.is(setProblem) ? effect.value !== null : now), wrong),
  provide: (field) =>
    EditorView.contentAttributes.from(field, (wrong) => ({ "aria-invalid": String(wrong) })),
});

const markField = StateField.define<DecorationSet>({
  create: () => Decoration.none,
  update(marks, transaction) {
    let now = marks.map(transaction.changes);
    for (const effect of transaction.effects) {
      if (effect.is(setProblem)) now = marked(transaction.state.doc.toString(), effect.value);
    }
    return now;
  },
  provide: (field) => EditorView.decorations.from(field),
});

/** The gateway counts code points, the editor UTF-16 units. */
function marked(text: string, problem: Problem | null): DecorationSet {
  if (problem?.position == null || problem.length === null) return Decoration.none;
  const points = [...text];
  const from = points.slice(0, problem.position).join("").length;
  const to = from + points.slice(problem.position, problem.position + problem.length).join("").length;
  if (to === from) return Decoration.none;
  return Decoration.set(
    Decoration.mark({ class: "word-wrong", attributes: { title: problem.message } }).range(from, to),
  );
}

/** Line breaks become spaces, and what is beyond the bound is cut. */
const oneLine = EditorState.transactionFilter.of((transaction) => {
  if (!transaction.docChanged) return transaction;
  const { newDoc } = transaction;
  if (newDoc.length > FIELD_CHARS)
    return [
      transaction,
      {
        changes: { from: 0, to: newDoc.length, insert: flat(newDoc.sliceString(0, FIELD_CHARS)) },
        sequential: true,
      },
    ];
  if (newDoc.lines === 1) return transaction;
  const changes = [];
  for (let number = 1; number < newDoc.lines; number++) {
    const { to } = newDoc.line(number);
    changes.push({ from: to, to: to + 1, insert: " " });
  }
  return [transaction, { changes, sequential: true }];
});

function flat(text: string): string {
  return text.replaceAll("\n", " ");
}

export class FilterEditor {
  private readonly view: EditorView;
  private shown = false;

  constructor(private readonly place: EditorPlace) {
    this.view = new EditorView({
      parent: place.parent,
      state: EditorState.create({ extensions: this.extensions() }),
    });
  }

  /** Show a text that did not come from the typist. */
  show(text: string): void {
    const { state } = this.view;
    if (state.doc.toString() === text) return;
    this.shown = true;
    closeCompletion(this.view);
    this.view.dispatch({
      changes: { from: 0, to: state.doc.length, insert: text },
      selection: { anchor: text.length },
    });
    this.shown = false;
  }

  /** Mark the wrong word, if there is one. */
  mark(standing: Standing): void {
    this.view.dispatch({ effects: setProblem.of(standing.kind === "wrong" ? standing.problem : null) });
  }

  learn(known: KnownWords): void {
    this.view.dispatch({ effects: setKnown.of(known) });
  }

  focus(): void {
    this.view.focus();
  }

  /** Whether a list is open and the word before the cursor is not yet one of its words. */
  get choosing(): boolean {
    const { state } = this.view;
    return completionStatus(state) === "active" && !this.isWhole(selectedCompletion(state));
  }

  destroy(): void {
    this.view.destroy();
  }

  private extensions(): Extension[] {
    const { place } = this;
    return [
      ...(STYLE_NONCE ? [EditorView.cspNonce.of(STYLE_NONCE)] : []),
      Prec.highest(
        keymap.of([
          { key: "Enter", run: () => this.enter() },
          { key: "Tab", run: acceptCompletion },
        ]),
      ),
      autocompletion({
        override: [(context) => this.complete(context)],
        icons: false,
        maxRenderedOptions: 60,
      }),
      keymap.of([{ key: "Escape", run: () => this.escape() }, ...historyKeymap, ...defaultKeymap]),
      history(),
      knownField,
      colours,
      wrongField,
      markField,
      oneLine,
      placeholder(EXAMPLE),
      EditorView.contentAttributes.of({
        // A text that is longer than the field is scrolled by the keyboard.
        tabindex: "0",
        "aria-label": "Filter",
        "aria-multiline": "false",
        "aria-describedby": place.describedBy,
        enterkeyhint: "done",
        spellcheck: "false",
        autocapitalize: "off",
        autocorrect: "off",
      }),
      EditorView.domEventHandlers({ beforeinput: typeOver }),
      EditorView.updateListener.of((update) => {
        if (update.docChanged && !this.shown) place.edited(update.state.doc.toString());
        if (update.focusChanged && !update.view.hasFocus) place.left();
      }),
    ];
  }

  private complete(context: CompletionContext): CompletionResult | null {
    const known = context.state.field(knownField);
    if (known === null) return null;
    const found = offersAt(context.state.doc.toString(), context.pos, known, this.place.tickers());
    if (found === null) return null;
    if (found.from === context.pos && !found.eager && !context.explicit) return null;
    return {
      from: found.from,
      options: found.offers.map(option),
      filter: false,
      update: (_current, _from, _to, next) => this.complete(next),
    };
  }

  /** Enter takes what is chosen; where that stands there already, or nothing is chosen, it applies the text. */
  private enter(): boolean {
    const chosen = selectedCompletion(this.view.state);
    if (chosen !== null && !this.isWhole(chosen) && acceptCompletion(this.view)) return true;
    closeCompletion(this.view);
    this.place.entered();
    return true;
  }

  /** Escape closes the list before it comes here; then it puts back; then it leaves the field. */
  private escape(): boolean {
    if (!this.place.escaped()) this.view.contentDOM.blur();
    return true;
  }

  private isWhole(chosen: Completion | null): boolean {
    if (chosen === null) return false;
    const { state } = this.view;
    const end = state.selection.main.head;
    const word = state.sliceDoc(Math.max(0, end - chosen.label.length), end);
    return word.toLowerCase() === chosen.label.toLowerCase();
  }
}

/** Types over what is selected. Chromium by itself would keep the colour of the words that were there in a `style`,
 *  which the content policy refuses. */
function typeOver({ inputType, data }: InputEvent, view: EditorView): boolean {
  const { state, composing } = view;
  if (inputType !== "insertText" || data === null || composing || state.selection.main.empty) return false;
  view.dispatch(
    state.update(state.replaceSelection(data), { userEvent: "input.type", scrollIntoView: true }),
  );
  return true;
}

function option({ label, detail, help, goesOn }: Offer): Completion {
  return {
    label,
    detail,
    ...(help ? { info: help } : {}),
    apply: (view, _completion, from, to) => {
      view.dispatch({
        changes: { from, to, insert: label },
        selection: { anchor: from + label.length },
        userEvent: "input.complete",
      });
      if (goesOn) startCompletion(view);
    },
  };
}
