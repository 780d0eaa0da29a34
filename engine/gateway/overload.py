"""When a gateway falls behind: by which steps batches become rarer, and when they become frequent again."""

from __future__ import annotations

from typing import Final, NamedTuple


class Step(NamedTuple):
    """How much longer intervals are."""

    push: float
    poll: float


STEPS: Final = (Step(1, 1), Step(2, 1.5), Step(4, 2), Step(10, 4))
"""Factors on the intervals of the tiers; the first is normal."""

BEHIND_S: Final = 0.1
"""Lateness from which it counts as behind: of its own timer, of reading the tape, or of a poll tier's search."""

CALM_S: Final = 0.02
"""Lateness below which it counts as calm."""

UP_AFTER: Final = 4
"""Observations in a row that take it a step up."""

DOWN_AFTER: Final = 40
"""Observations in a row that take it a step down."""

OBSERVE_S: Final = 0.25
"""Between two observations."""


class Overload:
    """The step in force."""

    def __init__(self) -> None:
        self.level = 0
        """Place in STEPS."""
        self._behind = self._calm = 0

    @property
    def step(self) -> Step:
        """The factors in force."""
        return STEPS[self.level]

    def observe(self, late_s: float) -> bool:
        """Take in how late the gateway is, seconds; whether the step changed."""
        self._behind = self._behind + 1 if late_s >= BEHIND_S else 0
        self._calm = self._calm + 1 if late_s < CALM_S else 0
        if self._behind >= UP_AFTER and self.level < len(STEPS) - 1:
            self.level += 1
        elif self._calm >= DOWN_AFTER and self.level > 0:
            self.level -= 1
        else:
            return False
        self._behind = self._calm = 0
        return True
