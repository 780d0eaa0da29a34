/** Whether the page is as narrow as a phone's. */

import { useEffect, useState } from "preact/hooks";
import type { Layout } from "./columns";

const NARROW = "(max-width: 699px)";

export function useLayout(): Layout {
  const [layout, setLayout] = useState<Layout>(() => (matchMedia(NARROW).matches ? "narrow" : "wide"));
  useEffect(() => {
    const narrow = matchMedia(NARROW);
    const change = () => setLayout(narrow.matches ? "narrow" : "wide");
    narrow.addEventListener("change", change);
    return () => narrow.removeEventListener("change", change);
  }, []);
  return layout;
}
