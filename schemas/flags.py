"""The flags of a trade: each with its one definition and the thresholds that it uses."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class Flag(StrEnum):
    """What is remarkable about a trade. The order here is the order in a document."""

    # From the sale condition (schemas/conditions.py).
    ISO = "iso"
    """Intermarket sweep order."""
    MULTI_LEG = "multi_leg"
    """Leg of a spread, straddle or combination."""
    STOCK_TIED = "stock_tied"
    """Traded together with the stock."""
    FLOOR = "floor"
    """Traded in open outcry."""
    AUCTION = "auction"
    """Traded in an electronic auction."""
    CROSS = "cross"
    """A cross: both sides came from one broker."""
    LATE = "late"
    """Reported late or out of sequence: the quote at hand is not the one it traded against."""
    CANCELLED = "cancelled"
    """Withdrawn after the fact, or the message that withdraws another trade."""
    EXTENDED = "extended"
    """Outside regular hours."""

    # Derived (engine/classify.py).
    SWEEP = "sweep"
    """Prints of one contract on one side (at or above the ask; at or below the bid) on two or more exchanges
    within `sweep_ms`. Legs of spreads and stock-tied trades, mid and unsided prints do not count."""
    BLOCK = "block"
    """One print of at least `block_size` contracts."""
    LARGE_PREMIUM = "large_premium"
    """A premium of at least `large_premium` dollars."""
    GOLDEN = "golden"
    """A sweep of at least `golden_premium` dollars whose contract's day volume is above its open interest."""
    OPENING = "opening"
    """More contracts than open interest could close: size > open interest - (volume - size)."""
    VOLUME_GT_OI = "volume_gt_oi"
    """The contract's day volume is above its open interest."""
    UNUSUAL = "unusual"
    """Day volume above `unusual_volume`, open interest above `unusual_open_interest`, ratio at least
    `unusual_ratio`."""
    REPEAT = "repeat"
    """One of more than `repeat_count` prints of one contract and side within `repeat_ms`."""
    ZERO_DTE = "zero_dte"
    """Expires on the day of the print."""
    WEEKLY = "weekly"
    """The expiry is not the standard monthly one (schemas/calendar.py)."""

    # From the feed.
    SYNTHETIC = "synthetic"
    """No real print: made by the simulator, or one print that stands for a bar."""


NOTABLE: frozenset[Flag] = frozenset(
    {Flag.SWEEP, Flag.BLOCK, Flag.LARGE_PREMIUM, Flag.GOLDEN, Flag.UNUSUAL, Flag.REPEAT}
)
"""A trade with one of these is kept for `ttl_notable`, any other for `ttl_ordinary`."""


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Where the derived flags begin: for all underlyings, or for one."""

    sweep_ms: int = 250
    repeat_ms: int = 100
    repeat_count: int = 5
    """Prints that are not yet a repeat: one more is."""
    block_size: int = 500
    """Contracts."""
    large_premium: float = 100_000.0
    """Dollars."""
    golden_premium: float = 1_000_000.0
    """Dollars."""
    unusual_volume: int = 500
    """Contracts a day."""
    unusual_open_interest: int = 100
    """Contracts."""
    unusual_ratio: float = 1.25
    """Day volume to open interest."""


@dataclass(frozen=True, slots=True)
class Rules:
    """All that classification may be told: the side rule and the thresholds, with overrides by underlying."""

    ask_from: float = 0.75
    """Share of the spread from which a price counts as the ask's (and one minus it, the bid's); 0.5 to 1."""
    default: Thresholds = field(default_factory=Thresholds)
    overrides: dict[str, Thresholds] = field(default_factory=dict)
    ask_from_millionths: int = field(init=False)
    """`ask_from` as an integer, so that prices are compared exactly."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "ask_from_millionths", round(self.ask_from * 1_000_000))

    def of(self, underlying: str) -> Thresholds:
        """The thresholds of one underlying."""
        return self.overrides.get(underlying, self.default)
