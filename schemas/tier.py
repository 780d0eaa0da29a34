"""Subscription tiers: what each delivers, how often and how much; one row a tier."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Delivery(StrEnum):
    """How trades reach a subscriber."""

    PUSH = "push"
    """Matched as they are announced; the first at once, then at most one batch an interval."""
    POLL = "poll"
    """One search a filter and interval."""


@dataclass(frozen=True, slots=True)
class Tier:
    """One row of the table. Zero connections, subscriptions, channels or alerts: the tier has none."""

    name: str
    delivery: Delivery
    interval_ms: int
    """Shortest time between two batches of one filter."""
    delay_s: int
    """How far behind the clock trades are shown; 0 is live."""
    rows: int
    """Rows of one batch, of a snapshot and of a page of history at most."""
    subscriptions: int
    """Subscriptions of one connection at most."""
    channels: int
    """Saved channels of one user at most."""
    alerts: int
    """Armed alerts of one user at most."""

    def until(self, now_ms: int) -> int | None:
        """The newest exchange time that the tier is shown at `now_ms`, unix ms; None is live."""
        return now_ms - self.delay_s * 1_000 if self.delay_s else None


TIERS: Final[dict[str, Tier]] = {
    tier.name: tier
    for tier in (
        Tier("free", Delivery.POLL, 5_000, 900, 50, 1, 0, 0),
        Tier("pro", Delivery.POLL, 1_000, 0, 100, 5, 0, 10),
        Tier("premium", Delivery.PUSH, 50, 0, 200, 25, 50, 100),
    )
}
"""The tiers without overrides; `FLOWTAPE_TIERS` changes them or adds more."""
