"""Which of many filters a trade passes: the third of a filter's executors looks forward, for all of them at once.

For every condition there is a set of the filters that a trade fails by it, so a filter is only in the sets of
what it asks for. A trade is looked up once a field; what is in none of the sets that it meets, it passes.
"""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush
from math import inf, nextafter
from operator import attrgetter
from typing import Any, Final

from engine.match.bits import slots_of
from engine.match.postings import FEW, Postings
from engine.match.thresholds import Thresholds
from schemas.filter import CHOICES, LISTS, NUMBER_LIMIT, RANGES, Filter, Number, Range
from schemas.trade import Trade

FLAGS_REMEMBERED: Final = 256
"""Combinations of flags whose failing filters are remembered until a filter with flags comes or goes."""

_listed_of: Callable[[Any], tuple[Any, ...]] = attrgetter(*LISTS)
_numbers_of: Callable[[Any], tuple[Any, ...]] = attrgetter(*RANGES)
_PLACE: Final = {field: place for place, field in enumerate(RANGES)}


class FilterIndex:
    """Filters by slot, matched together. Not for use by several threads at once."""

    def __init__(self) -> None:
        self._filters: list[Filter | None] = []
        self._numbers: list[int] = []
        self._free: list[int] = []
        self._used = 0
        self._count = 0
        self._lists = [_Asked(0 if field in CHOICES else FEW) for field in LISTS]
        self._excluded = Postings(FEW)
        self._flags_all, self._flags_any, self._flags_none = Postings(0), _Asked(0), Postings(0)
        self._by_flags: dict[tuple[str, ...], int] = {}
        self._ranges = [_Bounded() for _ in RANGES]

    def __len__(self) -> int:
        return self._count

    def add(self, wanted: Filter) -> int:
        """Match this filter from now on; returns its slot, the lowest that is free."""
        slot = self._take_slot(wanted)
        bit = 1 << slot
        self._used |= bit
        self._count += 1
        for values, asked in zip(_listed_of(wanted), self._lists, strict=True):
            asked.add(values, slot)
        self._flags_any.add(wanted.flags_any, slot)
        for postings, values in self._refusals(wanted):
            for value in values:
                postings.add(value, slot)
        for field, bounds in wanted.ranges:
            self._ranges[_PLACE[field]].add(bounds, slot)
        self._forget_flags(wanted)
        return slot

    def remove(self, slot: int) -> None:
        """Match the filter of this slot no more; the slot is free then. Raises KeyError where it is free already."""
        wanted = self._filters[slot] if 0 <= slot < len(self._filters) else None
        if wanted is None:
            raise KeyError(slot)
        self._used ^= 1 << slot
        self._count -= 1
        for values, asked in zip(_listed_of(wanted), self._lists, strict=True):
            asked.remove(values, slot)
        self._flags_any.remove(wanted.flags_any, slot)
        for postings, values in self._refusals(wanted):
            for value in values:
                postings.remove(value, slot)
        for field, bounds in wanted.ranges:
            self._ranges[_PLACE[field]].remove(bounds, slot)
        self._forget_flags(wanted)
        self._give_slot(slot)

    def match(self, trade: Trade) -> list[int]:
        """Slots of all filters that the trade passes, ascending."""
        failed = self._failing_by_flags(trade.flags)
        for value, asked in zip(_listed_of(trade), self._lists, strict=True):
            if asked.slots:
                failed |= asked.slots ^ asked.naming(value)
        if self._excluded:
            failed |= self._excluded.naming(trade.underlying)
        for value, bounded in zip(_numbers_of(trade), self._ranges, strict=True):
            if not bounded.slots:
                continue
            # What is unknown, or no number (NaN), is in no range.
            if value is None or value != value:
                failed |= bounded.slots
                continue
            if bounded.low is not None:
                failed |= bounded.low.above(value)
            if bounded.high is not None:
                failed |= bounded.high.above(-value)
        # Nothing fails that is not in use.
        passed = self._used ^ failed
        return slots_of(passed, self._numbers) if passed else []

    def _failing_by_flags(self, flags: tuple[str, ...]) -> int:
        failed = self._by_flags.get(flags)
        if failed is None:
            failed = self._flags_all.naming_others(flags) | self._flags_none.naming_any(flags)
            failed |= self._flags_any.slots ^ self._flags_any.naming_any(flags)
            if len(self._by_flags) == FLAGS_REMEMBERED:
                self._by_flags.clear()
            self._by_flags[flags] = failed
        return failed

    def _forget_flags(self, wanted: Filter) -> None:
        if wanted.flags_all or wanted.flags_any or wanted.flags_none:
            self._by_flags.clear()

    def _refusals(self, wanted: Filter) -> tuple[tuple[Postings, tuple[str, ...]], ...]:
        """What is looked up by what a trade must have, or must not have, without more."""
        return (
            (self._excluded, wanted.underlying_not),
            (self._flags_all, wanted.flags_all),
            (self._flags_none, wanted.flags_none),
        )

    def _take_slot(self, wanted: Filter) -> int:
        if self._free and self._free[0] < len(self._filters):
            slot = heappop(self._free)
            self._filters[slot] = wanted
            return slot
        # What is still noted as free was given up at the end of the list.
        self._free.clear()
        slot = len(self._filters)
        self._filters.append(wanted)
        self._numbers.append(slot)
        return slot

    def _give_slot(self, slot: int) -> None:
        self._filters[slot] = None
        heappush(self._free, slot)
        while self._filters and self._filters[-1] is None:
            self._filters.pop()
            self._numbers.pop()


