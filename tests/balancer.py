"""A small TCP balancer for one client: each connection goes to the next gateway; it can be cut, or stand still."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from itertools import cycle
from typing import Self

PIECE = 65_536
"""Bytes that are passed on at once."""


class _Line:
    """One connection: two sockets, what one says the other hears."""

    def __init__(self, writers: Sequence[asyncio.StreamWriter]) -> None:
        self._writers = writers
        self.flows = asyncio.Event()
        self.flows.set()

    async def pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass on until either end is gone."""
        with suppress(OSError):
            while data := await reader.read(PIECE):
                await self.flows.wait()
                writer.write(data)
                await writer.drain()
        self.cut()

    def cut(self) -> None:
        """End both sides at once, without a word."""
        self.flows.set()
        for writer in self._writers:
            writer.transport.abort()


class Balancer:
    """Listens on a free port of its own; `ports` are those of the gateways, taken in turn."""

    def __init__(self, ports: Sequence[int]) -> None:
        self._ports = cycle(ports)
        self._lines: set[_Line] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server

    @property
    def url(self) -> str:
        """Where the client connects to."""
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    @property
    def carries(self) -> bool:
        """Whether there is a connection that is not standing still."""
        return any(line.flows.is_set() for line in self._lines)

    def cut(self) -> None:
        """Cut what there is."""
        for line in list(self._lines):
            line.cut()

    def stall(self) -> None:
        """Let what there is stand still: open at both ends, and nothing comes through."""
        for line in self._lines:
            line.flows.clear()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._take, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._server.close()
        self.cut()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        try:
            there_reader, there = await asyncio.open_connection("127.0.0.1", next(self._ports))
        except OSError:
            writer.transport.abort()
            return
        line = _Line((writer, there))
        self._lines.add(line)
        try:
            await asyncio.gather(line.pump(reader, there), line.pump(there_reader, writer))
        finally:
            line.cut()
            self._lines.discard(line)
