"""Unusual Whales: joins, payloads, recorded frames, and a token that no error shows."""

from __future__ import annotations

import ast
import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection

from engine.feeds.unusual_whales import PayloadReader, UnusualWhalesDecoder, UnusualWhalesSession
from engine.settings import Settings
from schemas.errors import FeedError, FeedRefusedError
from schemas.print import Print
from tests.vendors.unusual_whales import TOKEN, Server


def payload(**changed: Any) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(Server().message(0))[1]
    return {**told, **changed}


def test_what_the_vendor_knows_is_taken_over() -> None:
    found = PayloadReader().read(payload(), 1)
    assert isinstance(found, Print)
    assert (found.open_interest, found.volume, found.underlying_price) == (5120, 100, 598.11)
    assert (found.iv, found.delta, found.bid, found.ask) == (0.14, 0.5, 2.40, 2.45)


def test_an_unknown_trade_code_is_counted() -> None:
    reader = PayloadReader()
    for _ in range(3):
        found = reader.read(payload(trade_code="WHAT"), 1)
        assert found is not None
        assert found.conditions == ()
    assert reader.unknown_codes == {"what": 3}


@pytest.mark.parametrize(
    ("told", "mic"),
    [
        ("XPHO", "XPHL"),
        ("EMLD", "EMLD"),
        ("\ud800ABC", ""),
        ("X" * 9, ""),
        ("X\x00BO", ""),
        (7, ""),
        (None, ""),
    ],
)
def test_an_exchange_that_can_be_no_mic_is_left_empty(told: object, mic: str) -> None:
    found = PayloadReader().read(payload(exchange=told), 1)
    assert found is not None
    assert found.exchange == mic


def test_a_withdrawn_trade_is_another_print_than_the_trade() -> None:
    told, cancel = PayloadReader().read(payload(), 1), PayloadReader().read(payload(canceled=True), 1)
    assert told is not None
    assert cancel is not None
    assert cancel.conditions == ("I", "A")
    assert cancel.id == f"{told.id}_x"


def test_each_ticker_is_a_channel() -> None:
    assert UnusualWhalesSession(Settings.load(symbols="tsla,^SPX"))._channels == [
        "option_trades:TSLA",
        "option_trades:SPX",
    ]
    assert UnusualWhalesSession(Settings.load())._channels == ["option_trades"]


def test_trades_that_come_before_the_answer_to_a_join_are_kept() -> None:
    class Eager(Server):
        async def login(self, socket: ServerConnection) -> bool:
            await socket.send(self.message(7))
            return await super().login(socket)

    async def scenario() -> list[str]:
        async with Eager() as server:

            async def send(wire) -> None:  # type: ignore[no-untyped-def]
                await wire.send(server.message(8))
                await wire.stay()

            server.plan = [send]
            decoder = UnusualWhalesDecoder()
            async with UnusualWhalesSession(Settings.load(**server.settings(True))) as session:
                frames = [await session.receive() for _ in range(2)]
            return [
                event.id for frame in frames for event in decoder.decode(frame, 1) if isinstance(event, Print)
            ]

    assert asyncio.run(scenario()) == [Server().print_id(7), Server().print_id(8)]


@pytest.mark.parametrize(
    ("answer", "refused"),
    [
        ('["option_trades",{"response":{"reason":"unmatched topic"},"status":"error"}]', True),
        ("not json", False),
        ("{}", False),
    ],
)
def test_a_join_that_is_not_granted_ends_the_feed_or_only_the_connection(answer: str, refused: bool) -> None:
    class Refusing(Server):
        async def login(self, socket: ServerConnection) -> bool:
            await socket.recv()
            await socket.send(answer)
            return False

    async def scenario() -> FeedError:
        async with Refusing() as server:
            with pytest.raises(FeedError) as caught:
                await UnusualWhalesSession(Settings.load(**server.settings(True))).__aenter__()
        return caught.value

    assert isinstance(asyncio.run(scenario()), FeedRefusedError) is refused


@pytest.mark.parametrize(
    "url", ["ws://127.0.0.1:1/socket", "nonsense", "ws://[::1/socket", "https://127.0.0.1:1"]
)
def test_no_error_shows_the_token(url: str) -> None:
    async def scenario() -> FeedError:
        told = Settings.load(unusual_whales_url=url, unusual_whales_token=TOKEN)
        with pytest.raises(FeedError) as caught:
            await UnusualWhalesSession(told).__aenter__()
        return caught.value

    shown = str(asyncio.run(scenario()))
    assert "Unusual Whales" in shown
    assert "token" not in shown


def test_recorded_frames_become_prints_one_each(data: Path) -> None:
    path = data / "unusual_whales" / "demo_optiontrades_20250516_131951.txt"
    lines = [line.split("|", 2) for line in path.read_text(encoding="utf-8").splitlines()]
    payloads = [ast.literal_eval(line[2]) for line in lines if len(line) == 3]
    reader = PayloadReader()
    found = [reader.read(each, 1) for each in payloads]
    trades = [each for each in payloads if "response" not in each]
    prints = [each for each in found if each is not None]
    assert len(prints) == len(trades) > 10
    assert len({each.id for each in prints}) == len(prints)
    assert [each.symbol for each in prints] == [each["option_symbol"] for each in trades]
    assert [(each.size, str(each.volume)) for each in prints] == [
        (each["size"], str(each["volume"])) for each in trades
    ]
    assert all(each.exchange and each.conditions for each in prints)
    assert not reader.unknown_codes
