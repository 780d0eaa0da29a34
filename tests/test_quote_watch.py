"""Which contracts' quotes are asked for, and that the sessions ask."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.feeds import quote_watch
from engine.feeds.quote_watch import CHANGES_A_TURN, SEEN_ONCE, QuoteWatch
from engine.feeds.registry import live_feed
from engine.settings import Settings
from schemas.print import Print
from tests.vendors import alpaca, massive
from tests.vendors.harness import WebSocketVendor, Wire


def test_a_contract_is_asked_for_at_its_second_trade() -> None:
    watch = QuoteWatch(10)
    watch.saw(["A", "B", "A"])
    assert watch.changes() == (["A"], [])
    assert watch.changes() == ([], [])
    watch.saw(["B"])
    assert watch.changes() == (["B"], [])


def test_the_one_that_traded_longest_ago_gives_way() -> None:
    watch = QuoteWatch(2)
    watch.saw(["A", "A", "B", "B"])
    watch.changes()
    watch.saw(["A", "C", "C"])
    assert watch.changes() == (["C"], ["B"])


def test_a_quote_is_forgotten_a_turn_after_it_was_cancelled_unless_it_is_asked_for_again() -> None:
    watch = QuoteWatch(1)
    assert watch.saw(["A", "A"]) == []
    watch.changes()
    assert watch.saw(["B", "B"]) == []
    assert watch.changes() == (["B"], ["A"])
    assert watch.saw(["B"]) == []
    watch.changes()
    assert watch.saw(["B"]) == ["A"]
    assert watch.saw(["B"]) == []


def test_all_are_asked_for_again_on_a_new_connection() -> None:
    watch = QuoteWatch(10)
    watch.saw(["A", "A", "B", "B"])
    watch.changes()
    watch.connected()
    assert watch.changes() == (["B", "A"], [])


@given(trades=st.lists(st.sampled_from([str(n) for n in range(30)])), limit=st.integers(0, 10))
def test_never_more_than_the_limit_are_asked_for(trades: list[str], limit: int) -> None:
    watch, asked = QuoteWatch(limit), set[str]()
    for first in range(0, len(trades), 5):
        watch.saw(trades[first : first + 5])
        new, gone = watch.changes()
        assert set(gone) <= asked
        assert not set(new) & asked
        asked = (asked - set(gone)) | set(new)
        assert len(asked) <= limit


def test_a_turn_and_the_memory_have_bounds() -> None:
    watch = QuoteWatch(1_000)
    watch.saw(["first", *map(str, range(SEEN_ONCE)), "first"])
    assert watch.changes() == ([], [])
    watch.saw(str(n) for n in range(SEEN_ONCE - 500, SEEN_ONCE))
    assert [len(watch.changes()[0]) for _ in range(4)] == [CHANGES_A_TURN, CHANGES_A_TURN, 100, 0]


@pytest.mark.parametrize("feed", ["alpaca", "massive"])
def test_a_decoder_attaches_no_quote_that_it_was_told_to_forget(feed: str) -> None:
    server: WebSocketVendor = {"alpaca": alpaca.Server, "massive": massive.Server}[feed]()
    make = live_feed(feed).decoder
    assert make is not None
    decoder: Any = make(Settings.load())
    trades = server.message(2)
    (before,) = decoder.decode(trades, 0)
    reader: Any = {"alpaca": msgpack, "massive": json}[feed]
    trades = reader.dumps(reader.loads(trades)[1:])
    (kept,) = decoder.decode(trades, 0)
    decoder.forget([before.symbol])
    (after,) = decoder.decode(trades, 0)
    assert (before.bid, kept.bid, after.bid) == (1.2, 1.2, None)


def first_request(vendor: WebSocketVendor, monkeypatch: pytest.MonkeyPatch) -> Any:
    """What a session asks for after two trades of one contract."""
    monkeypatch.setattr(quote_watch, "TURN_S", 0.01)
    asked: list[Any] = []

    async def scenario() -> None:
        heard = asyncio.Event()

        async def turn(wire: Wire) -> None:
            asked.append(await wire._socket.recv())  # type: ignore[attr-defined]
            heard.set()

        vendor.plan = [turn]
        async with asyncio.timeout(30), vendor:
            session: Any = live_feed(vendor.feed).session(Settings.load(**vendor.settings(right_key=True)))
            async with session:
                made = Print(
                    id="x", feed=vendor.feed, ts=1, received=1, symbol="SPY261218C00600000", price=1.0, size=1
                )
                session.saw([made, made])
                await heard.wait()

    asyncio.run(scenario())
    return asked[0]


def test_massive_is_asked_for_the_quotes_of_what_trades(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = json.loads(first_request(massive.Server(), monkeypatch))
    assert asked == {"action": "subscribe", "params": "Q.O:SPY261218C00600000"}


def test_alpaca_is_asked_for_the_quotes_of_what_trades(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = msgpack.unpackb(first_request(alpaca.Server(), monkeypatch))
    assert asked == {"action": "subscribe", "quotes": ["SPY261218C00600000"]}
