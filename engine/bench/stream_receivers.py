"""Clients of the stream as cheap as they can be: a process that connects many, and keeps or counts what comes.

They are no general client: they know the frames that a gateway sends, and take what is in them as it is. What was
kept is decoded when the measuring is over.
"""

from __future__ import annotations

import asyncio
import base64
import os
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

from engine.bench.worker import Verbs
from engine.processes.collector import collect_seldom
from schemas.messages import MSGPACK

CONNECTING: Final = 50
"""Connections that are made at once."""

CONNECT_S: Final = 60.0
"""How long one may take until it is subscribed."""

CLOSE_S: Final = 10.0
"""How long all may take to close."""

KEPT_BYTES: Final = 2 << 30
"""Content of frames that is kept at most; a measurement that gets there fails."""

BINARY, CLOSE, PING, PONG = 2, 8, 9, 10
"""Opcodes of RFC 6455."""

_SNAPSHOT: Final = b"\xa2op\xa8snapshot"
"""How the second byte of a snapshot and the next ones read."""

_BATCH: Final = b"\xa2op\xa5batch"
_ERROR: Final = b"\xa2op\xa5error"


class Visitor(NamedTuple):
    """One client: the token that it comes with, and its first message; empty where none is answered."""

    token: str
    says: bytes


class Mark(NamedTuple):
    """What has come so far."""

    at: float
    """Seconds of the system's monotonic clock."""
    frames: int
    bytes: int
    """Without headers of frames."""
    closed: dict[int, int]
    """Connections that ended without being asked to, by close code; 1006 is without one."""


class Kept(NamedTuple):
    """One frame that came: which client's, when (unix ms), and its content."""

    client: int
    at: float
    content: bytes


class Receivers:
    """The clients of one process. With `keep` the content of all frames is kept, else frames are counted."""

    def __init__(self, keep: bool) -> None:
        self._keep = keep
        self._clients: list[_Client] = []
        self.frames = 0
        self.bytes = 0
        self.closed: Counter[int] = Counter()
        self.sample = b""
        """The content of the last frame that was only counted."""
        self.kept: list[Kept] = []
        self.dropping = False

    def verbs(self) -> Verbs:
        """What a worker of these can be told."""
        return {
            "connect": self.connect,
            "mark": self.mark,
            "drop": self.drop,
            "last": self.last,
            "batches": self.batches,
        }

    async def connect(self, address: str, visitors: Sequence[Visitor]) -> list[str]:
        """Connect and subscribe all; why some could not."""
        parts = urlsplit(address)
        host, port = str(parts.hostname), int(parts.port or 80)
        turns = asyncio.Semaphore(CONNECTING)
        loop = asyncio.get_running_loop()

        async def come(number: int, visitor: Visitor) -> None:
            async with turns, asyncio.timeout(CONNECT_S):
                client = _Client(self, number, visitor, parts.netloc, parts.path)
                await loop.create_connection(lambda: client, host, port)
                self._clients.append(client)
                await client.ready

        done = await asyncio.gather(
            *(come(number, visitor) for number, visitor in enumerate(visitors)), return_exceptions=True
        )
        collect_seldom()
        return [f"{type(error).__name__}: {error}" for error in done if error is not None]

    async def mark(self) -> Mark:
        """What has come so far. Raises RuntimeError where more came than is kept."""
        if self._keep and self.bytes > KEPT_BYTES:
            raise RuntimeError(f"More than {KEPT_BYTES} bytes came; measure for a shorter time.")
        return Mark(time.monotonic(), self.frames, self.bytes, dict(self.closed))

    async def last(self) -> bytes:
        """The content of the last frame that was counted."""
        return self.sample

    async def batches(self) -> int:
        """How many of the kept frames are batches."""
        return sum(frame.content[1:].startswith(_BATCH) for frame in self.kept)

    async def drop(self) -> None:
        """Close all connections, and begin to count anew."""
        self.dropping = True
        clients, self._clients = self._clients, []
        for client in clients:
            client.leave()
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_S):
                await asyncio.gather(*(client.gone for client in clients))
        for client in clients:
            client.cut()
        self.dropping = False
        self.frames = self.bytes = 0
        self.closed.clear()
        self.kept.clear()

    def take(self, client: int, content: bytes) -> None:
        """A message has come."""
        self.frames += 1
        self.bytes += len(content)
        if not self._keep:
            self.sample = content
        elif self.bytes <= KEPT_BYTES:
            self.kept.append(Kept(client, time.time() * 1000, content))


