/** The line at the top: whose page it is, and where the connection stands. */

import { usePage } from "../state/page";

export function StatusBar() {
  const page = usePage();
  return (
    <header class="status">
      <h1>Flowtape</h1>
      <output class="status-link">{page.stream.link.value.kind}</output>
    </header>
  );
}
