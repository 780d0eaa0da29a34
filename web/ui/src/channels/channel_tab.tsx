/** One tab of the strip: its name, whether it is live and changed, and how many new trades it has. */

import { whyNotLive } from "../state/live_tabs";
import { usePage } from "../state/page";
import { type Tab, unreadText } from "../state/tab";

interface ChannelTabProps {
  readonly tab: Tab;
  readonly draggable: boolean;
  /** On which side of it the tab that is dragged would come to stand. */
  readonly drop: "before" | "after" | null;
  readonly onMenu: (tab: Tab, anchor: HTMLElement) => void;
}

export function ChannelTab({ tab, draggable, drop, onMenu }: ChannelTabProps) {
  const page = usePage();
  const current = page.tabs.current.value === tab;
  const subscription = tab.subscription.value;
  const ended = subscription?.state.value === "ended";
  const unread = current ? 0 : tab.unread.value;
  const welcome = page.stream.welcome.value;
  const live = subscription !== null && !ended;
  const why = live || welcome === null ? undefined : whyNotLive(welcome.tier, welcome.limits);
  const shared = tab.shared.value !== null;
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: the strip takes the keys of all its tabs; Firefox drags no <button>.
    <div
      role="tab"
      id={idOf(tab)}
      class={`channel-tab ${live ? "" : "not-live"} ${drop ? `drop-${drop}` : ""}`}
      aria-selected={current}
      tabIndex={current ? 0 : -1}
      draggable={draggable && tab !== page.tabs.flow}
      data-key={tab.key}
      title={[tab.saved.value?.text ?? tab.filter.value.text, why].filter(Boolean).join("\n")}
      onClick={() => page.tabs.show(tab)}
      onContextMenu={(event) => {
        event.preventDefault();
        onMenu(tab, event.currentTarget);
      }}
    >
      <span class="channel-tab-mark" aria-hidden="true">
        {live ? "●" : "○"}
      </span>
      <span class="channel-tab-name">{tab.name}</span>
      {shared && <span class="channel-tab-sign">shared</span>}
      {tab.changed.value && <span class="channel-tab-sign changed">changed</span>}
      {!live && welcome !== null && <span class="unseen">, not live</span>}
      <span class="channel-tab-unread" data-unread={unread}>
        {unread > 0 && (
          <>
            <span class="unseen">, </span>
            {unreadText(unread)}
            <span class="unseen"> new</span>
          </>
        )}
      </span>
    </div>
  );
}

export function idOf(tab: Tab): string {
  return `channel-${tab.key}`;
}
