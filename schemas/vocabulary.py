"""The words of the filter language with a sentence on each: what completion and a panel of controls offer."""

from __future__ import annotations

from typing import Final

import msgspec

from schemas.exchanges import NAMES
from schemas.filter import CHOICES, FLAGS, LISTS, RANGES
from schemas.filter_text import ALIASES, FLAG_WORDS, KEYWORDS
from schemas.flags import Flag


class ListWord(msgspec.Struct):
    """A field that takes a list of values, as `side:ask,mid`."""

    name: str
    aliases: list[str]
    help: str
    values: list[str]
    """The known ones; empty where any ticker or symbol will do."""


class RangeWord(msgspec.Struct):
    """A field that takes bounds, as `premium>=100k`."""

    name: str
    aliases: list[str]
    unit: str
    """Empty for a plain number; `date` is written `2026-12-18`."""
    help: str
    whole: bool
    """Whether trades have whole numbers there."""


class FlagWord(msgspec.Struct):
    """A flag, as `sweep`, `-sweep` or `sweep|block`."""

    name: str
    aliases: list[str]
    help: str


class ValueWord(msgspec.Struct):
    """A bare word that stands for one value of a list, as `calls`."""

    name: str
    field: str
    value: str


class Vocabulary(msgspec.Struct):
    """All words."""

    lists: list[ListWord]
    ranges: list[RangeWord]
    flags: list[FlagWord]
    words: list[ValueWord]


_LISTS: Final = {
    "underlying": "Ticker of the stock, fund or index; a minus in front excludes it.",
    "right": "Calls or puts.",
    "side": "Where in the quote the trade printed.",
    "sentiment": "What an aggressive buyer or seller of it hopes for.",
    "exchange": "Where it traded, as a market identifier code.",
    "symbol": "One contract, as an OSI symbol.",
}

_UNITS: Final = {
    "premium": "dollars",
    "price": "dollars a share",
    "strike": "dollars a share",
    "size": "contracts",
    "volume": "contracts",
    "open_interest": "contracts",
    "dte": "days",
    "expiry": "date",
    "otm_pct": "percent",
}
"""Unit of a range; the others are plain numbers."""

_WHOLE: Final = frozenset({"size", "dte", "expiry", "volume", "open_interest"})

_RANGES: Final = {
    "premium": "What was paid in all: price x size x multiplier.",
    "size": "Contracts of the trade.",
    "price": "Price of the option.",
    "strike": "Strike price.",
    "dte": "Calendar days to expiry, 0 on the day.",
    "expiry": "Day of expiry.",
    "otm_pct": "How far out of the money; negative in the money.",
    "volume": "Contracts of the same option traded today, this trade included.",
    "open_interest": "Open contracts of the option at the start of the day.",
    "vol_oi": "Day volume divided by open interest.",
    "iv": "Implied volatility as a fraction: 0.5 is 50 %.",
    "delta": "From -1 to 1.",
}

_FLAGS: Final = {
    Flag.ISO: "Intermarket sweep order.",
    Flag.MULTI_LEG: "Leg of a spread, straddle or combination.",
    Flag.STOCK_TIED: "Traded together with the stock.",
    Flag.FLOOR: "Traded in open outcry.",
    Flag.AUCTION: "Traded in an electronic auction.",
    Flag.CROSS: "A cross: both sides came from one broker.",
    Flag.LATE: "Reported late or out of sequence.",
    Flag.CANCELLED: "Withdrawn after the fact.",
    Flag.EXTENDED: "Outside regular hours.",
    Flag.SWEEP: "Taken from several exchanges at one moment, on one side.",
    Flag.BLOCK: "Very many contracts in one print.",
    Flag.LARGE_PREMIUM: "A large premium.",
    Flag.GOLDEN: "A sweep of very large premium, with day volume above open interest.",
    Flag.OPENING: "More contracts than open interest could close: an opening position.",
    Flag.VOLUME_GT_OI: "Day volume is above open interest.",
    Flag.UNUSUAL: "Day volume is high, and well above open interest.",
    Flag.REPEAT: "One of many prints of the contract and side at one moment.",
    Flag.ZERO_DTE: "Expires on the day of the trade.",
    Flag.WEEKLY: "The expiry is not the standard monthly one.",
    Flag.SYNTHETIC: "No real print: from the simulator, or standing for a bar.",
}
"""In short; `docs/classification.md` says when exactly a trade has each."""

_DERIVED_FROM: Final = FLAGS.index(Flag.SWEEP)

_SOUGHT: Final = (*FLAGS[_DERIVED_FROM:], *FLAGS[:_DERIVED_FROM])
"""What is derived stands before sale conditions: people look for it first."""


def vocabulary() -> Vocabulary:
    """The words of the language as it is read."""
    values = {**CHOICES, "exchange": tuple(NAMES)}
    return Vocabulary(
        lists=[
            ListWord(name, _aliases(ALIASES, name), _LISTS[name], list(values.get(name, ())))
            for name in LISTS
        ],
        ranges=[
            RangeWord(name, _aliases(ALIASES, name), _UNITS.get(name, ""), _RANGES[name], name in _WHOLE)
            for name in RANGES
        ],
        flags=[FlagWord(name, _aliases(FLAG_WORDS, name), _FLAGS[Flag(name)]) for name in _SOUGHT],
        words=[ValueWord(word, field, value) for word, (field, value) in KEYWORDS.items()],
    )


def _aliases(known: dict[str, str], name: str) -> list[str]:
    return [word for word, meant in known.items() if meant == name and word != name]
