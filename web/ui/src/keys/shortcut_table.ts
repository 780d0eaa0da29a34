/** Which key does what. */

import type { ActionName } from "../state/actions";
import type { Page } from "../state/page";
import type { Shortcut, ShortcutGroup } from "./shortcuts";

const act = (keys: readonly string[], does: string, name: ActionName): Shortcut => ({
  keys,
  does,
  run: (page) => page.actions.run(name),
});

function showTab(page: Page, step: number): void {
  const tabs = page.tabs.list.value;
  const at = tabs.indexOf(page.tabs.current.value);
  const next = tabs[(at + step + tabs.length) % tabs.length];
  if (next) page.tabs.show(next);
}

export const SHORTCUTS: readonly ShortcutGroup[] = [
  {
    title: "Filter",
    shortcuts: [
      act(["/"], "Edit the filter", "editFilter"),
      act(["f"], "Open or close the filter panel", "togglePanel"),
      act(["s"], "Save the filter as a channel", "saveChannel"),
      { keys: ["["], does: "Previous tab", run: (page) => showTab(page, -1), repeats: true },
      { keys: ["]"], does: "Next tab", run: (page) => showTab(page, 1), repeats: true },
    ],
  },
  {
    title: "Trades",
    shortcuts: [
      { ...act(["j"], "Next row", "nextRow"), repeats: true },
      { ...act(["k"], "Previous row", "previousRow"), repeats: true },
      act(["o"], "Open the contract of the row", "openRow"),
      act(["n"], "Newest trades", "newest"),
      {
        keys: ["p"],
        does: "Pause, or go on",
        run: (page) => {
          page.paused.value = !page.paused.value;
        },
      },
      act(["e"], "Export what is shown as CSV", "exportCsv"),
      act(["c"], "Choose columns", "chooseColumns"),
    ],
  },
  {
    title: "Page",
    shortcuts: [
      {
        keys: ["g"],
        does: "Show or hide the pictures",
        run: (page) => {
          page.preferences.pictures.value = !page.preferences.pictures.value;
        },
      },
      act(["?"], "This help", "help"),
      {
        keys: ["Escape"],
        does: "Close what is open",
        run: (page) => {
          page.contract.value = null;
        },
      },
    ],
  },
];
