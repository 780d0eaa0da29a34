"""The least that a server of WebSockets on uvicorn can do: the same bytes to all who are connected, in a loop."""

from __future__ import annotations

import asyncio
import socket
from typing import Any, Final

import uvicorn

from engine.bench.worker import Verbs
from engine.processes.collector import collect_seldom

IDLE_S: Final = 0.01
"""Between two looks whether it shall send."""

SEND_BUFFER: Final = 131_072
"""Bytes that the system holds for a connection: as many as with the gateway (`web/server.py`)."""


class BareLoop:
    """An ASGI application and the loop that sends."""

    def __init__(self) -> None:
        self._sends: list[Any] = []
        self._payload = b""
        self._server: uvicorn.Server
        self._sending: asyncio.Task[None]

    def verbs(self) -> Verbs:
        """What a worker of it can be told."""
        return {"serve": self.serve, "send": self.send, "rest": self.rest}

    async def serve(self) -> str:
        """Listen on a free port, and begin the loop; the address."""
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        listener.bind(("127.0.0.1", 0))
        config = uvicorn.Config(
            self._app,
            interface="asgi3",
            proxy_headers=False,
            ws="websockets-sansio",
            ws_per_message_deflate=False,
            lifespan="off",
            log_config=None,
            access_log=False,
            backlog=4_096,
        )
        config.load()
        self._server = uvicorn.Server(config)
        # As its `serve` does, which would also take the signals that are for the worker's starter.
        self._server.lifespan = config.lifespan_class(config)
        await self._server.startup([listener])
        self._sending = asyncio.create_task(self._loop())
        collect_seldom()
        return f"http://127.0.0.1:{listener.getsockname()[1]}/"

    async def send(self, payload: bytes) -> None:
        """From now on, send this to all, over and over."""
        self._payload = payload

    async def rest(self) -> None:
        """Send no more."""
        self._payload = b""

    async def _app(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "websocket":
            return
        await receive()
        await send({"type": "websocket.accept"})
        self._sends.append(send)
        try:
            while (await receive())["type"] != "websocket.disconnect":
                pass
        finally:
            self._sends.remove(send)

    async def _loop(self) -> None:
        while True:
            if not self._payload or not self._sends:
                await asyncio.sleep(IDLE_S)
                continue
            message = {"type": "websocket.send", "bytes": self._payload}
            for send in list(self._sends):
                try:
                    await send(message)
                except (OSError, RuntimeError):
                    continue  # Gone; its task takes it off the list.
            await asyncio.sleep(0)


def bare_loop() -> Verbs:
    """The verbs of a server that rests."""
    return BareLoop().verbs()
