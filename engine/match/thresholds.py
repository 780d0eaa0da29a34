"""Which slots have a threshold above a value: sorted runs of thresholds, with a bitset at each boundary."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from operator import add
from typing import Final

from engine.match.bits import bits_of
from schemas.filter import Number

RUNS: Final = 128
"""Runs at most, and so bitsets that are held; `add` and `remove` change up to half of them.

As long as there are no more different thresholds than this, each is a run of its own, and an answer lies ready.
"""

RELIEF: Final = 8
"""A run of several thresholds is compared with the others whenever so many more have come into it."""


class Thresholds:
    """One number a slot at most; 5 and 5.0 are the same number."""

    def __init__(self) -> None:
        # A run is two lists side by side, sorted by number, then by slot. Its lowest and highest number stand in
        # `_lows` and `_highs`. Boundary i is below run i; there is one above the last run too. `_sets[i]` holds all
        # slots above boundary i; but for boundaries below the middle it holds those below, so that a slot that comes
        # or goes changes only the sets from its run to the middle.
        self._runs: list[tuple[list[Number], list[int]]] = []
        self._lows: list[Number] = []
        self._highs: list[Number] = []
        self._sets: list[int] = [0]
        self._middle = 0
        self._all = 0

    def __bool__(self) -> bool:
        return bool(self._runs)

    def above(self, value: Number) -> int:
        """The set of the slots whose threshold is above a value."""
        i = bisect_right(self._highs, value)
        higher = self._sets[i] if i >= self._middle else self._all ^ self._sets[i]
        if not higher or self._lows[i] > value:
            return higher
        # The value falls into run i.
        numbers, slots = self._runs[i]
        cut = bisect_right(numbers, value)
        # Bits are set for the shorter part of the run only: the longer one is the rest.
        if cut * 2 < len(slots):
            return higher ^ bits_of(slots[:cut], self._all.bit_length())
        return self._above(i + 1) | bits_of(slots[cut:], self._all.bit_length())

    def _above(self, i: int) -> int:
        return self._sets[i] if i >= self._middle else self._all ^ self._sets[i]

    def add(self, number: Number, slot: int) -> None:
        """Give a slot its threshold."""
        i = self._run_for(number)
        numbers, slots = self._runs[i]
        start, end = bisect_left(numbers, number), bisect_right(numbers, number)
        place = bisect_left(slots, slot, start, end)
        numbers.insert(place, number)
        slots.insert(place, slot)
        self._lows[i], self._highs[i] = numbers[0], numbers[-1]
        self._flip(i, slot)
        if numbers[0] != numbers[-1]:
            self._relieve(i)

    def remove(self, number: Number, slot: int) -> None:
        """Take back what `add` was given."""
        i = bisect_left(self._highs, number)
        numbers, slots = self._runs[i]
        place = bisect_left(slots, slot, bisect_left(numbers, number), bisect_right(numbers, number))
        del numbers[place], slots[place]
        self._flip(i, slot)
        if numbers:
            self._lows[i], self._highs[i] = numbers[0], numbers[-1]
        else:
            del self._runs[i], self._lows[i], self._highs[i]
            self._remove_boundary(i)

    def _flip(self, i: int, slot: int) -> None:
        """Put a slot into run i, or out of it."""
        bit = 1 << slot
        self._all ^= bit
        start, end = (self._middle, i + 1) if i >= self._middle else (i + 1, self._middle)
        self._sets[start:end] = [bits ^ bit for bits in self._sets[start:end]]

    def _insert_boundary(self, i: int, above: int) -> None:
        if i < self._middle:
            self._sets.insert(i, self._all ^ above)
            self._middle += 1
        else:
            self._sets.insert(i, above)
        self._keep_middle()

    def _remove_boundary(self, i: int) -> None:
        del self._sets[i]
        if i < self._middle:
            self._middle -= 1
        self._keep_middle()

    def _keep_middle(self) -> None:
        wanted = len(self._runs) // 2
        if self._middle < wanted:
            self._sets[self._middle] ^= self._all
            self._middle += 1
        elif self._middle > wanted:
            self._middle -= 1
            self._sets[self._middle] ^= self._all

    def _run_for(self, number: Number) -> int:
        """The run that a number belongs into: the one around it, else a new one, else the smaller neighbour."""
        i = bisect_left(self._highs, number)
        if i < len(self._runs) and self._lows[i] <= number:
            return i
        if len(self._runs) < RUNS:
            self._runs.insert(i, ([], []))
            self._lows.insert(i, number)
            self._highs.insert(i, number)
            self._insert_boundary(i, self._above(i))
            return i
        if i == len(self._runs) or (i and len(self._runs[i - 1][0]) < len(self._runs[i][0])):
            return i - 1
        return i

    def _relieve(self, i: int) -> None:
        """Split a run of several numbers if there is room, or if two neighbours together are less than half of it."""
        if len(self._runs) == RUNS:
            if len(self._runs[i][0]) % RELIEF:
                return
            sizes = [len(numbers) for numbers, _ in self._runs]
            together = list(map(add, sizes, sizes[1:]))
            smallest = min(together)
            if sizes[i] <= 2 * smallest:
                return
            j = together.index(smallest)
            self._join(j)
            i -= j < i
        self._split(i)

    def _join(self, i: int) -> None:
        numbers, slots = self._runs[i + 1]
        self._runs[i][0].extend(numbers)
        self._runs[i][1].extend(slots)
        self._highs[i] = self._highs[i + 1]
        del self._runs[i + 1], self._lows[i + 1], self._highs[i + 1]
        self._remove_boundary(i + 1)

    def _split(self, i: int) -> None:
        """Split a run between two different numbers, as near to its middle as they allow."""
        numbers, slots = self._runs[i]
        middle = numbers[len(numbers) // 2]
        start, end = bisect_left(numbers, middle), bisect_right(numbers, middle)
        cut = start if start and (end == len(numbers) or start + end >= len(numbers)) else end
        upper = self.above(numbers[cut - 1])
        self._runs.insert(i + 1, (numbers[cut:], slots[cut:]))
        self._lows.insert(i + 1, numbers[cut])
        self._highs.insert(i + 1, numbers[-1])
        del numbers[cut:], slots[cut:]
        self._highs[i] = numbers[-1]
        self._insert_boundary(i + 1, upper)
