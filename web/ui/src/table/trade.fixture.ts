/** A trade for tests: a SPY call unless told otherwise. */

import type { Trade } from "../protocol/trade";

export function trade(id: string, seq: number, fields: Partial<Trade> = {}): Trade {
  return {
    id,
    seq,
    ts: seq,
    received: seq,
    underlying: "SPY",
    symbol: "SPY261218C00600000",
    right: "C",
    expiry: 20261218,
    strike: 600,
    price: 2.45,
    size: 1_200,
    premium: 294_000,
    bid: 2.4,
    ask: 2.45,
    underlying_price: 598.31,
    dte: 27,
    otm_pct: 0.2825,
    volume: 5_000,
    open_interest: 1_000,
    vol_oi: 5,
    iv: 0.231,
    delta: 0.44,
    side: "ask",
    sentiment: "bullish",
    flags: [],
    conditions: ["S"],
    exchange: "XCBO",
    ...fields,
  };
}
