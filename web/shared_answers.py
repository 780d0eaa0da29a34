"""Answers that equal requests share: one is made for all who ask at one time, and it is good for a moment longer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from typing import Any, Final

KEPT: Final = 64
"""Finished answers that are held at most; the oldest gives way."""


class _Answer:
    """One answer: in the making while `done_at` is None, the event loop's time."""

    def __init__(self, task: asyncio.Task[bytes]) -> None:
        self.task = task
        self.waiting = 0
        self.done_at: float | None = None


class SharedAnswers:
    """Makes each answer once for all equal requests, and gives it again for `fresh_s` seconds after it was made.

    A failure is everybody's who waited for it, and nobody's after. Who stops waiting takes the answer from nobody
    else; when the last one does, it is not made any further.
    """

    def __init__(self, fresh_s: float) -> None:
        self._fresh_s = fresh_s
        self._answers: dict[Hashable, _Answer] = {}

    async def get(self, key: Hashable, make: Callable[[], Coroutine[Any, Any, bytes]]) -> bytes:
        """The answer to the requests of a key. Raises what `make` raises."""
        self._forget(asyncio.get_running_loop().time())
        answer = self._answers.get(key) or self._begin(key, make)
        answer.waiting += 1
        try:
            # Unlike awaiting the task itself, this leaves it alone where the waiting is cancelled.
            await asyncio.wait({answer.task})
        finally:
            answer.waiting -= 1
            if not answer.waiting and not answer.task.done():
                self._drop(key, answer)
                answer.task.cancel()
        return answer.task.result()

    def _begin(self, key: Hashable, make: Callable[[], Coroutine[Any, Any, bytes]]) -> _Answer:
        answer = self._answers[key] = _Answer(asyncio.create_task(make()))

        def finish(task: asyncio.Task[bytes]) -> None:
            if task.cancelled() or task.exception() is not None:
                self._drop(key, answer)
            else:
                answer.done_at = task.get_loop().time()

        answer.task.add_done_callback(finish)
        return answer

    def _forget(self, now: float) -> None:
        """Drop what is no longer fresh, and the oldest of what is too much."""
        finished = [
            (answer.done_at, key) for key, answer in self._answers.items() if answer.done_at is not None
        ]
        finished.sort(key=lambda each: each[0], reverse=True)
        for number, (done_at, key) in enumerate(finished):
            if number >= KEPT - 1 or now - done_at > self._fresh_s:
                del self._answers[key]

    def _drop(self, key: Hashable, answer: _Answer) -> None:
        if self._answers.get(key) is answer:
            del self._answers[key]
