"""Connections that are begun wrongly, never whole, or never ended: each is answered or cut."""

from __future__ import annotations

import asyncio
import os
import time
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from websockets.frames import Opcode

from engine.settings import Settings
from schemas.messages import CloseCode, Ping, Pong
from tests.attacks import close_code, outlet_of, raw, serves, watched
from tests.gateways import run
from web import http_connection, stream, wire


@pytest.mark.parametrize(
    "headers",
    [
        [f"X-{number}: a" for number in range(200)],
        ["X-Long: " + "a" * 9_000],
        ["Authorization: Bearer " + "a" * 8_192],
        ["Sec-WebSocket-Key: short"],
        ["Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==", "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="],
        ["Sec-WebSocket-Version: 8"],
        ["Host: a", "Host: b"],
    ],
    ids=["many", "long", "token", "key", "two keys", "version", "two hosts"],
)
def test_a_handshake_that_is_none_is_answered_and_ended(settings: Settings, headers: list[str]) -> None:
    async def scenario() -> None:
        async with watched(settings) as running, raw(running) as connection:
            head = await connection.shake(running, *headers)
            assert head.startswith(b"HTTP/1.1 4"), head
            assert b"eyJ" not in await connection.rest()

    run(scenario())


@pytest.mark.parametrize(
    "path", ["/", "/v1", "/v1/stream/", "/v1/trades", "/metrics", "/v1/../v1/stream", "/%00"]
)
def test_only_the_stream_takes_websockets(settings: Settings, path: str) -> None:
    async def scenario() -> None:
        async with watched(settings) as running, raw(running) as connection:
            token = running.token()
            head = await connection.shake(running, f"Authorization: Bearer {token}", path=path)
            assert head.startswith((b"HTTP/1.1 403", b"HTTP/1.1 404")), head
            assert await connection.rest() == b""

    run(scenario())


@pytest.mark.parametrize(
    "pieces",
    [
        [],
        [b"GET"],
        [b"GET / HTTP/1.1\r\n", b"Host: a\r\n", b"X-1: a\r\n", b"X-2: b\r\n"],
        [b"PUT /v1/channels/a HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100\r\n\r\n", b"{", b"}"],
    ],
    ids=["nothing", "a word", "headers", "a body"],
)
def test_a_request_that_never_ends_is_cut_however_it_trickles(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, pieces: list[bytes]
) -> None:
    monkeypatch.setattr(http_connection, "REQUEST_S", 0.6)

    async def scenario() -> None:
        async with watched(settings) as running, raw(running) as connection:

            async def trickle() -> None:
                for piece in pieces:
                    connection.send(piece)
                    await asyncio.sleep(0.2)

            _, answer = await asyncio.gather(trickle(), connection.rest())
            assert b" 200 " not in answer

    run(scenario())


def test_a_connection_that_is_kept_may_be_silent_and_then_ask_again(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_connection, "REQUEST_S", 0.5)

    async def scenario() -> None:
        async with watched(settings) as running, raw(running) as connection:
            for _ in range(2):
                connection.send(f"GET /healthz HTTP/1.1\r\nHost: {running.address}\r\n\r\n".encode())
                assert b" 200 " in await connection.head()
                await connection.reader.readexactly(len('{"status":"ok"}'))
                await asyncio.sleep(0.8)
            # The next one trickles.
            connection.send(b"GET /healthz HTTP/1.1\r\n")
            assert await connection.rest() == b""

    run(scenario())


def test_the_time_for_a_request_is_none_for_the_stream_that_it_began(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_connection, "REQUEST_S", 0.3)

    async def scenario() -> None:
        async with watched(settings) as running, running.client() as peer:
            await asyncio.sleep(0.8)
            await peer.say(Ping("still there?"))
            assert (await peer.expect(Pong)).t == "still there?"

    run(scenario())


def test_many_who_never_say_hello_are_sent_away_in_time(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "HELLO_S", 0.5)

    async def scenario() -> None:
        async with watched(settings) as running, AsyncExitStack() as opened:
            peers = [await opened.enter_async_context(running.connected()) for _ in range(100)]
            await serves(running)
            codes = await asyncio.gather(*(peer.closed() for peer in peers))
            assert codes == [CloseCode.NOT_AUTHENTICATED] * 100
            assert not running.services.hub.sessions

    run(scenario())


