"""Reads the fields of a vendor's JSON message: numbers that may be texts, missing ones, ones out of range.

Each raises DecodeError, which names the field and what it held. `message` is the decoded object.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from schemas.errors import DecodeError

LATEST_MS = 4_102_444_800_000
"""The year 2100, unix ms: a time beyond it is damage."""
LARGEST_COUNT = 2**31 - 1
"""Most contracts that a size, a volume or an open interest may be."""
LARGEST_SEQUENCE = 2**63 - 1
"""Largest sequence number."""

Message = Mapping[str, Any]


def object_of(value: object, what: str) -> Message:
    """A value that must be a JSON object."""
    if not isinstance(value, dict):
        raise DecodeError(f"{what} is {_short(value)}, not an object.")
    return value


def text(message: Message, name: str) -> str:
    """A text of at least one character."""
    value = message.get(name)
    if not isinstance(value, str) or not value:
        raise _wrong(message, name, "a text")
    return value


def number(message: Message, name: str) -> float:
    """A finite number, as such or as a text."""
    value = message.get(name)
    # A float is exact to 2^53; a number of more digits in a price is damage.
    if isinstance(value, (int, float, str)) and not isinstance(value, bool) and len(str(value)) <= 40:
        try:
            found = float(value)
        except (ValueError, OverflowError):
            found = math.nan
        if math.isfinite(found) and "_" not in str(value):
            return found
    raise _wrong(message, name, "a number")


def dollars(message: Message, name: str) -> float:
    """A number of dollars, zero or more."""
    value = number(message, name)
    if value < 0:
        raise _wrong(message, name, "zero dollars or more")
    return value


def maybe_number(message: Message, name: str) -> float | None:
    """A number, or None where the field is missing, null or empty."""
    return None if message.get(name) in (None, "") else number(message, name)


def maybe_dollars(message: Message, name: str) -> float | None:
    """Dollars, or None where the field is missing, null or empty."""
    return None if message.get(name) in (None, "") else dollars(message, name)


def whole(message: Message, name: str, least: int = 0, most: int = LARGEST_COUNT) -> int:
    """A whole number from `least` to `most`, as such or as a text."""
    value: Any = message.get(name)
    written = (
        isinstance(value, str) and value.isascii() and value.removeprefix("-").isdigit() and len(value) <= 20
    )
    if written or (isinstance(value, float) and value.is_integer()):
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and least <= value <= most:
        return value
    raise _wrong(message, name, f"a whole number from {least} to {most}")


def maybe_whole(message: Message, name: str) -> int | None:
    """A whole number of zero or more, or None where the field is missing, null or empty."""
    return None if message.get(name) in (None, "") else whole(message, name)


def size(message: Message, name: str = "size") -> int:
    """A number of contracts, one or more."""
    return whole(message, name, 1)


def unix_ms(message: Message, name: str) -> int:
    """A time in unix ms."""
    return whole(message, name, 1, LATEST_MS)


def flag(message: Message, name: str) -> bool:
    """Whether a field is true; a text counts by its word, a missing field is false."""
    value = message.get(name, False)
    return value is True or (isinstance(value, str) and value.lower() == "true")


def _wrong(message: Message, name: str, expected: str) -> DecodeError:
    if name not in message:
        return DecodeError(f"The field {name} is missing; expected {expected}.")
    return DecodeError(f"The field {name} is {_short(message[name])}; expected {expected}.")


def _short(value: object) -> str:
    return repr(value)[:60]
