"""`/v1/stream`: lets clients in, and passes messages between their sockets and the hub."""

from __future__ import annotations

import asyncio
import secrets
from contextlib import suppress
from typing import Any, Final

import structlog
from redis.exceptions import RedisError
from starlette.routing import BaseRoute, WebSocketRoute
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect

from engine.access.connections import WAIT_S
from engine.access.tokens import Identity
from engine.clock import now_ms
from engine.gateway.session import Session, SessionEnd
from engine.metrics import Refusal
from schemas.errors import AccessError, MessageError
from schemas.messages import ENCODINGS, HELLO_S, JSON, SUBPROTOCOLS, CloseCode, Encoding, Hello
from web.access import host_allowed, identify, origin_allowed
from web.services import Services
from web.wire import EXTENSION, Wire

log = structlog.get_logger(__name__)

PATH: Final = "/v1/stream"

LEASE_S: Final = 2.0
"""How long Redis may take to count a connection, or to forget it."""

PLACE_S: Final = WAIT_S + LEASE_S
"""How long a client that would have one connection too many is kept waiting, as a gateway may have died."""


class Stream:
    """The endpoint, as an ASGI application."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._hub = services.hub
        self._conversation = services.conversation

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection until it ends."""
        socket = WebSocket(scope, receive, send)
        encoding = _encoding(scope["subprotocols"])
        # Accepted first: a browser tells its page the code of a close, but not the status of a refused handshake.
        await socket.accept(encoding.subprotocol if scope["subprotocols"] and encoding else None)
        try:
            if encoding is None:
                raise self._refused(
                    Refusal.SUBPROTOCOL, CloseCode.BAD_MESSAGE, f"Ask for {' or '.join(SUBPROTOCOLS)}."
                )
            identity = await self._let_in(socket, scope, encoding)
            await self._serve(socket, identity, encoding)
        except SessionEnd as end:
            _wire(scope).close(end.code, _short(end.message))
        except WebSocketDisconnect:
            pass

    async def _let_in(self, socket: WebSocket, scope: Scope, encoding: Encoding) -> Identity:
        """Who the client is. Raises SessionEnd where it may not come in."""
        settings, access = self._services.settings, self._services.access
        if not origin_allowed(scope, settings) or not host_allowed(scope, settings):
            raise self._refused(Refusal.ORIGIN, CloseCode.FORBIDDEN, "This origin is not allowed.")
        if self._hub.draining:
            raise self._refused(Refusal.DRAINING, CloseCode.GOING_AWAY, "The gateway stops; connect again.")
        try:
            identity = await identify(scope, settings, access)
            if identity is None:
                hello = await self._hello(socket, encoding)
                if hello.token is None:
                    raise AccessError("The hello has no token.")
                identity = await access.identify(hello.token)
        except AccessError as error:
            if error.temporary:
                raise self._refused(Refusal.TOKEN, CloseCode.GOING_AWAY, error.message) from error
            why = Refusal.EXPIRED if error.expired else Refusal.TOKEN
            raise self._refused(why, CloseCode.NOT_AUTHENTICATED, error.message) from error
        return identity

    async def _hello(self, socket: WebSocket, encoding: Encoding) -> Hello:
        try:
            async with asyncio.timeout(HELLO_S):
                message = encoding.client_message(await _next(socket))
        except TimeoutError:
            raise self._refused(
                Refusal.HELLO, CloseCode.NOT_AUTHENTICATED, f"No hello came within {HELLO_S:g} s."
            ) from None
        except MessageError as error:
            raise self._refused(Refusal.BAD_MESSAGE, CloseCode.BAD_MESSAGE, error.message) from error
        if not isinstance(message, Hello):
            raise self._refused(Refusal.HELLO, CloseCode.NOT_AUTHENTICATED, "Say hello first, with a token.")
        return message

    async def _serve(self, socket: WebSocket, identity: Identity, encoding: Encoding) -> None:
        loop = asyncio.get_running_loop()
        wire = _wire(socket.scope)
        session = Session(
            secrets.token_hex(8),
            identity,
            encoding,
            wire,
            self._services.settings,
            self._hub.meter,
            loop.time,
        )
        if not await self._admitted(session):
            raise self._refused(
                Refusal.CONNECTIONS,
                CloseCode.TOO_MANY,
                f"More than {self._services.settings.connections} connections of one user.",
            )
        if self._hub.draining:
            await self._release(session)
            raise self._refused(Refusal.DRAINING, CloseCode.GOING_AWAY, "The gateway stops; connect again.")
        wire.on_unclog = session.unclog
        self._hub.enter(session)
        log.info("session begins", session=session.id, user=identity.user, tier=identity.tier.name)
        code = 0
        try:
            while True:
                await self._conversation.receive(session, await _next(socket), loop.time())
        except WebSocketDisconnect as end:
            code = end.code
        except SessionEnd as end:
            code = end.code
            raise
        finally:
            wire.on_unclog = None
            self._hub.leave(session)
            self._hub.metrics.closes[code].inc()
            log.info("session ends", session=session.id, code=code)
            await self._release(session)

    async def _admitted(self, session: Session) -> bool:
        """Whether the user may have one more connection; counted on this gateway alone while Redis is away."""
        connections, user = self._services.connections, session.identity.user
        at_ms = now_ms()
        try:
            async with asyncio.timeout(LEASE_S):
                if await connections.admit(user, session.id, at_ms):
                    return True
            async with asyncio.timeout(PLACE_S):
                return await connections.await_place(user, session.id, at_ms)
        except (RedisError, OSError):  # TimeoutError is an OSError
            mine = sum(other.identity.user == user for other in self._hub.sessions)
            return mine < self._services.settings.connections

    async def _release(self, session: Session) -> None:
        # Where Redis is away, its lease lapses.
        with suppress(RedisError, OSError):
            async with asyncio.timeout(LEASE_S):
                await self._services.connections.release(session.identity.user, session.id)

    def _refused(self, why: Refusal, code: CloseCode, message: str) -> SessionEnd:
        self._hub.metrics.refused[why].inc()
        self._hub.metrics.closes[code].inc()
        return SessionEnd(code, message)


def routes(services: Services) -> list[BaseRoute]:
    """The stream."""
    return [WebSocketRoute(PATH, Stream(services))]


def _encoding(offered: list[str]) -> Encoding | None:
    """What both sides speak; JSON with a client that names nothing. None where it names only others."""
    if not offered:
        return ENCODINGS[JSON]
    return next((ENCODINGS[name] for name in SUBPROTOCOLS if name in offered), None)


async def _next(socket: WebSocket) -> bytes | str:
    """The next frame's content. Raises WebSocketDisconnect."""
    message = await socket.receive()
    if message["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(message.get("code", 1005), message.get("reason"))
    data: bytes | str | None = message.get("bytes")
    return data if data is not None else message["text"]


def _wire(scope: Scope) -> Wire:
    wire: Any = scope["extensions"][EXTENSION]["wire"]
    assert isinstance(wire, Wire)
    return wire


def _short(reason: str) -> str:
    """A reason that fits into a close frame: 123 bytes."""
    return reason.encode()[:120].decode(errors="ignore")