@pytest.mark.parametrize("opcode", [Opcode.PING, Opcode.PONG, Opcode.CONT], ids=lambda opcode: opcode.name)
@pytest.mark.parametrize("known", [True, False], ids=["a user", "a stranger"])
def test_a_flood_of_frames_that_are_no_messages_ends_the_connection(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, opcode: Opcode, known: bool
) -> None:
    monkeypatch.setattr(wire, "LINGER_S", 0.5)

    async def scenario() -> None:
        async with watched(settings) as running, raw(running, limit=2**20) as connection:
            token = running.token()
            await connection.shake(running, *([f"Authorization: Bearer {token}"] if known else []))
            if opcode is Opcode.CONT:
                connection.frame(Opcode.BINARY, fin=False)
            # Some are allowed again while the first are read.
            for _ in range(2 * wire.CONTROLS_PER_MINUTE):
                connection.frame(opcode, fin=opcode is not Opcode.CONT)
            assert close_code(await connection.rest()) == CloseCode.TOO_MANY

    run(scenario())


def test_a_client_that_pings_and_never_reads_makes_no_heap_of_answers(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wire, "CONTROLS_PER_MINUTE", 1_000_000)

    async def scenario() -> None:
        async with watched(settings, session_buffer=16_384) as running, AsyncExitStack() as opened:
            connection = await opened.enter_async_context(raw(running, limit=1_024))
            token = running.token()
            await connection.shake(running, f"Authorization: Bearer {token}")
            outlet = await outlet_of(running)
            most, sent, deadline = 0, 0, time.monotonic() + 20
            while (not outlet.clogged or sent < 60_000) and time.monotonic() < deadline:
                for _ in range(1_000):
                    connection.frame(Opcode.PING, b"p" * 125)
                sent += 1_000
                await asyncio.sleep(0.01)
                most = max(most, outlet.transport.get_write_buffer_size())
            assert outlet.clogged
            assert most < 262_144

    run(scenario())


@pytest.mark.parametrize("farewell", ["close", "a bad frame"])
def test_who_says_farewell_and_reads_nothing_is_cut(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, farewell: str
) -> None:
    monkeypatch.setattr(wire, "LINGER_S", 0.5)

    async def scenario() -> None:
        async with (
            watched(settings, session_buffer=16_384) as running,
            raw(running, limit=1_024) as connection,
        ):
            token = running.token()
            await connection.shake(running, f"Authorization: Bearer {token}")
            outlet = await outlet_of(running)
            while not outlet.clogged:
                outlet.transport.write(b"\x82\x7f" + (2**20).to_bytes(8, "big") + bytes(2**20))
                await asyncio.sleep(0.01)
            if farewell == "close":
                connection.frame(Opcode.CLOSE, b"\x03\xe8")
            else:
                connection.send(b"\xff" * 20)
            # Nothing is read any more: only that the other side is gone makes writing fail.
            await connection.until_cut(b"\0")
            assert not running.services.hub.sessions

    run(scenario())


def test_who_reads_slowly_but_goes_on_gets_all_of_an_answer(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_connection, "ANSWER_S", 0.2)
    # More than the systems hold by themselves.
    size = 12_000_000
    (tmp_path / "assets").mkdir()
    (tmp_path / "index.html").write_text("<html></html>", encoding="utf-8")
    (tmp_path / "assets" / "large.js").write_bytes(os.urandom(size))

    async def scenario() -> None:
        async with watched(settings, page_dir=tmp_path) as running, raw(running) as connection:
            connection.send(f"GET /assets/large.js HTTP/1.1\r\nHost: {running.address}\r\n\r\n".encode())
            assert b" 200 " in await connection.head()
            came = 0
            while came < size:
                piece = await asyncio.wait_for(connection.reader.read(65_536), 5)
                assert piece, f"cut after {came:,} of {size:,} bytes"
                came += len(piece)
                await asyncio.sleep(0.01)

    run(scenario())


def test_who_asks_and_never_reads_the_answers_is_cut(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_connection, "ANSWER_S", 0.5)

    async def scenario() -> None:
        async with watched(settings) as running, raw(running, limit=1_024) as connection:
            request = f"GET /v1/openapi.json HTTP/1.1\r\nHost: {running.address}\r\n\r\n".encode()
            await connection.until_cut(request * 10)

    run(scenario())
