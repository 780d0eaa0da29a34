"""An indexer beside a piece of work."""

from __future__ import annotations

import asyncio

import pytest
import redis

from engine.processes.standby import beside, standby_indexer
from engine.settings import Settings
from schemas import keys
from schemas.errors import FlowtapeError
from tests.indexing import a_print, append, trades
from tests.processes import runs, until


def test_it_indexes_while_the_work_runs_and_is_gone_after_it(settings: Settings, client: redis.Redis) -> None:
    append(client, [a_print(1), a_print(2)])
    pids: list[int] = []

    async def run() -> None:
        async with standby_indexer(settings) as children:
            pids.extend(child.pid for child in children.children if child.pid)

            async def indexed() -> None:
                await asyncio.to_thread(until, lambda: len(trades(client)) == 2, "indexing")

            await beside(children, asyncio.create_task(indexed()))

    asyncio.run(run())
    assert len(pids) == 1
    assert not runs(pids[0])
    assert client.get(keys.owner(0)) is None


def test_an_indexer_that_cannot_run_ends_the_work_with_its_reason(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLOWTAPE_ASK_FROM", "7")
    cancelled = asyncio.Event()

    async def forever() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise

    async def run() -> None:
        async with standby_indexer(settings) as children:
            await beside(children, asyncio.create_task(forever()))

    with pytest.raises(FlowtapeError, match="ask_from"):
        asyncio.run(run())
    assert cancelled.is_set()


def test_an_error_of_the_work_is_raised_as_it_is() -> None:
    async def fails() -> None:
        raise FlowtapeError("The work failed.")

    async def run() -> None:
        await beside(None, asyncio.create_task(fails()))

    with pytest.raises(FlowtapeError, match="The work failed"):
        asyncio.run(run())
