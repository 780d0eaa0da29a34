"""Which window filled the last page of each filter: where the next search of it begins."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from engine.search_plan import FIRST_SPAN_MS, Plan

REMEMBERED: Final = 4_096
"""Filters whose last good window is remembered, by partition; the one longest unused gives way."""

MEMORY_MS: Final = 10_000
"""Exchange time after which a remembered window that spanned everything is no longer trusted."""


class Windows:
    """The windows that filled the last page of each filter: where the next search of it begins. Bounded."""

    def __init__(self, limit: int = REMEMBERED) -> None:
        self._limit = limit
        self._known: OrderedDict[tuple[str, int], tuple[float | None, int]] = OrderedDict()

    def span(self, filter_key: str, partition: int, rows: int, newest: int) -> int | None:
        """Length of the first window for `rows` rows, ms; None is all time."""
        known = self._known.get((filter_key, partition))
        if known is None:
            return FIRST_SPAN_MS
        self._known.move_to_end((filter_key, partition))
        per_row, at = known
        if per_row is None:
            return None if abs(newest - at) <= MEMORY_MS else FIRST_SPAN_MS
        return max(1, int(per_row * rows) + 1)

    def learn(self, filter_key: str, partition: int, rows: int, newest: int, plan: Plan) -> None:
        """Remember how a plan for `rows` rows went."""
        span = plan.span_of_page
        if span is None and not plan.finds_little:
            return
        self._known[filter_key, partition] = (None if span is None else span / rows, newest)
        self._known.move_to_end((filter_key, partition))
        while len(self._known) > self._limit:
            self._known.popitem(last=False)
