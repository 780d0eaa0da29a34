"""What a client may ask for: a typed tree, never a query string. JSON in and out, and a canonical key.

Three forms of one thing: this tree (JSON for the API), a short text (schemas/filter_text.py), and `Filter.key`.
A filter is made canonical when it is built (sorted, without repetition, bounds reduced to the tighter one), so
filters that were written differently but say the same are equal and share one key.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Any, Final

from schemas.contract import INDEX_ROOTS, parse_osi, ticker
from schemas.errors import ContractError, FilterError
from schemas.exchanges import mic
from schemas.flags import Flag
from schemas.spell_check import nearest
from schemas.trade import Sentiment, Side

Number = int | float

RANGES: Final = (
    "premium", "size", "price", "strike", "dte", "expiry", "otm_pct", "volume", "open_interest", "vol_oi", "iv",
    "delta",
)  # fmt: skip
"""Fields that take a range."""

LISTS: Final = ("underlying", "right", "side", "sentiment", "exchange", "symbol")
"""Fields that take a list: the trade has one of the values."""

CHOICES: Final[dict[str, tuple[str, ...]]] = {
    "right": ("C", "P"),
    "side": tuple(side.value for side in Side),
    "sentiment": tuple(sentiment.value for sentiment in Sentiment),
}
"""Every value that such a field can have: a list of all of them asks for nothing."""

FLAGS: Final = tuple(flag.value for flag in Flag)

LIST_VALUES: Final = 100
"""Values in one list at most."""

TOTAL_VALUES: Final = 200
"""Values in all lists of one filter at most."""

JSON_BYTES: Final = 16_384
"""Length of a filter in JSON at most."""

NUMBER_LIMIT: Final = 2**53
"""Largest magnitude of a bound: beyond it a 64-bit float no longer holds every integer."""

_BOUNDS: Final = ("gte", "gt", "lte", "lt")
_UNDERLYING = re.compile(r"[A-Z0-9]{1,6}\Z")
_EXCHANGE = re.compile(r"[A-Z0-9]{4}\Z")
_RIGHT_WORDS = {"call": "C", "calls": "C", "put": "P", "puts": "P"}
_YYYYMMDD = re.compile(r"[0-9]{8}\Z")
_ISO_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}\Z")


@dataclass(frozen=True, slots=True)
class Range:
    """At most one lower and one upper bound; None is no bound. A trade without the value (null) never matches."""

    gte: Number | None = None
    gt: Number | None = None
    lte: Number | None = None
    lt: Number | None = None

    def tightened(self, field: str) -> Range:
        """With the tighter of two lower and of two upper bounds. Raises FilterError where nothing can match."""
        gte, gt, lte, lt = self.gte, self.gt, self.lte, self.lt
        if gte is not None and gt is not None:
            gte, gt = (gte, None) if gte > gt else (None, gt)
        if lte is not None and lt is not None:
            lte, lt = (lte, None) if lte < lt else (None, lt)
        low, high = gt if gte is None else gte, lt if lte is None else lte
        if low is None and high is None:
            raise FilterError(
                f"{field}: the range has no bound.", f"Give one of {', '.join(_BOUNDS)}.", field=field
            )
        if (
            low is not None
            and high is not None
            and (low > high or (low == high and (gt, lt) != (None, None)))
        ):
            lower = f">{'=' if gt is None else ''} {low}"
            upper = f"<{'=' if lt is None else ''} {high}"
            raise FilterError(f"{field}: nothing is {lower} and {upper}.", "Widen the range.", field=field)
        return Range(gte, gt, lte, lt)

    def to_json(self) -> dict[str, Number]:
        """The bounds that are set."""
        return {name: bound for name in _BOUNDS if (bound := getattr(self, name)) is not None}


@dataclass(frozen=True)
class Filter:
    """One filter, canonical once built; without any part it matches every trade.

    Values must come from `value_of` and `number_of`; the readers of JSON and text see to it. Raises FilterError
    for parts that contradict each other and for lists beyond their bounds.
    """

    underlying: tuple[str, ...] = ()
    underlying_not: tuple[str, ...] = ()
    right: tuple[str, ...] = ()
    side: tuple[str, ...] = ()
    sentiment: tuple[str, ...] = ()
    exchange: tuple[str, ...] = ()
    symbol: tuple[str, ...] = ()
    flags_all: tuple[str, ...] = ()
    flags_any: tuple[str, ...] = ()
    flags_none: tuple[str, ...] = ()
    ranges: tuple[tuple[str, Range], ...] = ()
    """Field and range, a field once, in the order of `RANGES`."""

    def __post_init__(self) -> None:
        self._check_lengths()
        include, exclude = set(self.underlying), set(self.underlying_not)
        if include and not include - exclude:
            raise FilterError(
                f"underlying: {', '.join(sorted(include))} is both asked for and excluded.",
                "Remove one of the two.",
                field="underlying",
            )
        self._set("underlying", include - exclude)
        # Beside a list of what is wanted, an exclusion has said all it can.
        self._set("underlying_not", () if include else exclude)
        for name in ("right", "side", "sentiment", "exchange", "symbol"):
            values = set(getattr(self, name))
            self._set(name, () if values == set(CHOICES.get(name, ())) else values)
        self._reduce_flags()
        reduced = {field: bounds.tightened(field) for field, bounds in self.ranges}
        object.__setattr__(self, "ranges", tuple((name, reduced[name]) for name in RANGES if name in reduced))

    def _set(self, name: str, values: Iterable[str]) -> None:
        object.__setattr__(self, name, tuple(sorted(values)))

    def _check_lengths(self) -> None:
        lengths = {name: len(value) for name, value in vars(self).items()}
        for name, length in lengths.items():
            if length > LIST_VALUES:
                raise FilterError(
                    f"{name}: {length} values, at most {LIST_VALUES} are allowed.",
                    "Split the filter.",
                    field=name,
                )
        if (total := sum(lengths.values())) > TOTAL_VALUES:
            raise FilterError(
                f"The filter has {total} values, at most {TOTAL_VALUES} are allowed.", "Split it."
            )

    def _reduce_flags(self) -> None:
        every, some, none = set(self.flags_all), set(self.flags_any), set(self.flags_none)
        if both := every & none:
            raise FilterError(
                f"flags: {', '.join(sorted(both))} is both asked for and excluded.",
                "Remove one of the two.",
                field="flags",
            )
        if some and not some - none:
            raise FilterError(
                f"flags: {' or '.join(sorted(some))} is asked for, but all of it is excluded.",
                "Remove one of the two.",
                field="flags",
            )
        some -= none
        if len(some) == 1:
            every |= some
        self._set("flags_all", every)
        # An alternative that is asked for anyway is fulfilled.
        self._set("flags_any", () if some & every else some)
        self._set("flags_none", none)

    @cached_property
    def key(self) -> str:
        """The canonical text that equal filters share; compact JSON."""
        return json.dumps(self.to_json(), separators=(",", ":"))

    def to_json(self) -> dict[str, Any]:
        """The JSON object, with the parts that are set only."""
        out: dict[str, Any] = {}
        if underlying := [*self.underlying, *(f"-{name}" for name in self.underlying_not)]:
            out["underlying"] = underlying
        for name in LISTS[1:]:
            if values := getattr(self, name):
                out[name] = list(values)
        if flags := {
            name: list(values)
            for name, values in (("all", self.flags_all), ("any", self.flags_any), ("none", self.flags_none))
            if values
        }:
            out["flags"] = flags
        out.update((name, bounds.to_json()) for name, bounds in self.ranges)
        return out

    @classmethod
    def from_json(cls, source: str | bytes | Mapping[str, Any]) -> Filter:
        """The filter of a JSON object, as text or parsed already. Raises FilterError for anything unexpected."""
        tree = source if isinstance(source, Mapping) else _load(source)
        lists: dict[str, tuple[str, ...]] = {}
        ranges: list[tuple[str, Range]] = []
        for name, value in tree.items():
            if name in LISTS:
                lists.update(
                    _underlyings(value) if name == "underlying" else {name: _values(name, name, value)}
                )
            elif name == "flags":
                lists.update(_flags(value))
            elif name in RANGES:
                ranges.append((name, _range(name, value)))
            else:
                known = (*LISTS, "flags", *RANGES)
                raise FilterError(
                    f"{_shown(name)} is no field of a filter{nearest(str(name), known)}.", _KNOWN
                )
        return cls(**lists, ranges=tuple(ranges))


_KNOWN = f"Known are {', '.join((*LISTS, 'flags', *RANGES))}."


def value_of(field: str, value: str) -> str:
    """One value of a list field as trades carry it. Raises FilterError."""
    text = value.strip()
    if field in ("right", "side", "sentiment"):
        known = CHOICES[field]
        word = text.upper() if field == "right" else text.lower().replace("-", "_")
        word = _RIGHT_WORDS.get(text.lower(), word) if field == "right" else word
        if word not in known:
            raise FilterError(
                f"{field}: {_shown(value)} is no {field}{nearest(word, known)}.",
                f"Expected {', '.join(known)}.",
                field=field,
            )
        return word
    if field == "symbol":
        try:
            return parse_osi(text.upper().removeprefix("O:")).symbol
        except ContractError as error:
            raise FilterError(f"symbol: {error.message}", error.remedy, field=field) from None
    if field == "exchange":
        if not _EXCHANGE.match(code := mic(text)):
            raise FilterError(
                f"exchange: {_shown(value)} is no market identifier code.",
                "Expected four letters, as XCBO.",
                field=field,
            )
        return code
    if not _UNDERLYING.match(name := ticker(text)):
        raise FilterError(
            f"underlying: {_shown(value)} is no ticker.",
            "Expected one to six letters or digits, as SPY.",
            field=field,
        )
    if name in INDEX_ROOTS:
        raise FilterError(
            f"underlying: {name} is a class of options on {INDEX_ROOTS[name]}.",
            f"Write {INDEX_ROOTS[name]}.",
            field=field,
        )
    return name


def flag_of(value: str) -> str:
    """One flag. Raises FilterError."""
    word = value.strip().lower().replace("-", "_")
    if word not in FLAGS:
        raise FilterError(
            f"flags: {_shown(value)} is no flag{nearest(word, FLAGS)}.",
            f"Expected {', '.join(FLAGS)}.",
            field="flags",
        )
    return word


def number_of(field: str, value: object) -> Number:
    """A bound of a range; for `expiry` an ISO date or yyyymmdd. Raises FilterError."""
    if field == "expiry":
        return _expiry(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise FilterError(f"{field}: {_shown(value)} is no number.", field=field)
    # Compared before anything makes a float of it: JSON has whole numbers that are none. NaN is within nothing.
    if not -NUMBER_LIMIT <= value <= NUMBER_LIMIT:
        raise FilterError(
            f"{field}: {_shown(value)} is out of range.", f"Numbers go up to {NUMBER_LIMIT}.", field=field
        )
    # One spelling a number: 5.0 and 5 are one bound, and so are -0.0 and 0.
    return int(value) if value == int(value) else value


def _expiry(value: object) -> int:
    day: date | None = None
    # A whole float is what a JSON writer without integers makes of yyyymmdd.
    text = str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
    if not isinstance(value, bool):
        try:
            if _YYYYMMDD.match(text):
                day = date(int(text[:4]), int(text[4:6]), int(text[6:]))
            elif _ISO_DATE.match(text):
                day = date.fromisoformat(text)
        except ValueError:
            day = None
    if day is None:
        raise FilterError(
            f"expiry: {_shown(value)} is no date.", "Expected 2026-12-18 or 20261218.", field="expiry"
        )
    return day.year * 10_000 + day.month * 100 + day.day


def _shown(value: object) -> str:
    """A value for a message: quoted where it is text, and never longer than a line."""
    try:
        text = repr(value)
    except RecursionError:
        return "what is nested so deep"
    return text if len(text) <= 60 else f"{text[:57]}..."


def _load(source: str | bytes) -> Mapping[str, Any]:
    def no_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        tree = dict(pairs)
        if len(tree) != len(pairs):
            raise FilterError("The filter names a field twice.", "Merge the two.")
        return tree

    if len(source) > JSON_BYTES:
        raise FilterError(f"The filter is {len(source)} long, at most {JSON_BYTES} are allowed.", "Split it.")
    try:
        tree = json.loads(source, object_pairs_hook=no_repetition)
    except (ValueError, RecursionError):
        raise FilterError(
            "The filter is no JSON.", 'Expected an object, as {"underlying": ["SPY"]}.'
        ) from None
    if not isinstance(tree, dict):
        raise FilterError(f"The filter is {_shown(tree)}, expected a JSON object.")
    return tree


def _words(where: str, field: str, value: object) -> list[str]:
    if not isinstance(value, list | tuple) or not value or not all(isinstance(item, str) for item in value):
        raise FilterError(
            f"{where}: {_shown(value)} is no list of texts.",
            "Expected one text or more in a list.",
            field=field,
        )
    if len(value) > LIST_VALUES:
        raise FilterError(f"{where}: {len(value)} values, at most {LIST_VALUES} are allowed.", field=field)
    return list(value)


def _values(where: str, field: str, value: object) -> tuple[str, ...]:
    return tuple(value_of(field, word) for word in _words(where, field, value))


def _underlyings(value: object) -> dict[str, tuple[str, ...]]:
    words = [word.strip() for word in _words("underlying", "underlying", value)]
    return {
        "underlying": tuple(value_of("underlying", word) for word in words if not word.startswith("-")),
        "underlying_not": tuple(value_of("underlying", word[1:]) for word in words if word.startswith("-")),
    }


def _flags(value: object) -> dict[str, tuple[str, ...]]:
    groups = ("all", "any", "none")
    if not isinstance(value, Mapping) or not value or set(value) - set(groups):
        raise FilterError(
            f"flags: {_shown(value)} is not what was expected.",
            'Expected an object with "all", "any" or "none", each a list of flags.',
            field="flags",
        )
    return {
        f"flags_{name}": tuple(flag_of(word) for word in _words(f"flags.{name}", "flags", words))
        for name, words in value.items()
    }


def _range(field: str, value: object) -> Range:
    if not isinstance(value, Mapping) or not value or set(value) - set(_BOUNDS):
        raise FilterError(
            f"{field}: {_shown(value)} is no range.",
            f"Expected an object with {', '.join(_BOUNDS[:-1])} or {_BOUNDS[-1]}.",
            field=field,
        )
    return Range(**{name: number_of(field, bound) for name, bound in value.items()})
