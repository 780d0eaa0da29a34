"""Tasks end, even where a cancellation is swallowed."""

from __future__ import annotations

import asyncio

from engine.processes.ending import end


def test_a_task_that_swallows_a_cancellation_ends_at_the_next() -> None:
    swallowed = 0

    async def stubborn() -> None:
        nonlocal swallowed
        while True:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                swallowed += 1
                if swallowed == 2:
                    raise

    async def scenario() -> None:
        task = asyncio.create_task(stubborn())
        await asyncio.sleep(0)
        await end([task])
        assert task.cancelled()

    asyncio.run(scenario())
    assert swallowed == 2


def test_a_task_that_failed_keeps_its_error_and_others_end() -> None:
    async def fail() -> None:
        raise ValueError("wrong")

    async def scenario() -> None:
        failed, waiting = asyncio.create_task(fail()), asyncio.create_task(asyncio.Event().wait())
        await asyncio.sleep(0)
        await end([failed, waiting])
        assert isinstance(failed.exception(), ValueError)
        assert waiting.cancelled()

    asyncio.run(scenario())
