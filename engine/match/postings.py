"""Which slots name a value of a field: a ticker, a contract, a side, a flag."""

from __future__ import annotations

from typing import Final

from engine.match.bits import bits_of, slots_of

FEW: Final = 16
"""Slots of one value that are kept one by one; with more they are kept as a bitset.

A bitset costs a byte for eight slots of the whole index, whatever is in it: as many bitsets as there are tickers
would take memory that grows with the square of the number of filters.
"""


class Postings:
    """Sets of slots by value. A slot names a value at most once.

    `few` is FEW where users may name any value, 0 where only some values exist.
    """

    def __init__(self, few: int) -> None:
        self._limit = few
        self._few: dict[str, set[int]] = {}
        self._many: dict[str, int] = {}

    def __bool__(self) -> bool:
        return bool(self._few or self._many)

    def add(self, value: str, slot: int) -> None:
        """Note that a slot names a value."""
        if value in self._many:
            self._many[value] |= 1 << slot
            return
        slots = self._few.setdefault(value, set())
        slots.add(slot)
        if len(slots) > self._limit:
            self._many[value] = bits_of(slots, max(slots) + 1)
            del self._few[value]

    def remove(self, value: str, slot: int) -> None:
        """Take back what `add` noted."""
        if value in self._few:
            slots = self._few[value]
            slots.remove(slot)
            if not slots:
                del self._few[value]
            return
        bits = self._many[value] ^ 1 << slot
        # Half of what turns a set into a bitset: one that comes and goes at the bound does not turn each time.
        if bits.bit_count() * 2 > self._limit:
            self._many[value] = bits
            return
        del self._many[value]
        if bits:
            self._few[value] = set(slots_of(bits, range(bits.bit_length())))

    def naming(self, value: str) -> int:
        """The set of the slots that name a value."""
        bits = self._many.get(value)
        if bits is not None:
            return bits
        slots = self._few.get(value)
        return bits_of(slots, max(slots) + 1) if slots else 0

    def naming_any(self, values: tuple[str, ...]) -> int:
        """The set of the slots that name one of the values or more."""
        bits = 0
        for value in values:
            bits |= self.naming(value)
        return bits

    def naming_others(self, values: tuple[str, ...]) -> int:
        """The set of the slots that name a value beside these. Looks at every value that is named."""
        bits = 0
        for value in (*self._many, *self._few):
            if value not in values:
                bits |= self.naming(value)
        return bits
