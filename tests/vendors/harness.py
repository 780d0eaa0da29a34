"""What a vendor's stand-in must offer, so that tests/test_live_vendors.py can run every live feed against it.

A module `tests/vendors/<vendor>.py` with a class `Server` is found by that alone and meets all scenarios: right
key, wrong key, cut in the middle of a message, garbage, silence. To write one:

1. Derive from `WebSocketVendor` or `TcpVendor` (real sockets on 127.0.0.1), or from `Vendor` for another transport.
2. Set `feed`, the feed's name. `settings(right_key)` returns the settings that lead the feed here: the address
   (`self.port` is known by then) and the right or a wrong key.
3. `login` plays the vendor's side of authentication and subscription on a fresh connection, and returns False
   after it has refused. `refuse_handshake` is for vendors that refuse by HTTP status.
4. `message(n)` is the wire form of the n-th trade (n = 0, 1, ..: each with another identity); `print_id(n)` the id
   that its print must have. `garbage` are messages that no decoder can make sense of.
5. A vendor that cannot be given a wrong key sets `has_key = False`.

A test gives the server its `plan`: one coroutine function for each connection that logs in, the last one for all
further ones. It is called with a `Wire`, and the connection stays open until it returns or cuts.
"""

from __future__ import annotations

import asyncio
import random
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Sequence
from http import HTTPStatus
from typing import Any, Self

from websockets.asyncio.server import Server as SocketServer
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

Message = bytes | str


class Wire(ABC):
    """One logged-in connection, as a plan drives it."""

    @abstractmethod
    async def send(self, message: Message) -> None:
        """Send a whole message."""

    @abstractmethod
    async def cut(self, message: Message) -> None:
        """Send the first half of a message's bytes on the wire, and tear the connection down."""

    async def stay(self) -> None:
        """Say nothing more, and keep the connection open until the server stops."""
        await asyncio.Event().wait()


Turn = Callable[[Wire], Awaitable[None]]


class Vendor(ABC):
    """A stand-in for one vendor; `async with` listens."""

    feed: str
    has_key = True
    garbage: Sequence[Message] = ()

    def __init__(self) -> None:
        self.port = 0
        self.plan: list[Turn] = []
        self.attempts = 0
        """Connections that were begun."""
        self.logins = 0
        """Connections that logged in."""

    @abstractmethod
    def settings(self, right_key: bool) -> dict[str, Any]:
        """Settings that lead the feed here."""

    @abstractmethod
    def message(self, n: int) -> Message:
        """The wire form of the n-th trade."""

    @abstractmethod
    def print_id(self, n: int) -> str:
        """The id of the n-th trade's print."""

    @abstractmethod
    async def __aenter__(self) -> Self: ...

    @abstractmethod
    async def __aexit__(self, *exc: object) -> None: ...

    async def follow_plan(self, wire: Wire) -> None:
        """Give a logged-in connection its turn."""
        turn = self.plan[min(self.logins, len(self.plan) - 1)]
        self.logins += 1
        await turn(wire)


class _SocketWire(Wire):
    def __init__(self, socket: ServerConnection) -> None:
        self._socket = socket

    async def send(self, message: Message) -> None:
        await self._socket.send(message)

    async def cut(self, message: Message) -> None:
        data = message.encode() if isinstance(message, str) else message
        # RFC 6455: FIN and opcode, 16-bit length, payload; the half of which arrives.
        head = bytes([0x81 if isinstance(message, str) else 0x82, 126]) + len(data).to_bytes(2, "big")
        self._socket.transport.write(head + data[: len(data) // 2])
        self._socket.transport.close()
        await self._socket.wait_closed()


class WebSocketVendor(Vendor):
    """A vendor that speaks over WebSocket; `self.url` is its address."""

    _server: SocketServer

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/stream"

    async def login(self, socket: ServerConnection) -> bool:
        """Authenticate and subscribe; False after refusing."""
        return True

    def refuse_handshake(self, request: Request) -> HTTPStatus | None:
        """The status to refuse a handshake with."""
        return None

    async def __aenter__(self) -> Self:
        self._server = await serve(
            self._connection,
            "127.0.0.1",
            0,
            process_request=self._handshake,
            compression=None,
            close_timeout=0.1,
        )
        self.port = next(iter(self._server.sockets)).getsockname()[1]
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._server.close()
        for socket in self._server.connections:
            socket.transport.abort()
        await self._server.wait_closed()

    def _handshake(self, connection: ServerConnection, request: Request) -> Response | None:
        status = self.refuse_handshake(request)
        if status is None:
            return None
        self.attempts += 1
        return connection.respond(status, "refused\n")

    async def _connection(self, socket: ServerConnection) -> None:
        self.attempts += 1
        try:
            if await self.login(socket):
                turn = asyncio.create_task(self.follow_plan(_SocketWire(socket)))
                gone = asyncio.create_task(socket.wait_closed())
                await asyncio.wait({turn, gone}, return_when=asyncio.FIRST_COMPLETED)
                for task in (turn, gone):
                    task.cancel()
                await asyncio.gather(turn, gone, return_exceptions=True)
        except ConnectionClosed:
            pass


class _TcpWire(Wire):
    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer

    async def send(self, message: Message) -> None:
        self._writer.write(message.encode() if isinstance(message, str) else message)
        await self._writer.drain()

    async def cut(self, message: Message) -> None:
        await self.send(message[: len(message) // 2])
        self._writer.close()


class TcpVendor(Vendor):
    """A vendor that speaks over plain TCP."""

    _server: asyncio.Server

    async def login(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Authenticate and subscribe; False after refusing."""
        return True

    async def __aenter__(self) -> Self:
        self._tasks: set[asyncio.Task[None]] = set()
        self._server = await asyncio.start_server(self._accepted, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._connection(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.attempts += 1
        try:
            if await self.login(reader, writer):
                await self.follow_plan(_TcpWire(writer))
        except (OSError, EOFError):
            pass
        finally:
            writer.close()


def damaged(message: Message, seed: int) -> bytes:
    """A message with a few of its bytes changed, removed or doubled; the same for the same seed."""
    rng = random.Random(seed)
    data = bytearray(message.encode() if isinstance(message, str) else message)
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(data)) if data else 0
        match rng.randrange(5):
            case 0 if data:
                data[at] = rng.randrange(256)
            case 1:
                data[at:at] = rng.randbytes(rng.randint(1, 8))
            case 2:
                del data[at : at + rng.randint(1, 8)]
            case 3:
                del data[at:]
            case _:
                data[at:at] = data[at : at + 16]
    return bytes(data)
