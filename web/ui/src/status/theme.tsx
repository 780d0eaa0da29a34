/** Light, dark, or as the system has it. */

import { effect } from "@preact/signals";
import { usePage } from "../state/page";
import type { Preferences, Theme } from "../state/preferences";

const THEMES: readonly (readonly [Theme, string])[] = [
  ["system", "System"],
  ["light", "Light"],
  ["dark", "Dark"],
];

/** Keep `data-theme` of the document as preferred, until the answer is called. */
export function followTheme(preferences: Preferences): () => void {
  return effect(() => {
    const theme = preferences.theme.value;
    const { dataset } = document.documentElement;
    if (theme === "system") delete dataset.theme;
    else dataset.theme = theme;
  });
}

export function ThemeSwitch() {
  const { theme } = usePage().preferences;
  return (
    <select
      class="field status-theme"
      aria-label="Theme"
      value={theme.value}
      onChange={(event) => {
        theme.value = event.currentTarget.value as Theme;
      }}
    >
      {THEMES.map(([value, name]) => (
        <option key={value} value={value}>
          {name}
        </option>
      ))}
    </select>
  );
}
