"""Whatever is said to a gateway: a message of the protocol or a documented close code comes, and others go on."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, suppress
from typing import Any

import msgspec
import pytest
import redis
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from websockets.exceptions import ConnectionClosed
from websockets.frames import Opcode

from engine.settings import Settings
from schemas.filter import FLAGS, LISTS, RANGES
from schemas.messages import ENCODINGS, JSON, MSGPACK, CloseCode, Ping, Pong
from tests.attacks import clean_log, close_code, raw, serves
from tests.gateways import Gateway, gateway
from tests.indexing import NOON, a_print, append, index

ENDS = {CloseCode.BAD_MESSAGE, CloseCode.TOO_MANY, 1007, 1009}
"""How a session may end for what its client said."""

FRAME_ENDS = {*ENDS, CloseCode.NOT_AUTHENTICATED, 1000, 1002, 1005, None}
"""How a connection may end for frames that are none; None is an end without a farewell."""

WORDS = st.sampled_from(
    [
        "op", "sub", "filter", "channel", "since", "snapshot", "before", "limit", "t", "token", "ping", "hello",
        "subscribe", "unsubscribe", "history", "welcome", "a", "SPY", "gte", "lt", "all", "any", "none", "ask", "C",
        "ftlink_" + "0" * 32, "p1_", "$v0", "*", "|", "flags", *LISTS, *RANGES, *FLAGS[:4],
    ]
)  # fmt: skip

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | st.text(max_size=12)
    | st.binary(max_size=12)
    | WORDS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS, inner, max_size=5),
    max_leaves=12,
)

FILTERS = st.dictionaries(st.sampled_from([*LISTS, *RANGES, "flags"]), VALUES, max_size=4) | WORDS | st.text()

MESSAGES = st.one_of(
    VALUES,
    st.fixed_dictionaries(
        {"op": st.just("subscribe"), "sub": st.sampled_from(["a", "b"]), "filter": FILTERS},
        optional={"snapshot": st.integers(-1, 10) | VALUES, "since": st.text(max_size=30) | VALUES},
    ),
    st.fixed_dictionaries(
        {"op": st.just("subscribe"), "sub": WORDS, "channel": st.text(max_size=70) | WORDS}
    ),
    st.fixed_dictionaries({"op": st.just("unsubscribe"), "sub": st.sampled_from(["a", "b"]) | VALUES}),
    st.fixed_dictionaries(
        {"op": st.just("history"), "sub": st.just("a"), "before": st.text() | VALUES, "limit": VALUES}
    ),
    st.fixed_dictionaries({"op": st.just("ping"), "t": VALUES}),
    st.fixed_dictionaries({"op": WORDS}, optional={"sub": VALUES, "filter": VALUES, "token": VALUES}),
)


def encoded(encoding: str, message: Any) -> bytes:
    try:
        return ENCODINGS[encoding].encode(message)
    except (OverflowError, UnicodeEncodeError, ValueError):
        return b"\x00"


NOISE = st.binary(min_size=1, max_size=300)


class Live:
    """A gateway that a whole test talks to, in a loop of its own."""

    def __init__(self, settings: Settings) -> None:
        self._runner = asyncio.Runner()
        self._opened = AsyncExitStack()
        self._settings = settings
        self.running: Gateway

    def __enter__(self) -> Live:
        self._opened.push_async_callback(asyncio.sleep, 0)
        opening = gateway(self._settings, messages_per_minute=40, connections=1_000)
        self.running = self.run(self._opened.enter_async_context(opening))
        return self

    def __exit__(self, *_: object) -> None:
        self.run(serves(self.running))
        self.run(self._opened.aclose())
        self._runner.close()

    def run(self, work: Any) -> Any:
        """What a piece of work gives; one that hangs fails."""

        async def guarded() -> Any:
            async with asyncio.timeout(60):
                return await work

        return self._runner.run(guarded())


@pytest.fixture
def trades(client: redis.Redis, settings: Settings) -> None:
    """Trades that are indexed."""
    append(client, [a_print(n, ts=NOON + n * 1_000) for n in range(1, 11)])
    index(client, settings)


async def talk(running: Gateway, encoding: str, frames: list[bytes], binary: list[bool]) -> None:
    """Say frames to a session: each thing that comes back is a message, and the end has a documented code."""
    async with running.client(encoding=encoding) as peer:
        with suppress(ConnectionClosed):
            for frame, as_bytes in zip(frames, binary, strict=True):
                await peer.socket.send(frame if as_bytes else frame.decode("utf-8", "replace"))
            await peer.say(Ping("the end"))
            while await peer.hear() != Pong("the end"):
                pass
            return
        assert peer.socket.close_code in ENDS, (frames, peer.socket.close_code)


@pytest.mark.usefixtures("trades")
@pytest.mark.parametrize("encoding", [MSGPACK, JSON])
def test_structured_messages_of_any_kind(settings: Settings, encoding: str) -> None:
    with clean_log(), Live(settings) as live:

        @given(st.lists(MESSAGES, min_size=1, max_size=8))
        def talking(messages: list[Any]) -> None:
            frames = [encoded(encoding, message) for message in messages]
            live.run(talk(live.running, encoding, frames, [encoding == MSGPACK] * len(frames)))

        talking()


@pytest.mark.usefixtures("trades")
@pytest.mark.parametrize("encoding", [MSGPACK, JSON])
def test_bytes_of_any_kind(settings: Settings, encoding: str) -> None:
    with clean_log(), Live(settings) as live:

        @given(NOISE | MESSAGES.map(lambda message: encoded(encoding, message)), st.data())
        def talking(frame: bytes, data: st.DataObject) -> None:
            if frame:
                place = data.draw(st.integers(0, len(frame) - 1))
                frame = frame[:place] + data.draw(st.binary(max_size=3)) + frame[place + 1 :]
            live.run(talk(live.running, encoding, [frame], [data.draw(st.booleans())]))

        talking()


def frame_of(opcode: Opcode, data: bytes, fin: bool) -> bytes:
    """A masked frame, also of a kind that there is not."""
    length = bytes((0x80 | len(data),)) if len(data) < 126 else b"\xfe" + len(data).to_bytes(2, "big")
    # A mask of zeros leaves the data as they are.
    return bytes((fin << 7 | opcode,)) + length + bytes(4) + data


FRAMES = st.one_of(
    st.builds(
        frame_of,
        st.sampled_from(list(Opcode)),
        st.binary(max_size=140) | st.just(msgspec.msgpack.encode({"op": "ping", "t": 1})),
        st.booleans(),
    ),
    NOISE,
)


@pytest.mark.usefixtures("trades")
@pytest.mark.parametrize("known", [True, False], ids=["a user", "a stranger"])
def test_frames_of_any_kind(settings: Settings, known: bool) -> None:
    async def scenario(running: Gateway, frames: list[bytes], together: bool) -> None:
        async with raw(running) as connection:
            head = await connection.shake(
                running, *([f"Authorization: Bearer {running.token()}"] if known else [])
            )
            assert b" 101 " in head
            if together:
                connection.send(b"".join(frames))
            else:
                for frame in frames:
                    connection.send(frame)
                    await asyncio.sleep(0)
            connection.frame(Opcode.CLOSE, b"\x03\xe8")
            connection.no_more()
            code = close_code(await connection.rest())
            # A farewell is answered with its own code.
            farewells = {
                int.from_bytes(frame[6:8], "big") for frame in frames if frame[0] & 15 == Opcode.CLOSE
            }
            assert code in FRAME_ENDS | farewells, (frames, code)

    with clean_log(), Live(settings) as live:

        @examples(max_examples=40)
        @given(st.lists(FRAMES, min_size=1, max_size=6), st.booleans())
        def talking(frames: list[bytes], together: bool) -> None:
            live.run(scenario(live.running, frames, together))

        talking()


@pytest.mark.parametrize("kind", ["noise", "almost"])
def test_requests_of_any_kind(settings: Settings, kind: str) -> None:
    lines = st.lists(
        st.sampled_from(
            [
                b"GET / HTTP/1.1", b"GET /v1/stream HTTP/1.1", b"PUT /v1/channels/a HTTP/1.1", b"Host: 127.0.0.1",
                b"Connection: Upgrade", b"Upgrade: websocket", b"Upgrade: h2c", b"Content-Length: 5",
                b"Content-Length: -1",
                b"Transfer-Encoding: chunked", b"Sec-WebSocket-Version: 13", b"", b"5\r\nhello", b"PRI * HTTP/2.0",
                b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==", b"Authorization: Bearer \xff", b"Origin: \x80",
                b"Cookie: flowtape_session=\"",
                b"Expect: 100-continue", b"Sec-WebSocket-Protocol: ,,,",
                b"Sec-WebSocket-Extensions: permessage-deflate",
            ]
        ),
        max_size=9,
    ).map(b"\r\n".join)  # fmt: skip

    async def scenario(running: Gateway, request: bytes) -> None:
        async with raw(running) as connection:
            connection.send(request + b"\r\n\r\n")
            connection.no_more()
            answer = await connection.rest()
            assert answer == b"" or answer.startswith(b"HTTP/1.1 "), answer

    with clean_log(), Live(settings) as live:

        @examples(max_examples=40)
        @given(NOISE if kind == "noise" else lines)
        def asking(request: bytes) -> None:
            live.run(scenario(live.running, request))

        asking()
