"""Which groups are due when; a heap, each group in it once."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterator

from engine.gateway.subscription import Group


class Schedule:
    """Groups by the time at which they may send again."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Group]] = []
        self._numbers = itertools.count()

    @property
    def next_at(self) -> float | None:
        """When the first group is due; None where none is."""
        return self._heap[0][0] if self._heap else None

    def put(self, group: Group) -> None:
        """Take in a group at its `next_at`, if it is not in already."""
        if not group.scheduled:
            group.scheduled = True
            heapq.heappush(self._heap, (group.next_at, next(self._numbers), group))

    def due(self, now: float) -> Iterator[Group]:
        """Take out the groups whose time has come and that still have members."""
        while self._heap and self._heap[0][0] <= now:
            group = heapq.heappop(self._heap)[2]
            group.scheduled = False
            if group.members:
                yield group
