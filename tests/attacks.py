"""What the security tests share: a gateway whose log must stay clean, and sockets that say what no client says."""

from __future__ import annotations

import asyncio
import base64
import gc
import io
import logging
import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any

import pytest
import structlog
from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame, Opcode
from websockets.streams import StreamReader

from engine.logs import configure
from engine.settings import Settings
from schemas.messages import MSGPACK, Ping, Pong
from tests.gateways import Gateway, Peer, gateway
from tests.http_gateway import SECRET
from web.wire import Wire

FAULTS = ("Exception in ASGI", "Traceback", "never retrieved", "Fatal error", "Unhandled")
"""What stands in a log where something failed that should not."""

WAIT_S = 30.0
"""After which what is waited for does not come."""


@contextmanager
def clean_log() -> Iterator[None]:
    """What is logged within holds no fault, no token and no secret."""
    root, text = logging.getLogger(), io.StringIO()
    handlers, level = root.handlers[:], root.level
    configure(Settings(log_format="text", log_level="info"), text)
    try:
        yield
        # A task whose failure nobody asked for says so when it is collected.
        gc.collect()
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
        structlog.reset_defaults()
    found = [word for word in (*FAULTS, SECRET, "eyJ") if word in text.getvalue()]
    assert not found, text.getvalue()[-4_000:]


@asynccontextmanager
async def watched(settings: Settings, **changes: Any) -> AsyncIterator[Gateway]:
    """A gateway that serves on whatever was done to it, and whose log holds no fault and no secret."""
    with clean_log():
        async with gateway(settings, **changes) as running:
            yield running
            await serves(running)


async def serves(running: Gateway) -> None:
    """A client of the gateway is answered."""
    async with running.client(user="a bystander") as peer:
        await peer.say(Ping("still there?"))
        assert (await peer.expect(Pong)).t == "still there?"


async def outlet_of(running: Gateway) -> Wire:
    """The gateway's side of its only session, once there is one."""
    async with asyncio.timeout(WAIT_S):
        while not running.services.hub.sessions:  # noqa: ASYNC110 - the hub has no event for it
            await asyncio.sleep(0.01)
    (session,) = running.services.hub.sessions
    outlet = session._outlet
    assert isinstance(outlet, Wire)
    return outlet


async def refused(peer: Peer) -> int:
    """The close code of a connection on which nothing is sent before."""
    async with asyncio.timeout(WAIT_S):
        with pytest.raises(ConnectionClosed) as end:
            await peer.socket.recv()
    assert end.value.rcvd is not None
    return end.value.rcvd.code


class Raw:
    """A TCP connection on which anything can be said."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def send(self, data: bytes) -> None:
        """Send bytes, or leave them unsent."""
        self.writer.write(data)

    def frame(self, opcode: Opcode, data: bytes = b"", fin: bool = True) -> None:
        """Send one frame, masked as a client's is."""
        self.send(Frame(opcode, data, fin).serialize(mask=True))

    async def shake(self, running: Gateway, *headers: str, path: str = "/v1/stream") -> bytes:
        """Ask for a WebSocket; the head of the answer, empty where the connection ended instead."""
        self.send(handshake(running, *headers, path=path))
        return await self.head()

    async def head(self) -> bytes:
        """The head of an answer, empty where the connection ended instead."""
        async with asyncio.timeout(WAIT_S):
            try:
                return await self.reader.readuntil(b"\r\n\r\n")
            except (asyncio.IncompleteReadError, ConnectionError) as error:
                return error.partial if isinstance(error, asyncio.IncompleteReadError) else b""

    def no_more(self) -> None:
        """Nothing more will be said; where the other side is gone already, nothing happens."""
        with suppress(OSError):
            self.writer.write_eof()

    async def until_cut(self, data: bytes) -> None:
        """Say something again and again, until the other side is gone; nothing is read."""
        async with asyncio.timeout(WAIT_S):
            with suppress(ConnectionError):
                while True:
                    self.send(data)
                    await self.writer.drain()
                    await asyncio.sleep(0.02)

    async def rest(self) -> bytes:
        """All that comes until the other side ends the connection."""
        came = bytearray()
        async with asyncio.timeout(WAIT_S):
            with suppress(ConnectionError):
                while data := await self.reader.read(65_536):
                    came += data
        return bytes(came)


@asynccontextmanager
async def raw(running: Gateway, limit: int = 2**16) -> AsyncIterator[Raw]:
    """A connection to a gateway; `limit` bytes and what the systems hold are received, the rest waits."""
    host, _, port = running.address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port), limit=limit)
    try:
        yield Raw(reader, writer)
    finally:
        writer.transport.abort()


def handshake(running: Gateway, *headers: str, path: str = "/v1/stream") -> bytes:
    """A client's request for a WebSocket; a Host or a subprotocol among the headers stands for the usual one."""
    given = {line.partition(":")[0].lower() for line in headers}
    usual = {
        "host": f"Host: {running.address}",
        "sec-websocket-protocol": f"Sec-WebSocket-Protocol: {MSGPACK}",
    }
    lines = [
        f"GET {path} HTTP/1.1",
        *(line for name, line in usual.items() if name not in given),
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        f"Sec-WebSocket-Key: {base64.b64encode(secrets.token_bytes(16)).decode()}",
        *headers,
    ]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def close_code(data: bytes) -> int | None:
    """The code of the close frame that ends what a gateway sent, 1005 for one without; None where there is none."""
    reader = StreamReader()
    reader.feed_data(data)
    reader.feed_eof()
    last: Frame | None = None
    while True:
        parser = Frame.parse(reader.read_exact, mask=False, max_size=None)
        try:
            next(parser)
        except StopIteration as end:
            last = end.value
        except EOFError:
            break
    if last is None or last.opcode is not Opcode.CLOSE:
        return None
    return int.from_bytes(last.data[:2], "big") if last.data else 1005
