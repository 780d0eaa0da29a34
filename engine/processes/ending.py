"""Ends asyncio tasks for certain."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

AGAIN_S = 0.25
"""Between two attempts to cancel a task."""


async def end(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancel tasks until each has ended; their results and errors are left in them.

    Once is not enough: before Python 3.12 `asyncio.wait_for`, which the Redis client uses, can swallow a
    cancellation that comes at the moment at which what it waits for is done.
    """
    pending = {task for task in tasks if not task.done()}
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=AGAIN_S)
