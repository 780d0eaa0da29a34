"""The processes that a parent runs: started, started again where they die, and stopped in order.

Each is a session of its own, so that Ctrl-C in the terminal reaches only the parent, which then stops them; and each
is on a leash (engine/processes/leash.py), so that none outlives the parent, however that ends.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import IO

from engine.processes.stop import Stop
from schemas.errors import FlowtapeError

RESTARTS = 5
"""How often in a row a child is started again before the parent gives up."""

RESTART_FIRST_S, RESTART_LONGEST_S = 0.5, 8.0
"""Pauses before a child is started again double from the first to the longest."""

STABLE_S = 30.0
"""A child that lived this long was in order: the next death counts as the first."""

STOP_S = 15.0
"""How long a child may take to stop before it is killed, unless it says otherwise."""

HURRIED_STOP_S = 1.0
"""The same once the user asked twice."""

STOP_LOOK_S = 0.1
"""Between two looks at children that stop."""

LINES = 20
"""Lines that a child wrote last which are kept; for the reason of its death."""

FINAL_STATUSES = frozenset({2, 3})
"""Exit statuses that starting again would not change: wrong settings, a refused key (schemas/errors.py)."""


@dataclass(frozen=True, slots=True)
class Note:
    """Something that the user should see."""

    at: float
    """Time of the caller's clock, seconds."""
    text: str


class Child:
    """One process: a `flowtape` command with its environment.

    It may take `stop_s` to stop. `heard` is called with each line of its standard error, on a thread that reads them;
    `ended` when it is gone, however it went.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        environment: Mapping[str, str],
        *,
        stop_s: float = STOP_S,
        heard: Callable[[str], None] | None = None,
        ended: Callable[[], None] | None = None,
    ) -> None:
        self.name = name
        self.stop_s = stop_s
        self._heard, self._on_end = heard, ended
        self._command = list(command)
        self._environment = {**os.environ, **environment}
        self._process: subprocess.Popen[bytes] | None = None
        self._started = 0.0
        self._again_at: float | None = None
        self._leash = -1
        self._readers: list[threading.Thread] = []
        self.said: deque[str] = deque(maxlen=LINES)
        """What it wrote last to standard error."""
        self.told: deque[str] = deque(maxlen=1)
        """The last line of its standard output."""
        self.deaths = 0
        """Deaths in a row."""

    @property
    def pid(self) -> int | None:
        """Its process id; None while it does not run."""
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    def start(self, now: float) -> None:
        """Start it; `now` is the caller's clock, seconds."""
        # What one before it said is no reason for the end of this one.
        self.said.clear()
        self.told.clear()
        leash = [sys.executable, "-m", "engine.processes.leash"]
        reading, writing = os.pipe()
        try:
            self._process = subprocess.Popen(
                [*leash, str(reading), str(self.stop_s), *self._command],
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
                pass_fds=(reading,),
            )
        except BaseException:
            os.close(writing)
            raise
        finally:
            os.close(reading)
        self._leash = writing
        self._started, self._again_at = now, None
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        self._readers = [
            threading.Thread(target=_keep_lines, args=(stream, lines, heard), daemon=True)
            for stream, lines, heard in (
                (self._process.stdout, self.told, None),
                (self._process.stderr, self.said, self._heard),
            )
        ]
        for reader in self._readers:
            reader.start()

    def poll(self, now: float) -> str | None:
        """See whether it still runs, and start it again when it is time; a sentence where something happened.

        Raises FlowtapeError with the child's own reason where starting it again is of no use.
        """
        if self._again_at is not None:
            if now < self._again_at:
                return None
            self.start(now)
            return f"{self.name} was started again"
        assert self._process is not None
        status = self._process.poll()
        if status is None:
            return None
        self._ended()
        self.deaths = 1 if now - self._started >= STABLE_S else self.deaths + 1
        reason = self.reason(status)
        if status in FINAL_STATUSES:
            error = FlowtapeError(reason)
            error.exit_status = status
            raise error
        if self.deaths > RESTARTS:
            raise FlowtapeError(
                f"The {self.name} ended {self.deaths} times in a row, so nothing is gained by another start: {reason}"
            )
        pause = min(RESTART_LONGEST_S, RESTART_FIRST_S * 2.0 ** (self.deaths - 1))
        self._again_at = now + pause
        return f"{self.name} ended ({reason.rstrip('.')}); next start in {pause:g} s"

    def reason(self, status: int) -> str:
        """Why it ended: its own sentence, else its last line, else its status."""
        for line in reversed(self.said):
            if line.startswith("flowtape: "):
                return line.removeprefix("flowtape: ")
        if status < 0:
            with suppress(ValueError):
                return f"killed by {signal.Signals(-status).name}"
        return self.said[-1] if self.said else f"exit status {status}"

    def ask_to_stop(self) -> None:
        """Tell it to stop, and not to be started again."""
        self._again_at = None
        if self.pid is not None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGTERM)

    def ask_to_hurry(self) -> None:
        """As a user does who presses Ctrl-C once more; not SIGTERM, which a whole group of processes may have got."""
        if self.pid is not None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGINT)

    def wait(self, timeout_s: float) -> bool:
        """Wait until it is gone; False where it still runs after the time."""
        if self._process is None:
            return True
        try:
            self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return False
        self._ended()
        return True

    def kill(self) -> None:
        """End it and whatever it started, at once."""
        if self.pid is not None:
            with suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)

    def _ended(self) -> None:
        """Free what the dead process held; its last words have been read then."""
        for reader in self._readers:
            reader.join(1.0)
        self._readers = []
        if self._leash >= 0:
            os.close(self._leash)
            self._leash = -1
            if self._on_end is not None:
                self._on_end()


def _keep_lines(stream: IO[bytes], lines: deque[str], heard: Callable[[str], None] | None) -> None:
    with stream:
        for line in stream:
            if text := line.decode(errors="replace").rstrip():
                lines.append(text)
                if heard is not None:
                    heard(text)


class Children:
    """All of them, in the order of starting; they are stopped in the opposite order, or `together`."""

    def __init__(
        self, children: Sequence[Child], stop: Stop | None = None, *, together: bool = False
    ) -> None:
        self.children = list(children)
        self.wish = Stop() if stop is None else stop
        """Once the user has asked twice, children that do not stop are killed soon."""
        self._together = together

    def start(self, now: float) -> None:
        """Start all."""
        for child in self.children:
            child.start(now)

    def poll(self, now: float) -> list[Note]:
        """Look after all; what happened. Raises FlowtapeError where one cannot go on."""
        return [Note(now, text) for child in self.children if (text := child.poll(now))]

    def stop(self) -> list[str]:
        """Stop all, each within its time; the names of those that had to be killed."""
        if self._together:
            return self._stop(self.children)
        return [name for child in reversed(self.children) for name in self._stop([child])]

    def _stop(self, children: Sequence[Child]) -> list[str]:
        for child in children:
            child.ask_to_stop()
        began, left, killed, hurried = time.monotonic(), list(children), [], False
        while left := [child for child in left if not child.wait(0.0)]:
            left[0].wait(STOP_LOOK_S)
            if self.wish.hurry and not hurried:
                # Some know how to hurry: they get as long as the others before they are killed.
                hurried, began = True, time.monotonic()
                for child in left:
                    child.ask_to_hurry()
            waited = time.monotonic() - began
            for child in left:
                if waited >= (HURRIED_STOP_S if hurried else child.stop_s) and child.pid is not None:
                    child.kill()
                    child.wait(STOP_S)
                    killed.append(child.name)
        return killed
