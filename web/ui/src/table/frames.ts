/** When the table draws: once an animation frame, and no more than half of the time, so that the page stays at hand. */

/** A draw that is laid out and painted so soon leaves the page enough, ms. */
const LIGHT_MS = 40;

/** Where frames and timers come from; the browser, but for tests. */
export interface Clock {
  now(): number;
  /** Before the next frame is painted. */
  frame(run: () => void): number;
  cancelFrame(id: number): void;
  after(ms: number, run: () => void): ReturnType<typeof setTimeout>;
}

const BROWSER: Clock = {
  now: () => performance.now(),
  frame: (run) => requestAnimationFrame(run),
  cancelFrame: (id) => cancelAnimationFrame(id),
  after: (ms, run) => setTimeout(run, ms),
};

export class Frames {
  private frame: number | null = null;
  private timer: ReturnType<typeof setTimeout> | null = null;
  private asked = false;

  constructor(
    private readonly draw: () => void,
    private readonly clock: Clock = BROWSER,
  ) {}

  /** Draw with the next frame, or once the page has had its turn after the last one. */
  ask(): void {
    if (this.timer !== null) this.asked = true;
    else this.frame ??= this.clock.frame(() => this.run());
  }

  stop(): void {
    if (this.frame !== null) this.clock.cancelFrame(this.frame);
    if (this.timer !== null) clearTimeout(this.timer);
    this.frame = null;
    this.timer = null;
    this.asked = false;
  }

  private run(): void {
    this.frame = null;
    const begun = this.clock.now();
    // A timer that is set within a frame comes when the frame is laid out and painted.
    this.timer = this.clock.after(0, () => {
      const took = this.clock.now() - begun;
      if (took <= LIGHT_MS) this.rested();
      else this.timer = this.clock.after(took, () => this.rested());
    });
    this.draw();
  }

  private rested(): void {
    this.timer = null;
    if (!this.asked) return;
    this.asked = false;
    this.ask();
  }
}
