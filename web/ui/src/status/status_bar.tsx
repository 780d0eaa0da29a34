/** The line at the top: where the connection stands, whose page it is, the time, and what concerns all of the page. */

import "./status_bar.css";
import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { clock, zone } from "../format";
import { Problem } from "../protocol/api";
import { usePage } from "../state/page";
import { LinkBadge } from "./link_badge";
import { Notice } from "./notice";
import { useSecond } from "./second";
import { isSignedOut } from "./standing";
import { ThemeSwitch } from "./theme";

/** `children` say whose page it is. */
export function StatusBar({ children }: { readonly children?: ComponentChildren }) {
  const page = usePage();
  return (
    <header class="status">
      <h1>Flowtape</h1>
      <LinkBadge />
      {page.synthetic.value && (
        <span
          class="status-synthetic"
          title="These trades are made by the simulator. They are no market data."
        >
          Synthetic<span class="status-detail"> data</span>
        </span>
      )}
      <Clock />
      <div class="status-who">{children}</div>
      <div class="status-controls">
        <PauseButton />
        <ThemeSwitch />
        <button
          type="button"
          class="button icon"
          aria-label="Help"
          title="Help (?)"
          aria-haspopup="dialog"
          aria-keyshortcuts="?"
          onClick={() => page.actions.run("help")}
        >
          ?
        </button>
        <SignOutButton />
      </div>
      <Notice />
    </header>
  );
}

function Clock() {
  const now = useSecond();
  return (
    <time class="status-clock" title="Time in New York" dateTime={new Date(now).toISOString()}>
      {clock(now)} <span class="status-zone">{zone(now)}</span>
    </time>
  );
}

function PauseButton() {
  const { paused } = usePage();
  return (
    <button
      type="button"
      class="button status-pause"
      aria-pressed={paused.value}
      aria-keyshortcuts="p"
      title={paused.value ? "New trades wait. Go on (p)" : "Let new trades wait (p)"}
      onClick={() => {
        paused.value = !paused.value;
      }}
    >
      Pause
    </button>
  );
}

function SignOutButton() {
  const page = usePage();
  const [problem, setProblem] = useState("");
  if (isSignedOut(page.stream.link.value)) return null;
  const signOut = async () => {
    try {
      await page.api.signOut();
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      setProblem(error.message);
      return;
    }
    // What the user saw goes too; the page then asks who comes next.
    page.stream.close();
    location.reload();
  };
  return (
    <>
      <button type="button" class="button status-sign-out" onClick={signOut}>
        Sign out
      </button>
      {problem && (
        <span class="unseen" role="alert">
          {problem}
        </span>
      )}
    </>
  );
}
