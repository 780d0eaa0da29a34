/** The start of the page. */

import "./style/base.css";
import { render } from "preact";
import { App } from "./app";
import { SHORTCUTS } from "./keys/shortcut_table";
import { listen } from "./keys/shortcuts";
import { Page, PageContext } from "./state/page";
import { followTheme } from "./status/theme";
import { followBrowser } from "./stream/browser_events";

const page = new Page();
followTheme(page.preferences);
const root = document.getElementById("page");
if (root === null) throw new Error("index.html has no #page.");
render(
  <PageContext.Provider value={page}>
    <App />
  </PageContext.Provider>,
  root,
);
listen(page, SHORTCUTS);
page.stream.open();
followBrowser(page.stream);
page.visit.start();
