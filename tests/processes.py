"""Processes as tests see them: commands that run, what they say, who started them, and whether they are gone."""

from __future__ import annotations

import os
import queue
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

GUARD_S = 60.0
"""What has not happened by then never does: the test fails rather than hangs."""


PROJECT = Path(__file__).parent.parent


class Running:
    """A running `flowtape` command without a terminal, and what it says."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self._lines: queue.Queue[str | None] = queue.Queue()
        self.said: list[str] = []
        self._leaving = threading.Event()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as stream:
            for line in stream:
                self._lines.put(line.rstrip("\n"))
                if self._leaving.is_set():
                    break
        self._lines.put(None)

    def line(self, pattern: str) -> re.Match[str]:
        """The next line that a pattern is found in."""
        deadline = time.monotonic() + GUARD_S
        while True:
            assert time.monotonic() < deadline, f"it does not say {pattern!r}; it said {self.said}"
            line = self._lines.get(timeout=GUARD_S)
            assert line is not None, f"it ended without {pattern!r}; it said {self.said}"
            self.said.append(line)
            if found := re.search(pattern, line):
                return found

    def rest(self) -> list[str]:
        """All lines, to its end."""
        while (line := self._lines.get(timeout=GUARD_S)) is not None:
            self.said.append(line)
        return self.said

    def child(self, word: str) -> int:
        """The process id of a child by a word of its command line."""
        return next(pid for pid, line in children_of(self.process.pid).items() if word in line)

    def leave(self) -> None:
        """Read no more, as `head` does."""
        self._leaving.set()

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal and wait for the end; the exit status."""
        self.process.send_signal(number)
        return self.process.wait(GUARD_S)


R = TypeVar("R", bound=Running)


@contextmanager
def running(arguments: list[str], environment: dict[str, str], kind: type[R]) -> Iterator[R]:
    """Run a `flowtape` command beside the test, with these variables besides its own."""
    # On a leash, so that it ends where the tests are killed.
    reading, writing = os.pipe()
    leash = [sys.executable, "-m", "engine.processes.leash", str(reading), str(GUARD_S)]
    process = subprocess.Popen(
        [*leash, *arguments],
        cwd=PROJECT,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        pass_fds=(reading,),
    )
    os.close(reading)
    try:
        yield kind(process)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                process.wait(GUARD_S)
            process.kill()
            process.wait()
        os.close(writing)


def children_of(pid: int) -> dict[int, str]:
    """The processes that a process started and that still run, with their command lines."""
    listed = subprocess.run(
        ["ps", "-A", "-ww", "-o", "pid=,ppid=,stat=,args="], capture_output=True, text=True, check=True
    ).stdout
    rows = [line.split(None, 3) for line in listed.splitlines()]
    return {
        int(row[0]): row[3] if len(row) > 3 else ""
        for row in rows
        if int(row[1]) == pid and not row[2].startswith("Z")
    }


def state_of(pid: int) -> str:
    """The first letter of a process's state as ps gives it; empty where there is none."""
    said = subprocess.run(
        ["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False
    ).stdout
    return said.strip()[:1]


def runs(pid: int) -> bool:
    """Whether a process is there and no zombie."""
    return state_of(pid) not in ("", "Z")


def hang(pid: int) -> None:
    """Stop a process where it is. A signal that came before it stands still would still be served."""
    os.kill(pid, signal.SIGSTOP)
    until(lambda: state_of(pid) == "T", "the stop of the process")


def until(fact: Callable[[], object], what: str) -> None:
    """Wait until something is so; fails after GUARD_S. For what no event tells, such as a stranger's death."""
    deadline = time.monotonic() + GUARD_S
    while not fact():
        assert time.monotonic() < deadline, f"{what} has not happened within {GUARD_S:g} s"
        time.sleep(0.05)
