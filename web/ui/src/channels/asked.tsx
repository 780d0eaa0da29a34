/** Which question about a tab is open, and its dialog. */

import type { Signal } from "@preact/signals";
import { Problem } from "../protocol/api";
import { type Page, usePage } from "../state/page";
import type { Tab } from "../state/tab";
import { ConflictDialog } from "./conflict_dialog";
import { DeleteDialog } from "./delete_dialog";
import { NameDialog } from "./name_dialog";
import { ShareDialog } from "./share_dialog";
import { amount, refusalText } from "./wording";

export type Question = "name" | "rename" | "share" | "delete" | "conflict";

export interface Asked {
  readonly question: Question;
  readonly tab: Tab;
}

export function AskedDialog({ asked }: { readonly asked: Signal<Asked | null> }) {
  const page = usePage();
  const open = asked.value;
  if (open === null) return null;
  const { tab, question } = open;
  const onClose = () => {
    // A question that another one followed has closed already.
    if (asked.value === open) asked.value = null;
  };
  switch (question) {
    case "name":
      return (
        <NameDialog
          title="Save as a channel"
          name={tab.shared.value?.name ?? (tab === page.tabs.flow ? "" : tab.title.value)}
          action="Save"
          about={`Saved is ${tab.filter.value.text}. ${roomText(page)}`}
          onName={(name) => page.channels.create(tab, name)}
          onClose={onClose}
        />
      );
    case "rename":
      return (
        <NameDialog
          title={`Rename ${tab.name.value}`}
          name={tab.name.value}
          action="Rename"
          about="Its filter, its place and the address by which it is shared stay."
          onName={(name) => page.channels.rename(tab, name)}
          onClose={onClose}
        />
      );
    case "share":
      return <ShareDialog tab={tab} onClose={onClose} />;
    case "delete":
      return <DeleteDialog tab={tab} onClose={onClose} />;
    case "conflict":
      return <ConflictDialog tab={tab} onSave={() => saveChanges(page, tab, asked)} onClose={onClose} />;
  }
}

/** Save a changed channel; where it was changed elsewhere meanwhile, ask. */
export async function saveChanges(page: Page, tab: Tab, asked: Signal<Asked | null>): Promise<void> {
  try {
    await page.channels.save(tab);
  } catch (error) {
    if (error instanceof Problem && error.code === "channel_changed") {
      asked.value = { question: "conflict", tab };
    } else {
      page.tabs.notice.value = `Not saved. ${refusalText(error, tab.name.value)}`;
    }
  }
}

function roomText(page: Page): string {
  const limit = page.stream.welcome.value?.limits.channels;
  if (limit === undefined) return "";
  const used = page.tabs.list.value.filter((tab) => tab.channel.value !== null).length;
  return `${used} of ${amount(limit, "channel")} ${used === 1 ? "is" : "are"} used.`;
}
