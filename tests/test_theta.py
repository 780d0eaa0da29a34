"""Theta Data: requests, the terminal's states, New York time and codes of its own."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection

from engine.feeds.theta import ThetaDecoder, ThetaSession, check_status, requests, wanted
from engine.settings import Settings
from schemas.errors import FeedError, FeedRefusedError
from schemas.print import Print
from tests.vendors.theta import CONTRACT, Server


def trade(**changed: Any) -> str:
    told = {"ms_of_day": 34_200_000, "sequence": 1, "size": 1, "condition": 18, "price": 1.0, "exchange": 5}
    return json.dumps(
        {"header": {"type": "TRADE"}, "contract": CONTRACT, "trade": {**told, "date": 20260612, **changed}}
    )


def test_without_contracts_all_trades_are_asked_for_once() -> None:
    whole = [{"msg_type": "STREAM_BULK", "sec_type": "OPTION", "req_type": "TRADE", "add": True, "id": 0}]
    assert requests(()) == requests(("SPY",)) == requests(("SPY", "QQQ261218C00500000")) == whole


def test_named_contracts_are_asked_for_with_their_quotes_and_numbered() -> None:
    asked = requests(("SPY261218C00600000", "QQQ261218P00500500"))
    assert [(each["req_type"], each["id"]) for each in asked] == [
        ("QUOTE", 0), ("TRADE", 1), ("QUOTE", 2), ("TRADE", 3),
    ]  # fmt: skip
    assert asked[3]["contract"] == {"root": "QQQ", "expiration": 20261218, "strike": 500500, "right": "P"}


def test_the_stream_of_all_trades_is_narrowed_to_the_symbols() -> None:
    kept = ThetaDecoder(10, wanted(("SPY",))).decode(trade(), 1)
    other = ThetaDecoder(10, wanted(("^SPX", "QQQ"))).decode(trade(), 1)
    assert (len(kept), len(other)) == (1, 0)


@pytest.mark.parametrize(
    ("day", "ts"),
    [(20_260_306, 1_772_807_400_000), (20_260_309, 1_773_063_000_000), (20_261_102, 1_793_629_800_000)],
)
def test_half_past_nine_is_half_past_nine_in_new_york_on_both_sides_of_a_change_of_clocks(
    day: int, ts: int
) -> None:
    (found,) = ThetaDecoder(10).decode(trade(date=day), 1)
    assert isinstance(found, Print)
    assert found.ts == ts


def test_codes_that_are_not_known_are_counted_and_left_empty() -> None:
    decoder = ThetaDecoder(10)
    for _ in range(2):
        (found,) = decoder.decode(trade(exchange=999, condition=254), 1)
        assert isinstance(found, Print)
        assert (found.exchange, found.conditions) == ("", ())
    assert decoder.unknown_exchanges == {999: 2}
    assert decoder.unknown_conditions == {254: 2}


def test_quotes_from_before_a_gap_are_forgotten() -> None:
    decoder = ThetaDecoder(10)
    quote = {"bid": 1.0, "ask": 1.1}
    decoder.decode(json.dumps({"header": {"type": "QUOTE"}, "contract": CONTRACT, "quote": quote}), 1)
    (before,) = decoder.decode(trade(), 1)
    decoder.connected()
    (after,) = decoder.decode(trade(sequence=2), 1)
    assert isinstance(before, Print)
    assert isinstance(after, Print)
    assert (before.bid, before.ask, after.bid, after.ask) == (1.0, 1.1, None, None)


def test_a_terminal_that_is_not_connected_ends_the_connection() -> None:
    check_status({"type": "STATUS", "status": "CONNECTED"})
    with pytest.raises(FeedRefusedError):
        check_status({"type": "STATUS", "status": "UNVERIFIED"})
    with pytest.raises(FeedError) as lost:
        check_status({"type": "STATUS", "status": "DISCONNECTED"})
    assert not isinstance(lost.value, FeedRefusedError)


@pytest.mark.parametrize(
    ("answer", "refused"),
    [("INVALID_PERMS", True), ("MAX_STREAMS_REACHED", True), ("ERROR", False), (None, False)],
)
def test_a_request_that_is_not_granted_ends_the_feed_or_only_the_connection(
    answer: Any, refused: bool
) -> None:
    class Refusing(Server):
        async def login(self, socket: ServerConnection) -> bool:
            asked = json.loads(await socket.recv())
            header = {
                "type": "REQ_RESPONSE",
                "status": "CONNECTED",
                "response": answer,
                "req_id": asked["id"],
            }
            await socket.send(json.dumps({"header": header}))
            return False

    async def scenario() -> FeedError:
        async with Refusing() as server:
            with pytest.raises(FeedError) as caught:
                await ThetaSession(Settings.load(**server.settings(True))).__aenter__()
        return caught.value

    assert isinstance(asyncio.run(scenario()), FeedRefusedError) is refused


def test_a_status_of_a_lost_terminal_ends_a_running_connection() -> None:
    async def scenario() -> None:
        async with Server() as server:

            async def lose(wire) -> None:  # type: ignore[no-untyped-def]
                await wire.send(server.message(0))
                await wire.send(json.dumps({"header": {"type": "STATUS", "status": "DISCONNECTED"}}))
                await wire.stay()

            server.plan = [lose]
            async with ThetaSession(Settings.load(**server.settings(True))) as session:
                frames = [await session.receive() for _ in range(2)]
                assert b"TRADE" in frames[-1]
                with pytest.raises(FeedError, match="DISCONNECTED"):
                    await session.receive()

    asyncio.run(scenario())
