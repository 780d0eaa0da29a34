/** The strip of tabs: the free filter and the saved channels, gone to, moved and asked about. */

import "./channels.css";
import { useSignal } from "@preact/signals";
import { useEffect, useId, useRef } from "preact/hooks";
import { usePage } from "../state/page";
import type { Tab } from "../state/tab";
import { type Asked, AskedDialog } from "./asked";
import { ChannelTab, idOf } from "./channel_tab";
import { usePopover } from "./popover";
import { TabMenu } from "./tab_menu";

interface Drop {
  readonly dragged: Tab;
  /** The tab beside which it would come to stand, and on which side. */
  readonly beside: Tab | null;
  readonly side: "before" | "after";
}

export function ChannelTabs() {
  const page = usePage();
  const { tabs } = page;
  const menu = usePopover();
  const menuId = useId();
  const menuTab = useSignal<Tab | null>(null);
  const asked = useSignal<Asked | null>(null);
  const drop = useSignal<Drop | null>(null);
  const said = useSignal("");
  const strip = useRef<HTMLDivElement>(null);
  const mouse = useRef(matchMedia("(pointer: fine)").matches);
  const current = tabs.current.value;
  const list = tabs.list.value;

  // The tab that is looked at is never out of sight.
  useEffect(() => {
    element(current)?.scrollIntoView({ block: "nearest", inline: "nearest" });
  }, [current, list]);

  const openMenu = (tab: Tab, anchor: HTMLElement) => {
    menuTab.value = tab;
    // The menu has its items once it is drawn for this tab.
    requestAnimationFrame(() => {
      menu.show(anchor);
      menu.body.current?.querySelector<HTMLElement>("[role=menuitem]")?.focus();
    });
  };
  const move = (tab: Tab, by: number) => {
    tabs.move(tab, tabs.list.value.indexOf(tab) + by);
    said.value = `${tab.name.value} is tab ${tabs.list.value.indexOf(tab) + 1} of ${tabs.list.value.length}.`;
    // Where the browser moves an element by taking it out, the focus is lost.
    requestAnimationFrame(() => element(tab)?.focus());
  };
  const onKeyDown = (event: KeyboardEvent) => {
    const tab = list.find((each) => idOf(each) === (event.target as HTMLElement).id);
    if (tab === undefined || event.altKey || event.ctrlKey || event.metaKey) return;
    const at = list.indexOf(tab);
    const step = event.key === "ArrowLeft" ? -1 : event.key === "ArrowRight" ? 1 : 0;
    if (event.shiftKey && step !== 0) move(tab, step);
    else if (step !== 0) element(list[(at + step + list.length) % list.length])?.focus();
    else if (event.key === "Home") element(list[0])?.focus();
    else if (event.key === "End") element(list.at(-1))?.focus();
    // Going to a tab may end another's subscription: it is done when it is meant, not on the way.
    else if (event.key === "Enter" || event.key === " ") tabs.show(tab);
    else if (event.key === "Delete" && tab.channel.value) asked.value = { question: "delete", tab };
    else return;
    event.preventDefault();
    event.stopPropagation();
  };

  const tabAt = (target: EventTarget | null) => {
    const key = (target as HTMLElement | null)?.closest<HTMLElement>("[role=tab]")?.dataset.key;
    return list.find((tab) => tab.key === key) ?? null;
  };
  const onDragOver = (event: DragEvent) => {
    const dragging = drop.value;
    if (dragging === null) return;
    event.preventDefault();
    const beside = tabAt(event.target);
    if (beside === null) return;
    const box = (element(beside) as HTMLElement).getBoundingClientRect();
    const after = beside === tabs.flow || event.clientX > box.left + box.width / 2;
    const side = after ? "after" : "before";
    if (dragging.beside !== beside || dragging.side !== side) drop.value = { ...dragging, beside, side };
  };
  const onDrop = (event: DragEvent) => {
    const dropped = drop.value;
    drop.value = null;
    if (dropped?.beside == null) return;
    event.preventDefault();
    const rest = list.filter((tab) => tab !== dropped.dragged);
    const at = rest.indexOf(dropped.beside);
    if (at >= 0) tabs.move(dropped.dragged, dropped.side === "after" ? at + 1 : at);
  };

  return (
    <nav class="channels" aria-label="Channels">
      <div
        ref={strip}
        role="tablist"
        aria-label="Filters"
        class="channel-strip"
        onKeyDown={onKeyDown}
        onDragStart={(event) => {
          const dragged = tabAt(event.target);
          if (dragged === null || event.dataTransfer === null) return;
          event.dataTransfer.effectAllowed = "move";
          event.dataTransfer.setData("text/plain", dragged.filter.value.text);
          drop.value = { dragged, beside: null, side: "after" };
        }}
        onDragOver={onDragOver}
        onDrop={onDrop}
        onDragEnd={() => {
          drop.value = null;
        }}
      >
        {list.map((tab) => (
          <ChannelTab
            key={tab.key}
            tab={tab}
            draggable={mouse.current}
            drop={drop.value?.beside === tab ? drop.value.side : null}
            onMenu={openMenu}
          />
        ))}
      </div>
      <button
        type="button"
        class="button icon channel-menu"
        aria-haspopup="menu"
        aria-controls={menuId}
        aria-label={`Actions for ${current.name.value}`}
        onPointerDown={menu.press}
        onClick={(event) => {
          const anchor = event.currentTarget;
          if (menuTab.value !== current) menuTab.value = current;
          menu.toggle(anchor);
          menu.body.current?.querySelector<HTMLElement>("[role=menuitem]")?.focus();
        }}
      >
        ⋯
      </button>
      <TabMenu handle={menu} id={menuId} tab={menuTab.value ?? current} asked={asked} onMove={move} />
      <AskedDialog asked={asked} />
      <div class="channel-notice" role="status">
        {tabs.notice.value !== null && (
          <>
            <p>{tabs.notice}</p>
            <button
              type="button"
              class="button"
              onClick={() => {
                tabs.notice.value = null;
              }}
            >
              Dismiss
            </button>
          </>
        )}
      </div>
      <span class="unseen" role="status">
        {said}
      </span>
    </nav>
  );
}

function element(tab: Tab | undefined): HTMLElement | null {
  return tab ? document.getElementById(idOf(tab)) : null;
}
