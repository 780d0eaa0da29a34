/** Where the keyboard stands while the contract is open: inside where it was opened by a key or covers the page. */

import type { RefObject } from "preact";
import { useEffect } from "preact/hooks";

/** As the sheet's own rule: from here down the panel covers the page. */
export const COVERS = "(max-width: 900px)";

let byKey = false;

document.addEventListener(
  "keydown",
  () => {
    byKey = true;
  },
  true,
);
document.addEventListener(
  "pointerdown",
  () => {
    byKey = false;
  },
  true,
);

export function useSheetFocus(panel: RefObject<HTMLElement | null>): void {
  useEffect(() => {
    const at = panel.current;
    if (at === null) return;
    // Rows move on meanwhile: where the cell is gone, the table around it takes the focus back.
    const before: HTMLElement[] = [];
    for (let each = document.activeElement; each !== null; each = each.parentElement) {
      if (each instanceof HTMLElement && each.matches("[tabindex], button, input, a")) before.push(each);
    }
    const covers = matchMedia(COVERS);
    if (byKey || covers.matches) at.querySelector<HTMLElement>("h2")?.focus();
    const covered: Element[] = [];
    const cover = () => {
      for (const each of covered.splice(0)) each.removeAttribute("inert");
      if (!covers.matches) return;
      // What the sheet hides is not to be reached by the keyboard or a screen reader either.
      for (let level: Element | null = at; level && level.id !== "page"; level = level.parentElement) {
        for (const each of level.parentElement?.children ?? []) {
          if (each === level || each.hasAttribute("inert") || each instanceof HTMLDialogElement) continue;
          each.setAttribute("inert", "");
          covered.push(each);
        }
      }
    };
    cover();
    covers.addEventListener("change", cover);
    return () => {
      covers.removeEventListener("change", cover);
      for (const each of covered) each.removeAttribute("inert");
      const inside = document.activeElement === document.body || at.contains(document.activeElement);
      if (inside) before.find((each) => each.isConnected)?.focus({ preventScroll: true });
    };
  }, [panel]);
}
