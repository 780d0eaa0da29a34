/** The keyboard of the page: one table, which works and which the help shows. */

import type { Page } from "../state/page";

export interface Shortcut {
  /** As `KeyboardEvent.key` says it; several do the same. */
  readonly keys: readonly string[];
  readonly does: string;
  readonly run: (page: Page) => void;
  /** Whether a key that is held down does it again and again. */
  readonly repeats?: boolean;
}

/** Groups as the help shows them. */
export interface ShortcutGroup {
  readonly title: string;
  readonly shortcuts: readonly Shortcut[];
}

/** Whether a key press is meant for a field, a list or a dialog that has the focus, not for the page. */
export function isTyping(target: EventTarget | null): boolean {
  if (!(target instanceof Element)) return false;
  return (
    target.closest("input, select, textarea, [contenteditable='true'], dialog[open], [role='menu']") !== null
  );
}

/** The shortcut of a key press; null where there is none or it belongs to somebody else. */
export function shortcutOf(event: KeyboardEvent, groups: readonly ShortcutGroup[]): Shortcut | null {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return null;
  if (isTyping(event.target)) return null;
  // The browser itself closes a popover by Escape, unless the key is taken.
  if (event.key === "Escape" && document.querySelector("[popover]:popover-open") !== null) return null;
  for (const group of groups) {
    for (const shortcut of group.shortcuts) if (shortcut.keys.includes(event.key)) return shortcut;
  }
  return null;
}

/** Follow the keyboard until the answer is called. */
export function listen(page: Page, groups: readonly ShortcutGroup[]): () => void {
  const pressed = (event: KeyboardEvent) => {
    const shortcut = shortcutOf(event, groups);
    if (shortcut === null) return;
    event.preventDefault();
    if (!event.repeat || shortcut.repeats) shortcut.run(page);
  };
  document.addEventListener("keydown", pressed);
  return () => document.removeEventListener("keydown", pressed);
}
