"""What is Alpaca's own: times, identities of trades without an id, subscriptions, error codes."""

from __future__ import annotations

import asyncio
from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.asyncio.server import ServerConnection

from engine.feeds.alpaca import NUMBERED_TRADES, AlpacaDecoder, AlpacaSession, refusal, unix_ns
from engine.settings import Settings
from schemas.errors import DecodeError, FeedRefusedError
from tests.vendors.alpaca import KEY, SECRET, Server

RECEIVED = 1_781_278_205_500


def trade(**changes: Any) -> dict[str, Any]:
    made = {"T": "t", "S": "SPY261218C00600000", "t": "2026-06-12T15:30:05.123456789Z", "p": 1.25, "s": 3, "x": "C",
            "c": "I"}  # fmt: skip
    return {**made, **changes}


def ids(decoder: AlpacaDecoder, *messages: dict[str, Any]) -> list[str]:
    return [each.id for each in decoder.decode(msgpack.packb(messages), RECEIVED)]  # type: ignore[union-attr]


@given(ns=st.integers(1, 4_102_444_799 * 10**9), digits=st.integers(0, 9))
def test_a_time_is_read_to_the_nanosecond_however_many_digits_it_has(ns: int, digits: int) -> None:
    ns -= ns % 10 ** (9 - digits)
    seconds, rest = divmod(ns, 10**9)
    whole = str(msgpack.Timestamp(seconds).to_datetime())[:19].replace(" ", "T")
    fraction = f".{rest:09d}"[: digits + 1] if digits else ""
    if ns:
        assert unix_ns(f"{whole}{fraction}Z") == ns
        assert unix_ns(msgpack.Timestamp(seconds, rest)) == ns


@pytest.mark.parametrize(
    "wrong",
    ["", "now", "2026-06-12", "2026-06-12T15:30:05", "2026-06-12T25:00:00Z", "2026-06-12T15:30:05.Z", None, 5, True,
     "1969-12-31T23:59:59Z", "2100-06-12T15:30:05Z", "٢٠٢٦-06-12T15:30:05Z", "2026-06-12T15:30:05Z\n"],
)  # fmt: skip
def test_what_is_no_time_is_told(wrong: object) -> None:
    with pytest.raises(DecodeError, match="The field t is"):
        unix_ns(wrong)


def test_the_same_trade_has_the_same_id_after_a_reconnect_and_in_another_process() -> None:
    first, second = AlpacaDecoder(), AlpacaDecoder()
    once = ids(first, trade(), trade(), trade(s=4))
    first.connected()
    assert ids(first, trade(), trade(), trade(s=4)) == once
    assert ids(second, trade(), trade(), trade(s=4)) == once
    assert len(set(once)) == 3


@pytest.mark.parametrize(
    "changed",
    [
        {"s": 4},
        {"p": 1.26},
        {"x": "N"},
        {"c": "S"},
        {"S": "SPY261218P00600000"},
        {"t": "2026-06-12T15:30:05.123456788Z"},
    ],
)
def test_a_trade_that_says_anything_else_has_another_id(changed: dict[str, Any]) -> None:
    assert ids(AlpacaDecoder(), trade()) != ids(AlpacaDecoder(), trade(**changed))


def test_the_trades_that_are_numbered_have_a_bound() -> None:
    decoder = AlpacaDecoder()
    first = ids(decoder, trade())
    for number in range(NUMBERED_TRADES // 1_000 + 1):
        ids(decoder, *[trade(s=1 + number * 1_000 + n, p=2.0) for n in range(1_000)])
    assert ids(decoder, trade()) == first


@pytest.mark.parametrize("code", [404, 406, 407, 500])
def test_errors_that_may_pass_are_tried_again(code: int) -> None:
    error = refusal({"T": "error", "code": code, "msg": "because"})
    assert not isinstance(error, FeedRefusedError)
    assert f"error {code}: because" in str(error)


@pytest.mark.parametrize("code", [400, 401, 402, 405, 409, 410, 413, None])
def test_errors_that_another_attempt_would_meet_are_final(code: int | None) -> None:
    error = refusal({"T": "error", "code": code, "msg": "because"})
    assert isinstance(error, FeedRefusedError)
    assert error.remedy


class Asked(Server):
    """Remembers what was subscribed to."""

    asked: dict[str, Any]

    async def login(self, socket: ServerConnection) -> bool:
        await self._tell(socket, {"T": "success", "msg": "connected"})
        await socket.recv()
        await self._tell(socket, {"T": "success", "msg": "authenticated"})
        self.asked = msgpack.unpackb(await socket.recv())
        await self._tell(socket, {"T": "subscription", "trades": [], "quotes": []})
        return True


@pytest.mark.parametrize(
    ("symbols", "trades", "quotes"),
    [("", ["*"], None), ("SPY", ["*"], None), ("SPY261218C00600000", ["SPY261218C00600000"], ["SPY261218C00600000"]),
     ("QQQ,SPY261218C00600000", ["*"], ["SPY261218C00600000"])],
)  # fmt: skip
def test_symbols_decide_what_is_subscribed_to(
    symbols: str, trades: list[str], quotes: list[str] | None
) -> None:
    async def scenario() -> Asked:
        server = Asked()
        server.plan = [lambda wire: wire.stay()]
        async with asyncio.timeout(30), server:
            settings = Settings.load(
                alpaca_url=server.url, alpaca_key=KEY, alpaca_secret=SECRET, symbols=symbols
            )
            async with AlpacaSession(settings):
                pass
        return server

    asked = asyncio.run(scenario()).asked
    assert asked["trades"] == trades
    assert asked.get("quotes") == quotes