def counters() -> Verbs:
    """The verbs of clients that only count."""
    return Receivers(keep=False).verbs()


class _Client(asyncio.Protocol):
    __slots__ = (
        "_code", "_number", "_open", "_receivers", "_request", "_rest", "_says", "_transport", "gone", "ready",
    )  # fmt: skip

    def __init__(self, receivers: Receivers, number: int, visitor: Visitor, host: str, path: str) -> None:
        loop = asyncio.get_running_loop()
        self._receivers = receivers
        self._number = number
        self._says = visitor.says
        key = base64.b64encode(os.urandom(16)).decode()
        self._request = (
            f"GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n"
            f"Sec-WebSocket-Protocol: {MSGPACK}\r\nAuthorization: Bearer {visitor.token}\r\n\r\n"
        ).encode()
        self._rest = b""
        self._open = False
        self._code = 1006
        self.ready: asyncio.Future[None] = loop.create_future()
        """Done once it gets what it has come for."""
        self.gone: asyncio.Future[None] = loop.create_future()
        self._transport: Any = None

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        transport.write(self._request)

    def connection_lost(self, _exc: Exception | None) -> None:
        if not self.ready.done():
            self.ready.set_exception(ConnectionError("The connection ended before it was subscribed."))
        if not self.gone.done():
            self.gone.set_result(None)
        if not self._receivers.dropping:
            self._receivers.closed[self._code] += 1

    def data_received(self, data: bytes) -> None:
        if self._rest:
            data = self._rest + data
        if not self._open:
            head, found, rest = data.partition(b"\r\n\r\n")
            if not found:
                self._rest = data
                return
            self._upgraded(head)
            data = rest
        at, end = 0, len(data)
        while end - at >= 2:
            length, start = data[at + 1], at + 2
            if length == 126:
                start += 2
                length = int.from_bytes(data[at + 2 : start], "big")
            elif length == 127:
                start += 8
                length = int.from_bytes(data[at + 2 : start], "big")
            if start + length > end:
                break
            content = data[start : start + length]
            if data[at] & 15 == BINARY:
                if self.ready.done():
                    self._receivers.take(self._number, content)
                else:
                    self._first(content)
            else:
                self._control(data[at] & 15, content)
            at = start + length
        self._rest = data[at:]

    def leave(self) -> None:
        """Say goodbye; the server then ends the connection."""
        if not self._transport.is_closing():
            self._transport.write(_masked(CLOSE, (1000).to_bytes(2, "big")))

    def cut(self) -> None:
        """End it, whatever the server does."""
        self._transport.abort()

    def _upgraded(self, head: bytes) -> None:
        """The server has answered the handshake."""
        self._open = True
        if not head.startswith(b"HTTP/1.1 101 "):
            self.ready.set_exception(ConnectionError(head.decode(errors="replace")))
            self._transport.abort()
        elif self._says:
            self._transport.write(_masked(BINARY, self._says))
        else:
            self.ready.set_result(None)

    def _first(self, content: bytes) -> None:
        if content[1:].startswith(_SNAPSHOT):
            self._receivers.take(self._number, content)
            self.ready.set_result(None)
        elif content[1:].startswith(_ERROR):
            self.ready.set_exception(ConnectionError(content.decode(errors="replace")))

    def _control(self, opcode: int, content: bytes) -> None:
        if opcode == PING:
            self._transport.write(_masked(PONG, content))
        elif opcode == CLOSE:
            self._code = int.from_bytes(content[:2], "big")
            self._transport.close()


def _masked(opcode: int, content: bytes) -> bytes:
    """A client's frame; its mask is all zero, so the content is as it was."""
    size = len(content)
    length = bytes([0x80 | size]) if size < 126 else bytes([0x80 | 126]) + size.to_bytes(2, "big")
    return bytes([0x80 | opcode]) + length + bytes(4) + content
