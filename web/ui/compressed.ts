/** A step of the build: writes each asset's Brotli and gzip form beside it, so that the gateway need not compress. */

import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import type { Plugin } from "vite";

const FORMS = [
  {
    ending: ".br",
    compress: (content: Buffer) =>
      brotliCompressSync(content, {
        params: {
          [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY,
          [constants.BROTLI_PARAM_SIZE_HINT]: content.length,
        },
      }),
  },
  {
    ending: ".gz",
    compress: (content: Buffer) => gzipSync(content, { level: constants.Z_BEST_COMPRESSION }),
  },
] as const;

export function compressed(): Plugin {
  return {
    name: "compressed",
    apply: "build",
    async writeBundle({ dir }, bundle) {
      if (dir === undefined) throw new Error("The build has no folder to write to.");
      for (const name of Object.keys(bundle)) {
        if (!name.startsWith("assets/")) continue;
        const path = join(dir, name);
        const content = await readFile(path);
        for (const form of FORMS) {
          const made = form.compress(content);
          // A form that saves nothing would only cost the browser its time.
          if (made.length < content.length) await writeFile(path + form.ending, made);
        }
      }
    },
  };
}
