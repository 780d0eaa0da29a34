"""How often something may happen: a bucket that fills with time."""

from __future__ import annotations


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
