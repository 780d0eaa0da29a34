/** A step of the build: gathers the licences of all packages whose code is in the page, as they ask for. */

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Plugin } from "vite";

const LICENCE = /^(licen[cs]e|notice)(\.(md|txt))?$/i;

export function licences(): Plugin {
  return {
    name: "licences",
    apply: "build",
    generateBundle(_options, bundle) {
      const folders = new Set<string>();
      for (const output of Object.values(bundle)) {
        if (output.type !== "chunk") continue;
        for (const id of output.moduleIds) {
          const folder = packageOf(id);
          if (folder !== null) folders.add(folder);
        }
      }
      this.emitFile({
        type: "asset",
        name: "licences.txt",
        source: [...folders].sort().map(said).join("\n\n"),
      });
    },
  };
}

/** The folder of the package that a module is from; null for the page's own. */
function packageOf(id: string): string | null {
  return id.match(/^\0?(.*\/node_modules\/(?:@[^/]+\/)?[^/]+)\//)?.[1] ?? null;
}

function said(folder: string): string {
  const { name, version, license } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  const files = readdirSync(folder).filter((file) => LICENCE.test(file));
  if (files.length === 0) throw new Error(`${name} has no licence file; say its licence (${license}) here.`);
  const texts = files.sort().map((file) => readFileSync(join(folder, file), "utf8").trim());
  return [`${name} ${version} (${license})`, ...texts].join("\n\n");
}
