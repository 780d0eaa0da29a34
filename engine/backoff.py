"""Pauses before something is tried again: exponential, with full jitter."""

from __future__ import annotations

import random


class Backoff:
    """Pauses uniform between zero and a ceiling that doubles: many that fail together do not come back together."""

    def __init__(self, first_s: float, longest_s: float, rng: random.Random) -> None:
        self._first, self._longest, self._rng = first_s, longest_s, rng
        self._failures = 0

    def next(self) -> float:
        """The next pause, seconds."""
        ceiling = min(self._longest, self._first * 2.0 ** min(self._failures, 32))
        self._failures += 1
        return self._rng.uniform(0.0, ceiling)

    def reset(self) -> None:
        """Begin at the first pause again."""
        self._failures = 0
