"""Tradier: sessions over HTTP, named symbols, one print for two events, cancels and corrections."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from engine.feeds.tradier import TradierDecoder, TradierSession, subscription
from engine.settings import Settings
from schemas.errors import ContractError, FeedError, FeedRefusedError, SettingsError
from schemas.print import Event, Print
from tests.vendors.tradier import SYMBOL, Server


def timesale(**changed: Any) -> str:
    return json.dumps({**json.loads(Server().message(0)), **changed})


def prints(*frames: str) -> list[Print]:
    decoder = TradierDecoder(10)
    events: list[Event] = [event for frame in frames for event in decoder.decode(frame, 1)]
    assert all(isinstance(event, Print) for event in events)
    return events  # type: ignore[return-value]


def test_symbols_are_asked_for_with_their_underlyings_once_each() -> None:
    asked = subscription(("SPXW261218C06000000", "SPY261218C00600000", "SPY261218P00600000", "qqq"))
    assert asked == ["SPXW261218C06000000", "SPX", "SPY261218C00600000", "SPY", "SPY261218P00600000", "QQQ"]


def test_without_symbols_the_feed_does_not_start_and_says_what_to_set() -> None:
    with pytest.raises(SettingsError, match="FLOWTAPE_SYMBOLS"):
        TradierSession(Settings.load(tradier_token="x"))  # noqa: S106
    with pytest.raises(ContractError):
        subscription(("SPY261318C00600000",))


def test_a_timesale_and_the_trade_that_repeats_it_are_one_print() -> None:
    trade = {
        "type": "trade",
        "symbol": SYMBOL,
        "exch": "Q",
        "price": "2.45",
        "size": "1",
        "date": "1781278205000",
    }
    assert len(prints(timesale(), json.dumps(trade))) == 1


def test_a_cancel_is_a_print_of_the_same_size_and_price_with_the_letter_a() -> None:
    told, cancel = prints(timesale(), timesale(cancel="true"))
    assert (told.conditions, cancel.conditions) == ((), ("A",))
    assert (cancel.size, cancel.price, cancel.symbol) == (told.size, told.price, told.symbol)
    assert cancel.id != told.id


def test_a_correction_withdraws_what_it_replaces_with_the_price_that_was_printed() -> None:
    told, withdrawn, corrected = prints(timesale(), timesale(correction=True, last="2.40", size="7"))
    assert (withdrawn.price, withdrawn.size, withdrawn.conditions) == (told.price, told.size, ("A",))
    assert (corrected.price, corrected.size, corrected.conditions) == (2.40, 7, ())
    assert len({told.id, withdrawn.id, corrected.id}) == 3


def test_the_same_sequence_number_in_another_session_or_on_another_day_is_another_print() -> None:
    found = prints(
        timesale(), timesale(session="pre"), timesale(session="post"), timesale(date="1781364605000")
    )
    assert len({each.id for each in found}) == 4


def test_each_connection_makes_a_session_of_its_own() -> None:
    async def scenario() -> None:
        async with Server() as server:

            async def send(wire) -> None:  # type: ignore[no-untyped-def]
                await wire.send(server.message(0))
                await wire.stay()

            server.plan = [send]
            session = TradierSession(Settings.load(**server.settings(True)))
            for _ in range(2):
                async with session:
                    assert await session.receive()
            assert server.logins == 2

    asyncio.run(scenario())


@pytest.mark.parametrize(
    "error", ['{"error":"Session not found"}', '{"type": "error", "message": "expired"}']
)
def test_an_error_in_the_stream_ends_the_connection(error: str) -> None:
    async def scenario() -> None:
        async with Server() as server:

            async def send(wire) -> None:  # type: ignore[no-untyped-def]
                await wire.send(error)
                await wire.stay()

            server.plan = [send]
            async with TradierSession(Settings.load(**server.settings(True))) as session:
                with pytest.raises(FeedError):
                    await session.receive()

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("answer", "refused"),
    [
        (b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n", True),
        (b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n", True),
        (b"HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n", False),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}", False),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n\xff[[", False),
        (b"nonsense", False),
        (b"", False),
    ],
)
def test_an_answer_that_makes_no_session_ends_the_feed_or_only_the_attempt(
    answer: bytes, refused: bool
) -> None:
    async def scenario() -> FeedError:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(answer)
            writer.close()

        http = await asyncio.start_server(serve, "127.0.0.1", 0)
        async with http:
            url = f"http://127.0.0.1:{http.sockets[0].getsockname()[1]}/"
            told = Settings.load(tradier_session_url=url, tradier_token="secret-token", symbols="SPY")  # noqa: S106
            with pytest.raises(FeedError) as caught:
                await TradierSession(told).__aenter__()
        return caught.value

    found = asyncio.run(scenario())
    assert isinstance(found, FeedRefusedError) is refused
    assert "secret-token" not in str(found)
