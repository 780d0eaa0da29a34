import { expect, test } from "vitest";
import type { Trade } from "../protocol/trade";
import { SeenTickers } from "./seen_tickers";

const trades = (...names: string[]) => names.map((underlying) => ({ underlying }) as Trade);

test("the most seen ticker comes first, and those seen as often by name", () => {
  const seen = new SeenTickers();
  seen.see(trades("SPY", "QQQ", "AAPL"));
  seen.see(trades("QQQ"));
  expect(seen.names()).toEqual(["QQQ", "AAPL", "SPY"]);
});

test("beyond the bound a new ticker takes the place of the rarest, and what is seen often stays", () => {
  const seen = new SeenTickers(3);
  seen.see(trades("SPY", "SPY", "SPY", "QQQ", "QQQ", "IWM"));
  for (let index = 0; index < 3; index++) seen.see(trades(`NEW${index}`, "SPY", "QQQ"));
  expect(seen.names()).toHaveLength(3);
  expect(seen.names().slice(0, 2)).toEqual(["SPY", "QQQ"]);
  expect(seen.names()).toContain("NEW2");
});
