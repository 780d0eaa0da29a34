import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { describe, expect, it } from "vitest";

/** What may import what: a folder sees itself and the rows above it. Parts of the page don't see each other. */
const ROWS = [
  ["format", "protocol", "style"],
  ["tape"],
  ["stream"],
  ["state"],
  ["chart", "polling"],
  ["channels", "contract", "filter", "flow", "keys", "status", "table"],
  ["app"],
  ["main"],
];

const SOURCE = resolve(import.meta.dirname);

const files = readdirSync(SOURCE, { recursive: true, encoding: "utf8" })
  .filter((name) => /\.tsx?$/.test(name) && !/\.test\.tsx?$/.test(name))
  .map((name) => join(SOURCE, name));

const roomOf = (file: string) =>
  relative(SOURCE, file)
    .split("/")[0]
    ?.replace(/\.tsx?$/, "") ?? "";

function imports(file: string): string[] {
  const text = readFileSync(file, "utf8");
  return [...text.matchAll(/(?:from|import)\s+"(\.[^"]+)"/g)].map((found) =>
    roomOf(resolve(dirname(file), found[1] as string)),
  );
}

describe("layout", () => {
  it("knows every room", () => {
    const known = ROWS.flat();
    expect(files.map(roomOf).filter((room) => !known.includes(room))).toEqual([]);
  });

  it.each(files.map((file) => [relative(SOURCE, file), file]))(
    "%s imports from above only",
    (_name, file) => {
      const row = (room: string) => ROWS.findIndex((rooms) => rooms.includes(room));
      const own = roomOf(file);
      const wrong = imports(file).filter((room) => room !== own && !(row(room) < row(own)));
      expect(wrong).toEqual([]);
    },
  );
});
