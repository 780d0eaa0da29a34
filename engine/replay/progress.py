"""Shows how far a replay is: a bar with rate and time left in a terminal, a line every few seconds elsewhere."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

LINE_S = 5.0
"""How often a line is written where no terminal is."""


class ReplayProgress:
    """Shows one stage after the other on standard error."""

    def __init__(self) -> None:
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._stage = ""
        self._total: int | None = None
        self._done = 0
        self._began = self._line_at = time.monotonic()

    def __enter__(self) -> Self:
        if sys.stderr.isatty():
            self._bar = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("{task.fields[rate]}"),
                TimeRemainingColumn(),
                console=Console(stderr=True),
                transient=True,
            )
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def stage(self, name: str, total: int | None) -> None:
        """Begin a stage of `total` steps, None where that is not known."""
        self._stage, self._total, self._done = name, total, 0
        self._began = self._line_at = time.monotonic()
        if self._bar is not None:
            if self._task is not None:
                self._bar.remove_task(self._task)
            self._task = self._bar.add_task(name, total=total, rate="")

    def at(self, done: int) -> None:
        """So many steps are done."""
        self._done = done
        self._show()

    def advance(self, steps: int) -> None:
        """So many more steps are done."""
        self.at(self._done + steps)

    def left(self, steps: int) -> None:
        """So many steps are left; the first time it is told, that is all of them."""
        self._total = max(self._total or 0, steps)
        self.at(self._total - steps)

    def _show(self) -> None:
        now = time.monotonic()
        rate = self._done / max(now - self._began, 1e-3)
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=self._done, total=self._total, rate=_rate(rate))
        elif self._bar is None and now - self._line_at >= LINE_S:
            self._line_at = now
            print(self._text(rate), file=sys.stderr, flush=True)

    def _text(self, rate: float) -> str:
        of = f" of {self._total:,}" if self._total else ""
        remaining = ""
        if self._total and rate > 0:
            remaining = f", {max(0, self._total - self._done) / rate:,.0f} s left"
        return f"{self._stage}: {self._done:,}{of}, {_rate(rate)}{remaining}"


def _rate(rate: float) -> str:
    return f"{rate:,.0f}/s" if rate >= 10 else f"{rate:.1f}/s"
