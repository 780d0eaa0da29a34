/** The time, once a second, for whoever shows it. */

import { useEffect, useState } from "preact/hooks";

const SECOND_MS = 1_000;

/** Unix ms, anew with each second of the clock; a hidden page is not drawn for it. */
export function useSecond(): number {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout>;
    const tick = () => {
      setNow(Date.now());
      timer = setTimeout(tick, SECOND_MS - (Date.now() % SECOND_MS));
    };
    const follow = () => {
      clearTimeout(timer);
      if (document.visibilityState === "visible") tick();
    };
    follow();
    document.addEventListener("visibilitychange", follow);
    return () => {
      clearTimeout(timer);
      document.removeEventListener("visibilitychange", follow);
    };
  }, []);
  return now;
}
