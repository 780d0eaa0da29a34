"""The parameters of a request's address, read strictly: one that is unknown, repeated or out of range is an error."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Final

from starlette.datastructures import QueryParams

from schemas.errors import SearchRequestError

DIGITS: Final = 9
"""Digits of a whole number at most."""

_UNITS: Final = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_DIGITS = re.compile(r"[0-9]+\Z")
_WHOLE = re.compile(rf"[0-9]{{1,{DIGITS}}}\Z")
_DURATION = re.compile(rf"([0-9]{{1,{DIGITS}}})([smhd]?)\Z")

DURATION_PATTERN: Final = rf"^[0-9]{{1,{DIGITS}}}[smhd]?$"


class Parameters:
    """The parameters of one address. Every reader raises SearchRequestError, which names the parameter."""

    def __init__(self, given: QueryParams, known: Collection[str]) -> None:
        self._given: dict[str, str] = {}
        for name, value in given.multi_items():
            if name not in known:
                raise SearchRequestError(
                    f"{name[:40]!r} is no parameter of this address.",
                    f"Known are {', '.join(sorted(known))}.",
                    parameter=name[:40],
                )
            if name in self._given:
                raise SearchRequestError(f"{name} is given twice.", "Give it once.", parameter=name)
            self._given[name] = value

    def text(self, name: str) -> str | None:
        """The text as it came; None where it is not given."""
        return self._given.get(name)

    def whole(self, name: str, default: int, least: int, most: int) -> int:
        """A whole number from `least` to `most`."""
        text = self._given.get(name)
        if text is None:
            return default
        if not _WHOLE.match(text) or not least <= int(text) <= most:
            raise SearchRequestError(
                f"{name} is {text[:40]!r}; expected a whole number from {least} to {most}.", parameter=name
            )
        return int(text)

    def capped(self, name: str, most: int) -> int:
        """A whole number from 1; where it is more than `most`, or not given, it is `most`."""
        text = self._given.get(name)
        if text is None:
            return most
        digits = text.lstrip("0")
        if not _DIGITS.match(digits):
            raise SearchRequestError(
                f"{name} is {text[:40]!r}; expected a whole number from 1 (more than {most} are {most}).",
                parameter=name,
            )
        return most if len(digits) > DIGITS else min(int(digits), most)

    def duration_ms(self, name: str, default: int, least: int, most: int) -> int:
        """A length of time as `90s`, `15m`, `2h` or `1d`, in ms; a bare number is seconds."""
        text = self._given.get(name)
        if text is None:
            return default
        match = _DURATION.match(text)
        length = int(match[1]) * _UNITS[match[2] or "s"] if match else -1
        if not least <= length <= most:
            raise SearchRequestError(
                f"{name} is {text[:40]!r}; expected from {duration_text(least)} to {duration_text(most)},"
                " as 90s, 15m or 2h.",
                parameter=name,
            )
        return length


def duration_text(ms: int) -> str:
    """A length of time as it is given, in the largest unit that leaves it whole."""
    unit, size = next(
        (unit, size) for unit, size in reversed(_UNITS.items()) if ms % size == 0 or unit == "s"
    )
    return f"{ms // size}{unit}"
