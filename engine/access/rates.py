"""How often something may happen: a bucket that fills with time, and one for each user."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from schemas.errors import RateError

RATED_USERS: Final = 10_000
"""Users whose rate is remembered; the one longest away gives way."""


class Rate:
    """At most `per_minute` at once, and that many a minute from then on.

    Time is any clock in seconds, given with each call; one that jumps back gives nothing and takes nothing.
    """

    __slots__ = ("_at", "_left", "per_minute")

    def __init__(self, per_minute: int) -> None:
        self.per_minute = per_minute
        self._left = float(per_minute)
        self._at: float | None = None

    def allow(self, now: float) -> bool:
        """Whether one more may happen; if so it is counted."""
        if self._at is not None and now > self._at:
            filled = self._left + (now - self._at) * self.per_minute / 60
            self._left = min(float(self.per_minute), filled)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True


class UserRates:
    """A `Rate` for each user. `requests` says what is counted, `remedy` what to do, for who asks too often."""

    def __init__(self, per_minute: int, requests: str, remedy: str) -> None:
        self._per_minute = per_minute
        self._requests = requests
        self._remedy = remedy
        self._rates: OrderedDict[str, Rate] = OrderedDict()

    def count(self, user: str, now: float) -> None:
        """Count a request of a user at `now`, seconds of any clock. Raises RateError where it is one too many."""
        rate = self._rates.pop(user, None) or Rate(self._per_minute)
        self._rates[user] = rate
        while len(self._rates) > RATED_USERS:
            self._rates.popitem(last=False)
        if not rate.allow(now):
            raise RateError(
                f"More than {self._per_minute} {self._requests} a minute.",
                self._remedy,
                retry_s=-(-60 // self._per_minute),
            )
