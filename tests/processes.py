"""Processes as tests see them: which run, who started them, and whether they are gone."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable

GUARD_S = 60.0
"""What has not happened by then never does: the test fails rather than hangs."""


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
