"""A WebSocket server that plays a gateway by a script a connection: for drops, close codes and silence."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any, Self

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from schemas.messages import (
    ENCODINGS,
    SUBPROTOCOLS,
    Batch,
    ClientMessage,
    ServerMessage,
    Snapshot,
    Subscribe,
    Welcome,
)
from schemas.trade import COLUMNS, Trade
from tests.trade_strategies import a_trade

GUARD_S = 60.0
"""What has not happened by then never does."""

WELCOME = Welcome("ann", "premium", {"delay_s": 0}, "e1", 1_795_280_400_000)


def row(number: int, **fields: Any) -> tuple[Any, ...]:
    """The row of a trade, see `a_trade`."""
    return row_of(a_trade(number, **fields))


def row_of(trade: Trade) -> tuple[Any, ...]:
    """A trade's values in the order of the columns."""
    return tuple(getattr(trade, name) for name in COLUMNS)


def snapshot(sub: str, *numbers: int, pos: str = "p1_0", before: str | None = None) -> Snapshot:
    """A snapshot of trades of these numbers."""
    return Snapshot(sub, [row(number) for number in numbers], pos, before is not None, before, False)


def batch(sub: str, *numbers: int, pos: str, **more: Any) -> Batch:
    """A batch of trades of these numbers."""
    return Batch(sub, [row(number) for number in numbers], pos, **{"skipped": 0, **more})


class Peer:
    """One client as the server sees it."""

    def __init__(self, socket: ServerConnection) -> None:
        self.socket = socket
        self._encoding = ENCODINGS[str(socket.subprotocol)]

    @property
    def bearer(self) -> str | None:
        """What the handshake carried."""
        assert self.socket.request is not None
        return self.socket.request.headers.get("Authorization")

    async def say(self, *messages: ServerMessage) -> None:
        for message in messages:
            frame = self._encoding.encode(message)
            await self.socket.send(frame if self._encoding.binary else frame.decode())

    async def hear(self) -> ClientMessage:
        return self._encoding.client_message(await self.socket.recv())

    async def subscribed(self) -> Subscribe:
        """The next message, which subscribes."""
        heard = await self.hear()
        assert isinstance(heard, Subscribe), heard
        return heard

    async def close(self, code: int, reason: str = "") -> None:
        await self.socket.close(code, reason)

    def drop(self) -> None:
        """Cut the connection without a word."""
        self.socket.transport.abort()

    async def gone(self) -> None:
        """Wait until the client is gone."""
        await self.socket.wait_closed()


Script = Callable[[Peer], Awaitable[None]]


class ScriptedGateway:
    """Serves each connection with the next script; a status instead of one refuses the handshake."""

    def __init__(self, *scripts: Script | HTTPStatus) -> None:
        self._scripts = list(scripts)
        self._accepted: list[Script] = []
        self._server: Server | None = None
        self.failures: list[BaseException] = []
        self.connections = 0

    async def __aenter__(self) -> Self:
        self._server = await serve(
            self._serve,
            "127.0.0.1",
            0,
            compression=None,
            subprotocols=[Subprotocol(name) for name in SUBPROTOCOLS],
            process_request=self._let_in,
            ping_interval=None,
            close_timeout=1,
        )
        return self

    async def __aexit__(self, *exc: object) -> None:
        assert self._server is not None
        self._server.close()
        await self._server.wait_closed()
        if exc[0] is None and self.failures:
            raise self.failures[0]

    @property
    def url(self) -> str:
        assert self._server is not None
        return f"http://127.0.0.1:{next(iter(self._server.sockets)).getsockname()[1]}"

    def _let_in(self, connection: ServerConnection, request: Request) -> Response | None:
        self.connections += 1
        assert request.path == "/v1/stream"
        script = self._scripts.pop(0) if self._scripts else HTTPStatus.NOT_FOUND
        if isinstance(script, HTTPStatus):
            return connection.respond(script, "no")
        self._accepted.append(script)
        return None

    async def _serve(self, socket: ServerConnection) -> None:
        try:
            async with asyncio.timeout(GUARD_S):
                await self._accepted.pop(0)(Peer(socket))
        except ConnectionClosed:
            pass
        except Exception as error:
            self.failures.append(error)
