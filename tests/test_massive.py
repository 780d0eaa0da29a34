"""What is Massive's own: ids, quotes after a gap, subscriptions, refusals, frames without end."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import msgspec
import pytest
from websockets.asyncio.server import ServerConnection

from engine.feeds.massive import FEED, MassiveDecoder, MassiveSession
from engine.feeds.websocket_line import FRAME_BYTES
from engine.settings import Settings
from schemas.errors import FeedError, FeedRefusedError, SettingsError
from schemas.print import Print, Reject
from tests.vendors.massive import KEY, Server

RECEIVED = 1_781_278_205_500
SYMBOL = "O:SPY261218C00600000"


def trade(**changes: Any) -> dict[str, Any]:
    made = {"ev": "T", "sym": SYMBOL, "x": 302, "p": 1.25, "s": 3, "c": [209], "t": 1_781_278_205_000, "q": 7}
    return {**made, **changes}


def decoded(decoder: MassiveDecoder, *messages: dict[str, Any]) -> list[Any]:
    return decoder.decode(msgspec.json.encode(messages), RECEIVED)


def test_the_sequence_number_counts_within_contract_and_new_york_day() -> None:
    decoder = MassiveDecoder()
    day = 86_400_000
    found = decoded(decoder, trade(), trade(t=trade()["t"] + day), trade(sym="O:SPY261218P00600000"), trade())
    names = [each.id for each in found]
    assert names[0] == names[3] == "ms_SPY261218C00600000_260612_7"
    assert len(set(names)) == 3


def test_a_quote_is_attached_until_the_connection_is_lost() -> None:
    decoder = MassiveDecoder()
    decoded(decoder, {"ev": "Q", "sym": SYMBOL, "bp": 1.2, "ap": 1.3})
    (before,) = decoded(decoder, trade())
    decoder.connected()
    (after,) = decoded(decoder, trade(q=8))
    assert (before.bid, before.ask) == (1.2, 1.3)
    assert (after.bid, after.ask) == (None, None)


def test_the_quotes_that_are_remembered_have_a_bound() -> None:
    decoder = MassiveDecoder(quote_cache=10)
    quotes = [{"ev": "Q", "sym": f"O:SPY261218C00{n:03d}000", "bp": 1, "ap": 2} for n in range(100, 150)]
    decoded(decoder, *quotes)
    prints = decoded(decoder, *[trade(sym=quote["sym"]) for quote in quotes])
    assert [each.bid for each in prints] == [None] * 40 + [1.0] * 10


def test_unknown_conditions_and_exchanges_are_left_out_and_counted() -> None:
    decoder = MassiveDecoder()
    (found,) = decoded(decoder, trade(c=[219, 1, 999], x=12))
    assert found.conditions == ("S",)
    assert found.exchange == ""
    assert decoder.unknown_conditions == {1: 1, 999: 1}
    assert decoder.unknown_exchanges == {12: 1}


def test_one_damaged_message_of_a_frame_rejects_only_itself() -> None:
    frame = b"[%s,%s,%s]" % (
        json.dumps(trade(q=1)).encode(),
        b'{"ev":"T","sym":5}',
        json.dumps(trade(q=2)).encode(),
    )
    first, wrong, second = MassiveDecoder().decode(frame, RECEIVED)
    assert isinstance(first, Print)
    assert isinstance(second, Print)
    assert wrong == Reject("massive", "The field sym is 5; expected a text.", b'{"ev":"T","sym":5}')


@pytest.mark.parametrize(
    ("field", "value"),
    [("p", -1), ("p", "NaN"), ("p", None), ("p", 10**400), ("s", 0), ("s", 2**31), ("s", 1.5), ("s", True), ("t", -1),
     ("t", 10**17), ("q", -1), ("q", 2**64), ("sym", ""), ("sym", "O:"), ("sym", "O:SPY269918C00600000"), ("c", "x")],
)  # fmt: skip
def test_a_wrong_field_rejects_the_message(field: str, value: object) -> None:
    frame = json.dumps([trade(**{field: value})])
    (found,) = MassiveDecoder().decode(frame, RECEIVED)
    assert isinstance(found, Reject)
    assert found.raw in frame.encode()


@pytest.mark.parametrize("field", ["sym", "p", "s", "t", "q"])
def test_a_missing_field_is_named(field: str) -> None:
    message = trade()
    del message[field]
    (found,) = decoded(MassiveDecoder(), message)
    assert f"The field {field} is missing" in found.reason


def test_named_underlyings_keep_only_their_prints() -> None:
    assert FEED.decoder is not None
    decoder = FEED.decoder(Settings.load(symbols="SPX,QQQ"))
    assert isinstance(decoder, MassiveDecoder)
    found = decoded(decoder, trade(), trade(sym="O:SPXW261218P06000000"), trade(sym="O:QQQ261218P00500000"))
    assert [each.symbol[:4] for each in found] == ["SPXW", "QQQ2"]


class Asked(Server):
    """Remembers what was subscribed to; `answer` is told instead of success."""

    def __init__(self, answer: tuple[str, str] | None = None) -> None:
        super().__init__()
        self.answer = answer
        self.channels: list[str] = []

    async def login(self, socket: ServerConnection) -> bool:
        await self._status(socket, "connected", "Connected Successfully")
        await socket.recv()
        if self.answer is not None:
            await self._status(socket, *self.answer)
            return False
        await self._status(socket, "auth_success", "authenticated")
        self.channels = json.loads(await socket.recv())["params"].split(",")
        await self._status(socket, "success", "subscribed")
        return True


async def opened(server: Asked, symbols: str = "") -> None:
    async with asyncio.timeout(30), server:
        server.plan = [lambda wire: wire.stay()]
        settings = Settings.load(massive_url=server.url, massive_key=KEY, symbols=symbols)
        async with MassiveSession(settings):
            pass


@pytest.mark.parametrize(
    ("symbols", "channels"),
    [("", ["T.*"]), ("SPY,QQQ", ["T.*"]),
     ("SPY261218C00600000", ["Q.O:SPY261218C00600000", "T.O:SPY261218C00600000"]),
     ("O:SPY261218C00600000,QQQ", ["Q.O:SPY261218C00600000", "T.*"])],
)  # fmt: skip
def test_symbols_decide_what_is_subscribed_to(symbols: str, channels: list[str]) -> None:
    server = Asked()
    asyncio.run(opened(server, symbols))
    assert server.channels == channels


def test_more_contracts_than_massive_quotes_are_refused_before_connecting() -> None:
    many = ",".join(f"SPY261218C{n:08d}" for n in range(1_000, 2_001))
    with pytest.raises(SettingsError, match=r"1001 contracts.*quotes of 1000"):
        MassiveSession(Settings.load(massive_key=KEY, symbols=many))


@pytest.mark.parametrize(
    ("status", "for_good"),
    [("auth_failed", True), ("error", True), ("not_authorized", True), ("max_connections", False),
     ("auth_timeout", False)],
)  # fmt: skip
def test_a_refusal_is_final_only_where_another_attempt_would_meet_it_again(
    status: str, for_good: bool
) -> None:
    with pytest.raises(FeedError, match=f"Massive answered {status}: because") as error:
        asyncio.run(opened(Asked((status, "because"))))
    assert isinstance(error.value, FeedRefusedError) == for_good
    assert KEY not in str(error.value)


def test_a_frame_above_the_bound_ends_the_connection() -> None:
    async def scenario() -> None:
        server = Server()
        server.plan = [lambda wire: wire.send(b"x" * (FRAME_BYTES + 1))]
        async with asyncio.timeout(60), server:
            session = MassiveSession(Settings.load(massive_url=server.url, massive_key=KEY))
            async with session:
                with pytest.raises(FeedError, match="more than 8 MiB"):
                    await session.receive()

    asyncio.run(scenario())
