"""A process of a benchmark that does what it is told over a pipe, and ends when its starter does."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import threading
import time
import traceback
from collections.abc import Awaitable, Callable, Mapping
from multiprocessing.connection import Connection, wait
from typing import Any, Final, Self

import uvloop

Verbs = Mapping[str, Callable[..., Awaitable[Any]]]
"""What a worker can be told."""

ANSWER_S: Final = 600.0
"""How long an answer may take."""

END_S: Final = 10.0
"""How long a worker may take to end before it is killed."""


class Worker:
    """The starter's side. `verbs` is called in the new process, within its event loop, with `arguments`."""

    def __init__(self, verbs: Callable[..., Verbs], *arguments: Any) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_work, args=(theirs, verbs, arguments), daemon=True)
        self._process.start()
        theirs.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._pipe.close()
        if exc[0] is not None:
            # It may be busy with what nobody waits for any more.
            self._process.kill()
        self._process.join(END_S)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()

    @property
    def pid(self) -> int:
        """Its process id."""
        assert self._process.pid is not None
        return self._process.pid

    def ask(self, verb: str, *arguments: Any) -> Any:
        """Tell it something and wait for the answer. Raises RuntimeError where it fails."""
        self.tell(verb, *arguments)
        return self.answer()

    def tell(self, verb: str, *arguments: Any) -> None:
        """Tell it something; `answer` waits for what comes of it."""
        self._pipe.send((verb, arguments))

    def answer(self) -> Any:
        """What came of the last thing it was told. Raises RuntimeError where it failed."""
        if not self._pipe.poll(ANSWER_S):
            raise RuntimeError(f"A process of the benchmark did not answer within {ANSWER_S:g} s.")
        try:
            done, value = self._pipe.recv()
        except EOFError:
            raise RuntimeError("A process of the benchmark ended; its traceback is above.") from None
        if not done:
            raise RuntimeError(f"A process of the benchmark failed.\n{value}")
        return value


def wait_until(fact: Callable[[], object], what: str, timeout_s: float, every_s: float = 0.05) -> None:
    """Wait until something is so. Raises RuntimeError where it is not in time."""
    deadline = time.monotonic() + timeout_s
    while not fact():
        if time.monotonic() > deadline:
            raise RuntimeError(f"{what} did not happen within {timeout_s:g} s.")
        time.sleep(every_s)


def _work(pipe: Connection, verbs: Callable[..., Verbs], arguments: tuple[Any, ...]) -> None:
    # Ctrl-C is for the starter, which then ends this.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_starter, daemon=True).start()
    uvloop.run(_obey(pipe, verbs, arguments))


def _end_with_starter() -> None:
    starter = multiprocessing.parent_process()
    assert starter is not None
    wait([starter.sentinel])
    # Killed: nobody is left who could be told anything.
    os._exit(1)


async def _obey(pipe: Connection, verbs: Callable[..., Verbs], arguments: tuple[Any, ...]) -> None:
    loop = asyncio.get_running_loop()
    known = verbs(*arguments)
    while True:
        try:
            verb, told = await loop.run_in_executor(None, pipe.recv)
        except (EOFError, OSError):
            return
        try:
            answer = True, await known[verb](*told)
        except Exception:
            answer = False, traceback.format_exc()
        try:
            pipe.send(answer)
        except OSError:
            return
