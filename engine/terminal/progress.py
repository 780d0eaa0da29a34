"""Shows how many bytes of a known number are done: a bar in a terminal, a line at each quarter elsewhere."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from rich.progress import Progress

MEGABYTE = 1_000_000


class ByteProgress:
    """Called with bytes done and bytes in all; it shows nothing before the first call and after the last."""

    def __init__(self, label: str) -> None:
        self._label = label
        self._bar: Progress | None = None
        self._quarter = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def __call__(self, done: int, total: int) -> None:
        """Show that `done` of `total` bytes are done."""
        if sys.stderr.isatty():
            self._draw(done, total)
        elif total:
            quarter = done * 4 // total
            if quarter > self._quarter:
                self._quarter = quarter
                sys.stderr.write(f"{self._label}: {done / MEGABYTE:.1f} of {total / MEGABYTE:.1f} MB\n")

    def _draw(self, done: int, total: int) -> None:
        if self._bar is None:
            # Rich takes a tenth of a second to import; most commands never show a bar.
            from rich.console import Console
            from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

            columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
            self._bar = Progress(*columns, console=Console(stderr=True), transient=True)
            self._bar.start()
            self._bar.add_task(self._label, total=total)
        self._bar.update(self._bar.task_ids[0], completed=done, total=total)
        if done >= total:
            self._close()

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
