"""Opens what a gateway works with, and runs it under uvicorn until it is told to stop."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from types import FrameType

import uvicorn
from redis.exceptions import RedisError

from engine.access.connections import Connections
from engine.access.secret import resolve_secret
from engine.access.tokens import Access
from engine.channels import Channels
from engine.gateway.conversation import Conversation
from engine.gateway.hub import Hub
from engine.gateway.leases import keep_leases
from engine.metrics import GatewayMetrics
from engine.metrics_workers import WorkerFiles
from engine.processes.ending import end
from engine.processes.stop import stop_signals
from engine.search_async import AsyncSearch
from engine.settings import Settings
from engine.store.connect import connect_async
from engine.tracing import Tracing
from schemas.messages import CloseCode
from web.access import listed_origins
from web.app import build
from web.http_connection import HttpConnection
from web.page import open_page
from web.services import Services
from web.stream import LEASE_S
from web.wire import Wire

PING_S, PONG_S = 10.0, 15.0
"""A client is asked whether it is there this often, and gone for us when it is silent for the second."""

REPLY_S = 5.0
"""How long Redis may take to reply before it is taken for hung: longer than a read that waits for announcements."""

SEARCH_SPARE_S = 3.0
"""By how much longer a search may take on its way than in Redis."""

FRAME_BYTES = 1_048_576
"""The longest message that is read at all; `MESSAGE_BYTES` of them are allowed."""

BACKLOG = 4_096
"""Connections that wait to be accepted."""

HTTP_END_S = 5
"""How long requests under way may take when the gateway stops."""

LOOK_S = 0.1
"""Between two looks at whether a gateway that sends its clients away should hurry."""


async def check(settings: Settings) -> None:
    """Raise SettingsError for what would keep a gateway from starting, before anything is started."""
    listed_origins(settings)
    open_page(settings)
    await Access(settings, resolve_secret(settings, settings.host)).aclose()
    if settings.redis_url is not None:
        await connect_async(settings).aclose()


@asynccontextmanager
async def open_services(settings: Settings) -> AsyncIterator[Services]:
    """Everything a gateway works with, started; stopped and closed at the end. Redis may be away."""
    listed_origins(settings)
    page = open_page(settings)
    access = Access(settings, resolve_secret(settings, settings.host))
    metrics = GatewayMetrics(settings.tier_table(), WorkerFiles.from_environment())
    async with AsyncExitStack() as stack:
        stack.push_async_callback(access.aclose)
        searched_s = settings.query_timeout_ms / 1000 + SEARCH_SPARE_S
        reader = connect_async(settings, retries=0, reply_s=REPLY_S)
        aside = connect_async(settings, reply_s=max(REPLY_S, searched_s))
        stack.push_async_callback(reader.aclose)
        stack.push_async_callback(aside.aclose)
        search = AsyncSearch(
            aside, settings.partitions, settings.query_timeout_ms, settings.search_concurrency
        )
        tracing = Tracing.from_settings(settings)
        stack.callback(tracing.close)
        hub = Hub(settings, reader, aside, search, metrics, tracing)
        channels, connections = Channels(aside), Connections(aside, settings)
        conversation = Conversation(hub, channels, search)
        hub.start()
        stack.push_async_callback(hub.stop)
        stack.push_async_callback(_stop_counting, connections)
        tasks = [
            asyncio.create_task(work)
            for work in (conversation.follow_channels(), keep_leases(hub, connections), metrics.run())
        ]
        stack.push_async_callback(end, tasks)
        yield Services(
            settings=settings,
            redis=aside,
            access=access,
            connections=connections,
            search=search,
            channels=channels,
            hub=hub,
            conversation=conversation,
            metrics=metrics,
            page=page,
        )


async def _stop_counting(connections: Connections) -> None:
    # Where Redis is away, the sign of life lapses.
    with suppress(RedisError, OSError):
        async with asyncio.timeout(LEASE_S):
            await connections.stop()


class GatewayServer(uvicorn.Server):
    """uvicorn, which sends the clients of the stream away in small groups before it stops."""

    def __init__(self, config: uvicorn.Config, services: Services) -> None:
        super().__init__(config)
        self._services = services
        self.on_listen: Callable[[], None] | None = None
        """Called once connections are taken."""
        self.stopped_by: int | None = None
        """The signal that ended it."""
        self.is_worker = False
        """Whether a parent stops it. What signals a whole group, as systemd may, reaches it beside its parent: then
        SIGTERM twice is one wish."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """As uvicorn's, but no signal is raised again: that would interrupt the closing of the services."""
        if threading.current_thread() is not threading.main_thread():
            # Signals are the main thread's; who runs a gateway in another one stops it by `should_exit`.
            yield
            return
        before = {number: signal.signal(number, self.handle_exit) for number in stop_signals()}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def handle_exit(self, sig: int, _frame: FrameType | None) -> None:
        """The first signal stops, any other one hurries."""
        self.stopped_by = self.stopped_by or sig
        self.force_exit = self.force_exit or (
            self.should_exit and (sig == signal.SIGINT or not self.is_worker)
        )
        self.should_exit = True

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """uvicorn's own; then tell."""
        await super().startup(sockets)
        if self.on_listen is not None:
            self.on_listen()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take no new connections, drain the stream, then end the rest."""
        for listening in self.servers:
            listening.close()
        hub = self._services.hub
        drain = asyncio.create_task(hub.drain())
        while not drain.done() and not self.force_exit:
            await asyncio.wait({drain}, timeout=LOOK_S)
        if not drain.done():
            await end([drain])
            for session in list(hub.sessions):
                session.close(CloseCode.GOING_AWAY, "The gateway stops; connect again.")
        await super().shutdown(sockets)


def server_of(services: Services) -> GatewayServer:
    """The server of a gateway's app; `serve([listener])` runs it."""
    settings = services.settings
    Wire.buffer_bytes = settings.session_buffer
    return GatewayServer(
        uvicorn.Config(
            build(services),
            http=HttpConnection,
            ws=Wire,
            ws_max_size=FRAME_BYTES,
            ws_ping_interval=PING_S,
            ws_ping_timeout=PONG_S,
            ws_per_message_deflate=False,
            loop="none",
            lifespan="off",
            backlog=BACKLOG,
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=HTTP_END_S,
            timeout_keep_alive=30,
        ),
        services,
    )


async def serve(settings: Settings, listener: socket.socket, on_listen: Callable[[], None]) -> int | None:
    """Serve until a signal, and give that; a second one hurries. `on_listen` is called at the start."""
    # A line at each connection's begin and end is the stream's own, with the session in it.
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
    async with open_services(settings) as services:
        server = server_of(services)
        server.on_listen = on_listen
        server.is_worker = WorkerFiles.from_environment() is not None
        await server.serve([listener])
        return server.stopped_by
