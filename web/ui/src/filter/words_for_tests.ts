/** Some words of the language, in the shape of `GET /v1/filter/words`; only tests import it. */

import { KnownWords } from "./words";

const list = (name: string, values: readonly string[] = [], aliases: readonly string[] = []) => ({
  name,
  aliases,
  help: `Help on ${name}.`,
  values,
});
const range = (name: string, unit: string, aliases: readonly string[] = []) => ({
  name,
  aliases,
  unit,
  help: `Help on ${name}.`,
  whole: false,
});
const flag = (name: string, aliases: readonly string[] = []) => ({
  name,
  aliases,
  help: `Help on ${name}.`,
});

export const WORDS = new KnownWords({
  lists: [
    list("underlying", [], ["ticker"]),
    list("right", ["C", "P"]),
    list("side", ["above_ask", "ask", "mid", "bid", "below_bid", "none"]),
    list("exchange", ["XCBO", "XPHL"]),
  ],
  ranges: [
    range("premium", "dollars"),
    range("volume", "contracts", ["vol"]),
    range("open_interest", "contracts", ["oi"]),
    range("vol_oi", ""),
    range("expiry", "date", ["exp"]),
  ],
  flags: [
    flag("multi_leg"),
    flag("sweep", ["sweeps"]),
    flag("large_premium"),
    flag("block"),
    flag("zero_dte", ["0dte"]),
  ],
  words: [
    { name: "calls", field: "right", value: "C" },
    { name: "puts", field: "right", value: "P" },
    { name: "bullish", field: "sentiment", value: "bullish" },
  ],
});
