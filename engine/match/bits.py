"""Sets of slots as Python integers: slot n is bit n."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import compress
from typing import Final

DENSE: Final = 10
"""Where one slot or more of so many is in the set, testing all of them is cheaper than finding each."""

_OF_BYTE: Final = tuple(tuple(bit for bit in range(8) if byte >> bit & 1) for byte in range(256))
_TO_BOOLS: Final = bytes.maketrans(b"01", b"\0\1")


def bits_of(slots: Iterable[int], width: int) -> int:
    """The set of these slots, all below `width`."""
    buffer = bytearray(width // 8 + 1)
    for slot in slots:
        buffer[slot >> 3] |= 1 << (slot & 7)
    return int.from_bytes(buffer, "little")


def slots_of(bits: int, numbers: Sequence[int]) -> list[int]:
    """The slots of a set, ascending; `numbers` is 0, 1, 2 ... as far as the set goes or further."""
    if bits.bit_count() * DENSE > bits.bit_length():
        # Digits of the lowest slot first.
        digits = bin(bits)[:1:-1].encode()
        return list(compress(numbers, digits.translate(_TO_BOOLS)))
    data = bits.to_bytes((bits.bit_length() + 7) // 8, "little")
    slots: list[int] = []
    add = slots.append
    for place in compress(numbers, data):
        base = place * 8
        for bit in _OF_BYTE[data[place]]:
            add(base + bit)
    return slots