class _Asked:
    """The filters that ask for values of one field: one of them is enough."""

    def __init__(self, few: int) -> None:
        self.slots = 0
        self._postings = Postings(few)
        self.naming, self.naming_any = self._postings.naming, self._postings.naming_any

    def add(self, values: tuple[str, ...], slot: int) -> None:
        if values:
            self.slots |= 1 << slot
        for value in values:
            self._postings.add(value, slot)

    def remove(self, values: tuple[str, ...], slot: int) -> None:
        if values:
            self.slots ^= 1 << slot
        for value in values:
            self._postings.remove(value, slot)


class _Bounded:
    """The filters with a range on one field."""

    def __init__(self) -> None:
        self.slots = 0
        self.low: Thresholds | None = None
        self.high: Thresholds | None = None
        """Upper bounds with the sign turned: they are looked up as lower bounds of the value with its sign turned."""

    def add(self, bounds: Range, slot: int) -> None:
        self.slots |= 1 << slot
        low, high = _bounds(bounds)
        if low is not None:
            self.low = self.low or Thresholds()
            self.low.add(low, slot)
        if high is not None:
            self.high = self.high or Thresholds()
            self.high.add(high, slot)

    def remove(self, bounds: Range, slot: int) -> None:
        self.slots ^= 1 << slot
        low, high = _bounds(bounds)
        if low is not None and self.low is not None:
            self.low.remove(low, slot)
            self.low = self.low or None
        if high is not None and self.high is not None:
            self.high.remove(high, slot)
            self.high = self.high or None


def _bounds(bounds: Range) -> tuple[Number | None, Number | None]:
    """Lower bound, and upper bound with its sign turned; both include themselves, None is none."""
    upper = None if bounds.lte is None else -bounds.lte, None if bounds.lt is None else -bounds.lt
    return _including(bounds.gte, bounds.gt), _including(*upper)


def _including(inclusive: Number | None, exclusive: Number | None) -> Number | None:
    """The bound that includes itself, of the two that there may be; None where there is none."""
    if exclusive is None:
        return inclusive
    # Below the limit the next number is the next float: no whole number lies between. From there on it is the next
    # whole number: no float lies between.
    return int(exclusive) + 1 if abs(exclusive) >= NUMBER_LIMIT else nextafter(exclusive, inf)
