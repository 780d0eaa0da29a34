/** The theme's colours as a canvas takes them, and when they change. */

const DARK = "(prefers-color-scheme: dark)";

export class Palette {
  private readonly known = new Map<string, string>();
  /** Family of the text around the chart. */
  readonly family: string;

  /** Reads what holds at an element now; a changed theme needs a new palette. */
  constructor(private readonly at: HTMLElement) {
    this.family = getComputedStyle(at).fontFamily;
  }

  /** A colour by its variable, as `--call`. */
  get(name: string): string {
    let colour = this.known.get(name);
    if (colour === undefined) {
      // The variable's own text may be a light-dark(), which a canvas does not read; a computed colour it does.
      const probe = document.createElement("span");
      probe.style.color = `var(${name})`;
      this.at.append(probe);
      colour = getComputedStyle(probe).color;
      probe.remove();
      this.known.set(name, colour);
    }
    return colour;
  }
}

/** Calls `run` after each change of the theme, by the page or by the system, until the answer is called. */
export function onThemeChange(run: () => void): () => void {
  const attribute = new MutationObserver(run);
  attribute.observe(document.documentElement, { attributeFilter: ["data-theme"] });
  const system = matchMedia(DARK);
  system.addEventListener("change", run);
  return () => {
    attribute.disconnect();
    system.removeEventListener("change", run);
  };
}
