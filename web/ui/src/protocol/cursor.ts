/** A cursor of our own making (docs/stream.md, history): for rows that were let go and are wanted back. */

/** Above every `seq` and every partition that there may be. */
const LAST_SEQ = Number.MAX_SAFE_INTEGER;
const LAST_PARTITION = 16_383;

/** `before` for the rows of this exchange time, unix ms, and below it: base64url of `ts.seq.partition`. */
export function cursorFrom(ts: number): string {
  return btoa(`${ts}.${LAST_SEQ}.${LAST_PARTITION}`)
    .replaceAll("+", "-")
    .replaceAll("/", "_")
    .replace(/=+$/, "");
}
