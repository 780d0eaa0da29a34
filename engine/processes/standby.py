"""An indexer beside a piece of work: it takes the partitions that nobody else holds, and ends with the work."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from engine.processes.children import Child, Children
from engine.settings import Settings
from schemas.errors import FlowtapeError

WATCH_S = 0.25
"""How often the indexer is looked after."""


@asynccontextmanager
async def standby_indexer(settings: Settings) -> AsyncIterator[Children]:
    """Run `flowtape index` as a child, which finishes its batch at the end. `settings.redis_url` must be set."""
    assert settings.redis_url is not None
    # In the environment, not on the command line, which everyone may read: the address may hold a password.
    children = Children([Child("indexer", ["index"], {"FLOWTAPE_REDIS_URL": settings.redis_url})])
    children.start(time.monotonic())
    try:
        yield children
    finally:
        await asyncio.to_thread(children.stop)


async def beside(children: Children | None, work: asyncio.Task[None]) -> None:
    """Await `work` and look after the children: one that died is started again.

    Raises FlowtapeError with the child's own reason where it cannot go on; `work` is cancelled then, as it is
    when this is cancelled.
    """
    try:
        while not work.done():
            await asyncio.wait({work}, timeout=WATCH_S)
            if children is not None:
                children.poll(time.monotonic())
    except (FlowtapeError, asyncio.CancelledError):
        work.cancel()
        with suppress(asyncio.CancelledError):
            await work
        raise
    await work
