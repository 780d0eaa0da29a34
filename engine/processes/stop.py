"""The user's wish to stop a parent of processes: the first signal asks, the second one hurries."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType


def stop_signals() -> tuple[signal.Signals, ...]:
    """What asks a command to stop: Ctrl-C, SIGTERM, and the end of its terminal unless nohup has that ignored."""
    ignored = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    return (signal.SIGINT, signal.SIGTERM) if ignored else (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stop:
    """What signals have asked for. Plain values: a handler that takes a lock may wait for the code it interrupts."""

    def __init__(self) -> None:
        self.asked = False
        self.hurry = False
        self.signal: int | None = None
        """The first one."""

    def ask(self, number: int, _frame: FrameType | None = None) -> None:
        """What a signal does; a program may ask by itself where its terminal has gone."""
        if self.asked:
            self.hurry = True
        self.signal = self.signal or number
        self.asked = True

    def wait(self, seconds: float) -> bool:
        """Let the time pass; whether a stop was asked for. A signal may be noticed at its end only."""
        if not self.asked:
            time.sleep(seconds)
        return self.asked

    @property
    def exit_status(self) -> int:
        """As shells count: 130 after Ctrl-C, 143 after SIGTERM."""
        return 128 + (self.signal or 0)

    def listen(self, numbers: Sequence[signal.Signals]) -> None:
        """Be what these signals do from now on."""
        for number in numbers:
            signal.signal(number, self.ask)


@contextmanager
def signals_restored(numbers: Sequence[signal.Signals]) -> Iterator[None]:
    """Puts the handlers back at the end, when Redis has been stopped: until then a signal must not interrupt."""
    before = {number: signal.getsignal(number) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
