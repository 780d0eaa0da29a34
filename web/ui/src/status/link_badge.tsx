/** Where the connection stands: a sign, a colour and words. */

import { useEffect, useState } from "preact/hooks";
import { usePage } from "../state/page";
import { useSecond } from "./second";
import { type Standing, standing, type Tone } from "./standing";

const SIGNS: Readonly<Record<Tone, string>> = { live: "●", delayed: "◐", waiting: "▲", bad: "■" };

export function LinkBadge() {
  const { tone, text, detail, said } = useStanding();
  return (
    <div class="status-link" data-tone={tone} title={said}>
      <span aria-hidden="true">
        <span class="status-sign">{SIGNS[tone]}</span> {text}
        {detail && <span class="status-detail"> ({detail})</span>}
      </span>
      {/* What counts seconds is not read out each second. */}
      <span class="unseen" role="status">
        {said}
      </span>
    </div>
  );
}

/** Anew with each second and each change of the connection. */
export function useStanding(): Standing {
  const { stream } = usePage();
  const now = useSecond();
  const offline = useOffline();
  return standing({
    link: stream.link.value,
    delayS: stream.welcome.value?.limits.delay_s ?? 0,
    // The clock of the second may be a little older than what was heard since.
    now: Math.max(now, stream.heard),
    heard: stream.heard,
    lagMs: stream.lag.value,
    source: stream.source.value,
    offline,
  });
}

function useOffline(): boolean {
  const [offline, setOffline] = useState(() => !navigator.onLine);
  useEffect(() => {
    const look = () => setOffline(!navigator.onLine);
    window.addEventListener("online", look);
    window.addEventListener("offline", look);
    return () => {
      window.removeEventListener("online", look);
      window.removeEventListener("offline", look);
    };
  }, []);
  return offline;
}
