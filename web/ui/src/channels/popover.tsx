/** What opens beside a button and closes by Escape or a click elsewhere: the browser's own popover, put in its place. */

import type { ComponentChildren, RefObject } from "preact";
import { useRef } from "preact/hooks";

/** Space between a popover and the window's edge, and the thing that it belongs to, px. */
const EDGE = 8;
const DISTANCE = 4;

export interface PopoverHandle {
  readonly body: RefObject<HTMLDivElement | null>;
  /** Open it below an element. */
  show(anchor: HTMLElement): void;
  hide(): void;
  /** For a button: `press` goes to its pointerdown, `toggle` to its click. */
  press(): void;
  toggle(anchor: HTMLElement): void;
}

export function usePopover(): PopoverHandle {
  const body = useRef<HTMLDivElement>(null);
  // The press on the button closes the popover, as each click elsewhere does; the click then must not open it again.
  const wasOpen = useRef(false);
  const isOpen = () => body.current?.matches(":popover-open") ?? false;
  const show = (anchor: HTMLElement) => {
    const element = body.current;
    if (element === null) return;
    if (!isOpen()) element.showPopover();
    place(element, anchor);
  };
  const hide = () => {
    if (isOpen()) body.current?.hidePopover();
  };
  return {
    body,
    show,
    hide,
    press: () => {
      wasOpen.current = isOpen();
    },
    toggle: (anchor) => {
      if (!wasOpen.current) show(anchor);
      wasOpen.current = false;
    },
  };
}

interface PopoverProps {
  readonly handle: PopoverHandle;
  readonly id: string;
  readonly label: string;
  readonly role: "dialog" | "menu" | "tooltip";
  readonly class?: string;
  readonly children: ComponentChildren;
  readonly onKeyDown?: (event: KeyboardEvent) => void;
}

export function Popover({ handle, id, label, role, children, onKeyDown, ...rest }: PopoverProps) {
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: every role that it is given takes keys.
    // biome-ignore lint/a11y/useAriaPropsSupportedByRole: every role that it is given has a name.
    <div
      ref={handle.body}
      id={id}
      popover="auto"
      role={role}
      aria-label={label}
      class={`popover ${rest.class ?? ""}`}
      tabIndex={-1}
      onKeyDown={onKeyDown}
    >
      {children}
    </div>
  );
}

/** Below the anchor, or above it where there is no room, and never beyond the window. */
function place(element: HTMLElement, anchor: HTMLElement): void {
  const at = anchor.getBoundingClientRect();
  const { width, height } = element.getBoundingClientRect();
  // Without what a phone shows by zooming out.
  const { clientWidth, clientHeight } = document.documentElement;
  const left = Math.max(EDGE, Math.min(at.left, clientWidth - width - EDGE));
  const below = at.bottom + DISTANCE;
  const top = below + height <= clientHeight - EDGE ? below : Math.max(EDGE, at.top - DISTANCE - height);
  element.style.left = `${left}px`;
  element.style.top = `${top}px`;
}
