import { describe, expect, it } from "vitest";
import { Page } from "../state/page";
import { SHORTCUTS } from "./shortcut_table";
import { listen, shortcutOf } from "./shortcuts";

function press(key: string, target: Element = document.body, more: KeyboardEventInit = {}) {
  let found: ReturnType<typeof shortcutOf> = null;
  const note = (event: Event) => {
    found = shortcutOf(event as KeyboardEvent, SHORTCUTS);
  };
  document.addEventListener("keydown", note, { once: true });
  target.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true, ...more }));
  return found as ReturnType<typeof shortcutOf>;
}

describe("shortcuts", () => {
  it("gives each key one meaning", () => {
    const keys = SHORTCUTS.flatMap((group) => group.shortcuts.flatMap((each) => each.keys));
    expect(new Set(keys).size).toBe(keys.length);
  });

  it("finds the shortcut of a key", () => {
    expect(press("/")?.does).toBe("Edit the filter");
    expect(press("y")).toBeNull();
  });

  it("does again what a held key repeats only where that makes sense", () => {
    const page = new Page();
    let rows = 0;
    page.actions.offer("nextRow", () => rows++);
    const stop = listen(page, SHORTCUTS);
    for (const repeat of [false, true, true]) {
      for (const key of ["p", "j"]) press(key, document.body, { repeat });
    }
    stop();
    expect([page.paused.value, rows]).toEqual([true, 3]);
  });

  it("leaves keys with a modifier to the browser", () => {
    expect(press("p", document.body, { ctrlKey: true })).toBeNull();
    expect(press("p", document.body, { metaKey: true })).toBeNull();
  });

  it("leaves keys to a field that is typed into, and to an open dialog", () => {
    document.body.innerHTML =
      "<input id='a'><div contenteditable='true'><span id='b'></span></div><dialog open><button id='c'></button></dialog>";
    for (const id of ["a", "b", "c"]) expect(press("p", document.getElementById(id) as Element)).toBeNull();
  });
});
