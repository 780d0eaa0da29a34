/** The list of columns: which are shown, and back to how they were at first. */

import { useEffect, useRef } from "preact/hooks";
import { usePage } from "../state/page";
import { COLUMNS } from "./columns";

interface ColumnsMenuProps {
  readonly isShown: (id: string) => boolean;
  readonly show: (id: string, shown: boolean) => void;
  readonly reset: () => void;
}

export function ColumnsMenu({ isShown, show, reset }: ColumnsMenuProps) {
  const { actions } = usePage();
  const button = useRef<HTMLButtonElement>(null);
  const list = useRef<HTMLDivElement>(null);
  const stand = () => {
    if (button.current === null || list.current === null) return;
    const { top, right } = button.current.getBoundingClientRect();
    list.current.style.bottom = `${window.innerHeight - top + 4}px`;
    list.current.style.right = `${Math.max(8, document.documentElement.clientWidth - right)}px`;
    list.current.style.maxHeight = `${Math.max(160, top - 16)}px`;
  };
  useEffect(() => actions.offer("chooseColumns", () => button.current?.click()), [actions]);
  return (
    <>
      <button ref={button} type="button" class="button" popovertarget="columns-menu" aria-keyshortcuts="c">
        Columns
      </button>
      <div ref={list} id="columns-menu" class="columns-menu" popover="auto" onBeforeToggle={stand}>
        <fieldset>
          <legend>Columns</legend>
          {COLUMNS.map(({ id, name }) => (
            <label key={id}>
              <input
                type="checkbox"
                checked={isShown(id)}
                onChange={(event) => show(id, event.currentTarget.checked)}
              />
              {name}
            </label>
          ))}
        </fieldset>
        <p>On a column's head, Enter sorts, Shift and an arrow key move it, Alt and an arrow key size it.</p>
        <button type="button" class="button" onClick={reset}>
          Reset columns
        </button>
      </div>
    </>
  );
}
