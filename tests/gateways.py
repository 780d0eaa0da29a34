"""A real gateway on a free port in the test's own loop, and clients that speak its protocol."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from engine.processes.listening import listen
from engine.settings import Settings
from schemas.messages import ENCODINGS, MSGPACK, Heartbeat, ServerMessage, Subscribe, Welcome
from schemas.trade import COLUMNS
from tests.http_gateway import SECRET
from web.server import open_services, server_of
from web.services import Services

GUARD_S = 60.0
"""A scenario that takes longer hangs."""

M = TypeVar("M")

ID, SEQ, SIDE = COLUMNS.index("id"), COLUMNS.index("seq"), COLUMNS.index("side")


def run(scenario: Coroutine[Any, Any, None]) -> None:
    """Run a scenario; one that hangs fails."""

    async def guarded() -> None:
        async with asyncio.timeout(GUARD_S):
            await scenario

    asyncio.run(guarded())


class Peer:
    """One connected client."""

    def __init__(self, socket: ClientConnection, encoding: str) -> None:
        self.socket = socket
        self._encoding = ENCODINGS[encoding]

    async def say(self, message: Any) -> None:
        """Send a message."""
        frame = self._encoding.encode(message)
        await self.socket.send(frame if self._encoding.binary else frame.decode())

    async def hear(self) -> ServerMessage:
        """The next message that is no heartbeat."""
        while True:
            message = self._encoding.server_message(await self.socket.recv())
            if not isinstance(message, Heartbeat):
                return message

    async def expect(self, kind: type[M]) -> M:
        """The next message, which is of that kind."""
        message = await self.hear()
        assert isinstance(message, kind), message
        return message

    async def subscribe(self, sub: str = "a", wanted: Any = "", **more: Any) -> Any:
        """Subscribe, and the first message of the subscription."""
        await self.say(Subscribe(sub, wanted, **more))
        return await self.hear()

    async def closed(self) -> int:
        """Read until the connection ends; its close code, 1006 where it was cut."""
        try:
            while True:
                await self.socket.recv()
        except ConnectionClosed as end:
            return 1006 if end.rcvd is None else end.rcvd.code

    async def silent(self, seconds: float = 0.3) -> None:
        """Nothing but heartbeats comes for a while."""
        try:
            async with asyncio.timeout(seconds):
                message = await self.hear()
        except TimeoutError:
            return
        raise AssertionError(message)


class Gateway:
    """A running gateway."""

    def __init__(self, services: Services, port: int) -> None:
        self.services = services
        self.address = f"127.0.0.1:{port}"
        self.url = f"ws://{self.address}/v1/stream"

    def token(self, tier: str = "premium", user: str = "ann", lifetime_s: int = 600) -> str:
        """A token of a user."""
        return self.services.access.issue(user, tier, lifetime_s)

    @asynccontextmanager
    async def connected(
        self,
        token: str | None = None,
        encoding: str = MSGPACK,
        headers: dict[str, str] | None = None,
        **options: Any,
    ) -> AsyncIterator[Peer]:
        """A connection, which has not been welcomed yet."""
        more = {} if token is None else {"Authorization": f"Bearer {token}"}
        async with connect(
            self.url,
            subprotocols=[Subprotocol(encoding)],
            additional_headers={**more, **(headers or {})},
            compression=None,
            max_size=2**24,
            **options,
        ) as socket:
            yield Peer(socket, encoding)

    @asynccontextmanager
    async def client(
        self, tier: str = "premium", user: str = "ann", encoding: str = MSGPACK, **options: Any
    ) -> AsyncIterator[Peer]:
        """A client that is let in."""
        async with self.connected(self.token(tier, user), encoding, **options) as peer:
            await peer.expect(Welcome)
            yield peer


@asynccontextmanager
async def gateway(settings: Settings, **changes: Any) -> AsyncIterator[Gateway]:
    """A gateway over the settings' Redis; `changes` are settings."""
    own = Settings.load(
        **{"redis_url": settings.redis_url, "jwt_secret": SECRET, "port": 0, "drain_s": 0.2, **changes}
    )
    with listen(own) as listener:
        async with open_services(own) as services:
            server = server_of(services)
            serving = asyncio.create_task(server.serve([listener]))
            try:
                async with asyncio.timeout(GUARD_S):
                    while not (  # noqa: ASYNC110 - uvicorn has no event for it
                        server.started and (services.hub.available or services.hub.source_error)
                    ):
                        await asyncio.sleep(0.01)
                yield Gateway(services, listener.getsockname()[1])
            finally:
                server.should_exit = True
                await serving


def ids(rows: list[Any]) -> list[str]:
    """The ids of rows."""
    return [row[ID] for row in rows]
