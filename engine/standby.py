"""An indexer as a child process: it takes the partitions that nobody else holds, and stops when told."""

from __future__ import annotations

import asyncio
import os
import sys
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from engine.settings import Settings
from schemas.errors import FlowtapeError

SAID_LINES = 50
"""Last lines of its standard error that are kept, to say why it ended."""

SAID_BYTES = 1 << 20
"""Bytes of one line of it at most."""

STOP_S = 15.0
"""How long it may take to finish its batch after SIGTERM before it is killed; nothing is lost by that."""


class Standby:
    """The running child. `ended` completes when it ends by itself."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._said: deque[str] = deque(maxlen=SAID_LINES)
        self.ended = asyncio.create_task(self._watch())

    async def _watch(self) -> FlowtapeError:
        assert self._process.stderr is not None
        async for line in self._process.stderr:
            self._said.append(line.decode(errors="replace").rstrip())
        status = await self._process.wait()
        said = next((line for line in reversed(self._said) if line), "It said nothing.")
        return FlowtapeError(f"The indexer ended by itself with status {status}: {said}")

    async def stop(self) -> None:
        """Let it finish the batch in hand."""
        with suppress(ProcessLookupError):
            self._process.terminate()
        try:
            async with asyncio.timeout(STOP_S):
                await asyncio.shield(self.ended)
        except TimeoutError:
            with suppress(ProcessLookupError):
                self._process.kill()
            await self.ended


@asynccontextmanager
async def standby_indexer(settings: Settings) -> AsyncIterator[Standby]:
    """Run `flowtape index` beside the body. `settings.redis_url` must be set."""
    assert settings.redis_url is not None
    # The address may hold a password: the environment is not for everyone to read, as a command line is.
    environment = {**os.environ, "FLOWTAPE_REDIS_URL": settings.redis_url}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "engine.cli", "index",
        env=environment, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        # Ctrl-C is for us: what was published is to be indexed before the child stops.
        start_new_session=True,
        limit=SAID_BYTES,
    )  # fmt: skip
    child = Standby(process)
    try:
        yield child
    finally:
        await child.stop()


async def beside(child: Standby | None, work: asyncio.Task[None]) -> None:
    """Await `work`; if the child ends before it, cancel it and raise why."""
    if child is not None:
        await asyncio.wait({work, child.ended}, return_when=asyncio.FIRST_COMPLETED)
        if not work.done():
            work.cancel()
            with suppress(asyncio.CancelledError):
                await work
            raise child.ended.result()
    await work
