/** Draws a subscription's rows in the grid: once an animation frame, and only what the hold lets through. */

import { signal } from "@preact/signals";
import type { GridApi } from "ag-grid-community";
import type { Trade } from "../protocol/trade";
import type { Subscription } from "../stream/subscription";
import { Frames } from "./frames";
import { ROW_HEIGHT } from "./grid";
import { type Drawing, Hold, type Reason, type Shown } from "./hold";

/** From so many new and removed rows on, all rows are given anew, which then costs less. */
const REBUILD_FROM = 1_000;

export class LiveRows implements Shown {
  /** Rows that are shown. */
  readonly count = signal(0);
  /** New rows that wait; `overflowed` says that there were more. */
  readonly waiting = signal(0);
  readonly overflowed = signal(false);
  /** Why the view is held; null while rows flow. */
  readonly reason = signal<Reason | null>(null);
  private readonly hold = new Hold();
  private subscription: Subscription | null = null;
  /** Under which name it was asked for: another one means another filter. */
  private wire = "";
  private unwatch: (() => void) | null = null;
  /** A page in the background gets no frames: what came meanwhile is drawn as one when it is looked at again. */
  private readonly frames = new Frames(() => this.draw());
  /** Where a page of older rows is; null where none was asked for. */
  private page: "awaited" | "here" | null = null;

  /** Told when the rows of another filter stand. */
  begun: () => void = () => {};

  /** The grid comes later: it asks `isStruck` itself. */
  grid: GridApi<Trade> | null = null;

  /** Whether rows stand newest first; only then is it known where a row will stand. */
  newestFirst = true;

  readonly isStruck = (id: string) => this.hold.isStruck(id);

  /** Show another subscription's rows; null shows none. */
  follow(subscription: Subscription | null): void {
    this.unwatch?.();
    this.subscription = subscription;
    this.unwatch = subscription?.rows.watch(() => this.frames.ask()) ?? null;
    this.begin();
  }

  stop(): void {
    this.unwatch?.();
    this.frames.stop();
    this.grid = null;
  }

  set(reason: Reason, on: boolean): void {
    this.hold.set(reason, on);
    this.reason.value = this.hold.reason;
    if (this.hold.reason === null) this.frames.ask();
  }

  has(id: string): boolean {
    return this.grid?.getRowNode(id) !== undefined;
  }

  /** A page of older rows was asked for. */
  awaitPage(): void {
    this.page = "awaited";
  }

  /**
   * The last row in view. A page of older rows may move what stands below the first one: late prints, which are
   * older than the page and stood at the end in its place.
   */
  stillDownTo(): Trade | null {
    const { grid } = this;
    if (grid === null || !this.newestFirst) return null;
    const { top, bottom } = grid.getVerticalPixelRange();
    const index = Math.floor((this.page === "here" ? top : bottom) / ROW_HEIGHT);
    return grid.getDisplayedRowAtIndex(Math.min(index, grid.getDisplayedRowCount() - 1))?.data ?? null;
  }

  private draw(): void {
    if (this.subscription === null) return;
    const { rows, wire, state, loading } = this.subscription;
    // Until the snapshot of another filter comes, the rows of the one before stand; then nothing of them is held.
    if (wire !== this.wire && state.peek() !== "asked") {
      this.begin();
      return;
    }
    this.apply(this.hold.release((id) => rows.get(id)));
    if (this.page === "awaited" && !loading.peek()) this.page = "here";
    this.apply(this.hold.take(rows.drain(), this));
    if (this.page === "here") this.page = null;
    this.tell();
  }

  /** Take all rows that there are, whatever was held. */
  private begin(): void {
    this.hold.forget();
    this.page = null;
    this.wire = this.subscription?.wire ?? "";
    this.subscription?.rows.drain();
    this.rebuild();
    this.tell();
    this.begun();
  }

  private apply({ rebuild, add, update, remove }: Drawing): void {
    const size = add.length + remove.length;
    if (rebuild || (this.hold.reason === null && size >= REBUILD_FROM)) this.rebuild();
    else if (size + update.length) {
      this.grid?.applyTransaction({
        add: [...add],
        update: [...update],
        remove: remove.map((id) => ({ id }) as Trade),
      });
    }
  }

  private rebuild(): void {
    this.grid?.setGridOption("rowData", this.subscription?.rows.sorted() ?? []);
  }

  private tell(): void {
    this.count.value = this.grid?.getDisplayedRowCount() ?? 0;
    this.waiting.value = this.hold.count;
    this.overflowed.value = this.hold.overflowed;
  }
}
