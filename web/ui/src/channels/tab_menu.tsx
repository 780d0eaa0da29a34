/** What can be done with a tab, as a menu that works by pointer, touch and keyboard. */

import type { Signal } from "@preact/signals";
import { usePage } from "../state/page";
import type { Tab } from "../state/tab";
import { type Asked, type Question, saveChanges } from "./asked";
import { Popover, type PopoverHandle } from "./popover";

interface TabMenuProps {
  readonly handle: PopoverHandle;
  readonly id: string;
  readonly tab: Tab;
  readonly asked: Signal<Asked | null>;
  readonly onMove: (tab: Tab, by: number) => void;
}

interface Item {
  readonly text: string;
  readonly run: () => void;
  readonly key?: string;
}

export function TabMenu({ handle, id, tab, asked, onMove }: TabMenuProps) {
  const page = usePage();
  const own = tab.channel.value !== null;
  const saves = page.stream.welcome.value?.limits.channels !== 0;
  const ask = (question: Question) => () => {
    asked.value = { question, tab };
  };
  const tabs = page.tabs.list.value;
  const at = tabs.indexOf(tab);
  const items: (Item | false)[] = [
    own &&
      saves &&
      tab.changed.value && { text: "Save changes", run: () => void saveChanges(page, tab, asked) },
    tab.changed.value && { text: "Revert changes", run: () => page.tabs.revert(tab) },
    own && saves && { text: "Rename…", run: ask("rename") },
    own && (saves || tab.channel.value?.link !== null) && { text: "Share…", run: ask("share") },
    saves && { text: own ? "Save as another…" : "Save as a channel…", run: ask("name") },
    at > 1 && { text: "Move left", run: () => onMove(tab, -1), key: "Shift ←" },
    at > 0 && at < tabs.length - 1 && { text: "Move right", run: () => onMove(tab, 1), key: "Shift →" },
    own && { text: "Delete…", run: ask("delete") },
    !own && tab !== page.tabs.flow && { text: "Close", run: () => page.tabs.close(tab) },
  ];
  const shown = items.filter((item) => item !== false);
  return (
    <Popover
      handle={handle}
      id={id}
      role="menu"
      label={`Actions for ${tab.name.value}`}
      class="tab-menu"
      onKeyDown={(event) => walk(event, handle)}
    >
      {shown.map(({ text, run, key }) => (
        <button
          key={text}
          type="button"
          role="menuitem"
          tabIndex={-1}
          onClick={() => {
            handle.hide();
            run();
          }}
        >
          {text}
          {key && <kbd>{key}</kbd>}
        </button>
      ))}
      {shown.length === 0 && (
        <button type="button" role="menuitem" tabIndex={-1} aria-disabled="true" onClick={handle.hide}>
          Your tier saves no channels
        </button>
      )}
    </Popover>
  );
}

/** The arrows go through a menu, Home and End to its ends, Tab out of it. */
function walk(event: KeyboardEvent, handle: PopoverHandle): void {
  const items = [...(handle.body.current?.querySelectorAll<HTMLElement>("[role=menuitem]") ?? [])];
  const at = items.indexOf(document.activeElement as HTMLElement);
  const steps: Record<string, number> = {
    ArrowDown: (at + 1) % items.length,
    ArrowUp: (at - 1 + items.length) % items.length,
    Home: 0,
    End: items.length - 1,
  };
  const to = steps[event.key];
  if (event.key === "Tab") handle.hide();
  if (to === undefined) return;
  event.preventDefault();
  event.stopPropagation();
  items[to]?.focus();
}
