"""Puts the events of a file in the order of exchange time, however many there are.

A file may be grouped by contract. Up to a bound the events are sorted in memory; beyond it sorted runs go to
temporary files, which are merged on reading. Reference data comes before all prints, and events of one time
keep the order of the file.
"""

from __future__ import annotations

import heapq
import tempfile
from collections.abc import Callable, Iterable, Iterator
from io import BufferedIOBase
from operator import itemgetter
from pathlib import Path
from typing import Self

import msgspec

from schemas.errors import FlowtapeError
from schemas.print import Print, Reference

SORT_EVENTS = 200_000
"""Events sorted in memory at once, some 100 MB."""

RUNS = 64
"""Runs, and so open files, at most; when there are more, they are merged into one."""

Ordered = Print | Reference
Keyed = tuple[int, Ordered]
"""Exchange time, unix ms, and the event; reference data has `FIRST`."""

FIRST = -1

_HEADER = 5
_encode = msgspec.msgpack.Encoder().encode
_decoders: dict[bytes, Callable[[bytes], Ordered]] = {
    b"d": msgspec.msgpack.Decoder(Print).decode,
    b"r": msgspec.msgpack.Decoder(Reference).decode,
}


def key(event: Ordered) -> int:
    """What an event is sorted by."""
    return event.ts if isinstance(event, Print) else FIRST


class EventOrder:
    """Takes events in any order and gives them back sorted, as often as it is iterated. Use it as `with`."""

    def __init__(self, limit: int = SORT_EVENTS, runs: int = RUNS) -> None:
        self._limit, self._most_runs = limit, runs
        self._held: list[Ordered] = []
        self._sorted = True
        self._runs: list[Path] = []
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._made = 0
        self._count = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None

    def __len__(self) -> int:
        return self._count

    def add(self, event: Ordered) -> None:
        """Take one event. Raises FlowtapeError where the temporary folder is full."""
        self._held.append(event)
        self._sorted = False
        self._count += 1
        if len(self._held) >= self._limit:
            self._spill()

    def __iter__(self) -> Iterator[Ordered]:
        if not self._sorted:
            self._held.sort(key=key)
            self._sorted = True
        if not self._runs:
            return iter(self._held)
        held = ((key(event), event) for event in self._held)
        # Runs come in the order of the file, and `merge` prefers the earlier one where times are equal.
        return (event for _, event in heapq.merge(*map(_read, self._runs), held, key=itemgetter(0)))

    def _spill(self) -> None:
        self._held.sort(key=key)
        self._runs.append(self._write((key(event), event) for event in self._held))
        self._held.clear()
        self._sorted = True
        if len(self._runs) >= self._most_runs:
            merged = self._write(heapq.merge(*map(_read, self._runs), key=itemgetter(0)))
            for run in self._runs:
                run.unlink()
            self._runs = [merged]

    def _write(self, events: Iterable[Keyed]) -> Path:
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="flowtape-replay-")
        self._made += 1
        path = Path(self._folder.name) / f"{self._made}.run"
        try:
            with path.open("wb") as file:
                for _, event in events:
                    data = _encode(event)
                    file.write((b"d" if isinstance(event, Print) else b"r") + len(data).to_bytes(4, "big"))
                    file.write(data)
        except OSError as error:
            raise FlowtapeError(
                f"The events cannot be sorted in {path.parent}: {error.strerror or error}.",
                "Name a folder with room in TMPDIR: a million trades take about 150 MB.",
            ) from None
        return path


def _read(path: Path) -> Iterator[Keyed]:
    with path.open("rb") as file:
        yield from _read_events(file)


def _read_events(file: BufferedIOBase) -> Iterator[Keyed]:
    while header := file.read(_HEADER):
        event = _decoders[header[:1]](file.read(int.from_bytes(header[1:], "big")))
        yield key(event), event
