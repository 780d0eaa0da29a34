"""Opens what a gateway works with, and runs it under uvicorn until it is told to stop."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import uvicorn

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
from engine.search_async import AsyncSearch
from engine.settings import Settings
from engine.store.connect import connect_async
from engine.tracing import Tracing
from schemas.errors import FlowtapeError, SettingsError
from web.access import listed_origins
from web.app import build
from web.services import Services
from web.wire import Wire

PING_S, PONG_S = 10.0, 15.0
"""A client is asked whether it is there this often, and gone for us when it is silent for the second."""

FRAME_BYTES = 1_048_576
"""The longest message that is read at all; `MESSAGE_BYTES` of them are allowed."""

BACKLOG = 4_096
"""Connections that wait to be accepted."""

SEND_BUFFER = 131_072
"""Bytes that the kernel holds for a connection; without a bound it takes megabytes for one that does not read."""

HTTP_END_S = 5
"""How long requests under way may take when the gateway stops."""


@asynccontextmanager
async def open_services(settings: Settings) -> AsyncIterator[Services]:
    """Everything a gateway works with, started; stopped and closed at the end. Redis may be away."""
    listed_origins(settings)
    access = Access(settings, resolve_secret(settings, settings.host))
    metrics = GatewayMetrics(settings.tier_table(), WorkerFiles.from_environment())
    async with AsyncExitStack() as stack:
        stack.push_async_callback(access.aclose)
        reader, aside = connect_async(settings, retries=0), connect_async(settings)
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
        )


def listen(settings: Settings, *, shared: bool = False) -> socket.socket:
    """A listening socket of the settings' host and port; `shared` ones let several workers listen beside each other.

    Raises FlowtapeError where the address is taken or is none of this machine.
    """
    host, port = settings.host, settings.port
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except OSError as error:
        raise SettingsError(f"FLOWTAPE_HOST {host!r} is no address: {error.strerror}.") from None
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        # Connections inherit it.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        listener.bind(address)
    except OSError as error:
        listener.close()
        raise FlowtapeError(
            f"{host}:{port} cannot be listened on: {error.strerror}.",
            "Choose another with --port or --host, or stop what uses it.",
        ) from error
    return listener


class GatewayServer(uvicorn.Server):
    """uvicorn, which sends the clients of the stream away in small groups before it stops."""

    def __init__(self, config: uvicorn.Config, services: Services) -> None:
        super().__init__(config)
        self._services = services

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take no new connections, drain the stream, then end the rest."""
        for listening in self.servers:
            listening.close()
        if not self.force_exit:
            await self._services.hub.drain()
        await super().shutdown(sockets)


def server_of(services: Services) -> GatewayServer:
    """The server of a gateway's app; `serve([listener])` runs it."""
    settings = services.settings
    Wire.buffer_bytes = settings.session_buffer
    return GatewayServer(
        uvicorn.Config(
            build(services),
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


async def serve(settings: Settings, listener: socket.socket) -> None:
    """Serve until SIGINT or SIGTERM; a second one hurries."""
    async with open_services(settings) as services:
        await server_of(services).serve([listener])
