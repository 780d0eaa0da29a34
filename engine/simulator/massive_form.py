"""The simulated market as Massive would send it: JSON frames of quotes, prices of underlyings, and trades.

A quote `Q` comes before a trade `T` whose contract is quoted otherwise than last time, an aggregate `A` (a value `V`
for an index) before a trade whose underlying has another price. What the form has no place for (open interest,
implied volatility, delta) is lost.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from engine.simulator.market import SimulatedMarket
from engine.simulator.underlyings import INDICES
from schemas.conditions import TO_MASSIVE
from schemas.contract import parse_osi
from schemas.exchanges import MASSIVE
from schemas.print import Print
from schemas.spelling import MASSIVE_PREFIX

USUAL_RATE = 2_000.0
"""Trades a second of the market's own clock, so that a benchmark's trades lie as close as on a busy day."""

EXCHANGE_IDS = {mic: number for number, mic in reversed(MASSIVE.items())}
"""Massive's id of a MIC; of two ids, the first."""

OPRA_ID = EXCHANGE_IDS["OPRA"]


def _price(underlying: str, price: float, at: int) -> dict[str, Any]:
    if underlying in INDICES:
        return {"ev": "V", "T": f"I:{underlying}", "val": price, "t": at}
    return {
        "ev": "A", "sym": underlying, "v": 100, "o": price, "c": price, "h": price, "l": price,
        "s": at - 1_000, "e": at,
    }  # fmt: skip


def messages(
    prints: list[Print], quoted: dict[str, tuple[float, float]], prices: dict[str, float]
) -> list[Any]:
    """The messages of some prints; `quoted` and `prices` are what was sent before, and are updated."""
    found: list[Any] = []
    for made in prints:
        sym = MASSIVE_PREFIX + made.symbol
        # A running number of the print's own, as Massive's increases for each ticker, with gaps.
        q = int(made.id.rpartition("_")[2])
        underlying = parse_osi(made.symbol).underlying
        price = made.underlying_price
        if price is not None and prices.get(underlying) != price:
            prices[underlying] = price
            found.append(_price(underlying, price, made.received))
        if made.bid is not None and made.ask is not None and quoted.get(made.symbol) != (made.bid, made.ask):
            quoted[made.symbol] = (made.bid, made.ask)
            found.append(
                {"ev": "Q", "sym": sym, "bx": OPRA_ID, "ax": OPRA_ID, "bp": made.bid, "ap": made.ask,
                 "bs": 10, "as": 10, "t": made.received, "q": q}
            )  # fmt: skip
        found.append(
            {"ev": "T", "sym": sym, "x": EXCHANGE_IDS[made.exchange], "p": made.price, "s": made.size,
             "c": [TO_MASSIVE[letter] for letter in made.conditions], "t": made.ts, "q": q}
        )  # fmt: skip
    return found


def massive_frames(
    seed: int, trades: int, start_ms: int, per_frame: int = 50, *, rate: float = USUAL_RATE
) -> Iterator[bytes]:
    """Frames with so many trades in all, `per_frame` in each, of the market of a seed from `start_ms` on."""
    market = SimulatedMarket(seed, start_ms, rate)
    encode = msgspec.json.Encoder().encode
    quoted: dict[str, tuple[float, float]] = {}
    prices: dict[str, float] = {}
    while trades > 0:
        prints = market.take(float("inf"), min(per_frame, trades))
        trades -= len(prints)
        yield encode(messages(prints, quoted, prices))
