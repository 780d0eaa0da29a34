/** What is changed in the panel: the form under the hands, what the gateway says of it, and the filter that comes of it. */

import { type ReadonlySignal, signal } from "@preact/signals";
import type { Problem } from "../protocol/api";
import { EVERYTHING, type FilterObject, type ReadFilter } from "../protocol/filter";
import { Asking } from "./asking";
import { answeredForm, filterOf, formOf, type PanelForm } from "./panel_model";

/** Without typing in a control, before what stands there is asked for. */
export const TYPING_MS = 500;

export interface PanelPlace {
  write(filter: FilterObject, signal: AbortSignal): Promise<ReadFilter>;
  apply(read: ReadFilter): void;
}

export class PanelEdits {
  private readonly formSignal = signal<PanelForm>(formOf({}));
  private readonly problemSignal = signal<Problem | null>(null);
  private readonly asking = new Asking<ReadFilter>({
    answered: (read) => this.settle(read),
    refused: (problem) => {
      this.problemSignal.value = problem;
    },
    unanswered: (problem) => {
      this.problemSignal.value = problem;
    },
  });
  private inForce: ReadFilter = EVERYTHING;

  constructor(private readonly place: PanelPlace) {}

  get form(): ReadonlySignal<PanelForm> {
    return this.formSignal;
  }

  /** The filter of the form, also while its answer is on its way; the one in force where the form was refused. */
  get wanted(): FilterObject {
    return this.problemSignal.value?.status === 400 ? this.inForce.filter : filterOf(this.formSignal.value);
  }

  /** Why the form is not in force; null where it is, or is on its way. */
  get problem(): ReadonlySignal<Problem | null> {
    return this.problemSignal;
  }

  /** A filter came in force, by these hands or by others. */
  take(filter: ReadFilter): void {
    if (filter.text === this.inForce.text) return;
    this.inForce = filter;
    this.putBack();
  }

  /** Show what is in force. */
  putBack(): void {
    this.asking.stop();
    this.problemSignal.value = null;
    this.formSignal.value = formOf(this.inForce.filter);
  }

  /** A control was changed; `typing` waits for more. */
  change(form: PanelForm, typing = false): void {
    this.formSignal.value = form;
    const filter = filterOf(form);
    this.asking.ask((signal) => this.place.write(filter, signal), typing ? TYPING_MS : 0);
  }

  stop(): void {
    this.asking.stop();
  }

  private settle(read: ReadFilter): void {
    this.problemSignal.value = null;
    this.formSignal.value = answeredForm(this.formSignal.value, read.filter);
    if (read.text === this.inForce.text) return;
    this.inForce = read;
    this.place.apply(read);
  }
}
