"""The short text of a filter, for people: `SPY,QQQ -TSLA calls premium>=100k dte<=7 sweep -multi_leg side:ask`.

docs/filters.md is its description. Words stand in any order and any case and all must hold; errors carry the
position and length of the wrong word. `filter_text` writes what `parse_filter` reads back as the same filter.
"""

from __future__ import annotations

import re
from collections import defaultdict
from decimal import Decimal
from typing import Final, NoReturn

from schemas.errors import FilterError
from schemas.filter import CHOICES, FLAGS, LISTS, RANGES, Filter, Number, Range, number_of, value_of
from schemas.spell_check import close_match, nearest

TEXT_CHARS: Final = 8_192
"""Length of a text at most."""

EVERYTHING: Final = "*"
"""The text of the filter that matches every trade; an empty text says the same."""

ALIASES: Final[dict[str, str]] = {
    "oi": "open_interest",
    "otm": "otm_pct",
    "vol": "volume",
    "exp": "expiry",
    "ticker": "underlying",
}
"""Other names of fields."""

KEYWORDS: Final[dict[str, tuple[str, str]]] = {
    **dict.fromkeys(("call", "calls"), ("right", "C")),
    **dict.fromkeys(("put", "puts"), ("right", "P")),
    **{word: ("sentiment", word) for word in CHOICES["sentiment"]},
}
"""Bare words, each for one value of a field."""

FLAG_WORDS: Final = {flag: flag for flag in FLAGS} | {
    "sweeps": "sweep", "blocks": "block", "weeklies": "weekly", "0dte": "zero_dte",
}  # fmt: skip
"""Bare words for flags."""

_FIELDS: Final = (*LISTS, *RANGES)
_WORDS: Final = (*KEYWORDS, *FLAG_WORDS)
_NEAR: Final = 0.8
"""Likeness from which a word not in capitals is taken for a misspelt flag, not for a ticker."""

_SHORT: Final = 3
"""A word up to this long is taken for a ticker, whatever it is like: `cal` is one."""

_OPERATORS: Final = {">=": "gte", "≥": "gte", ">": "gt", "<=": "lte", "≤": "lte", "<": "lt"}
_SCALES: Final = {"": 0, "k": 3, "m": 6, "b": 9}
_VALUE = r"[^\s,]+(?:\s*,\s*[^\s,]+)*,?"
_TOKEN = re.compile(
    rf"(?P<field>[^\s<>=≥≤:,|]+)\s*(?P<operator>>=|<=|==|=|>|<|≥|≤|:)\s*(?P<value>{_VALUE})?|(?P<word>{_VALUE}|,)"
)
_NUMBER = re.compile(
    r"(?P<sign>[+-]?)\$?(?P<digits>[0-9]{1,20}(?:\.[0-9]{1,24})?|\.[0-9]{1,24})(?:e(?P<power>[+-]?[0-9]{1,3}))?(?P<scale>[kmb]?)\Z"
)
_SYMBOL = re.compile(r"[A-Z0-9]{1,6}[0-9]{6}[CP][0-9]{8}\Z")


def parse_filter(text: str) -> Filter:
    """The filter of a short text. Raises FilterError with position and length of the wrong word."""
    if len(text) > TEXT_CHARS:
        raise FilterError(
            f"The filter is {len(text)} characters long, at most {TEXT_CHARS} are allowed.", "Split it."
        )
    if text.strip() == EVERYTHING:
        return Filter()
    reader = _Reader(text)
    for token in _TOKEN.finditer(text):
        reader.read(token)
    return reader.filter()


class _Reader:
    """Collects the parts of one text, and knows which word to blame."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._lists: defaultdict[str, list[str]] = defaultdict(list)
        self._ranges: dict[str, Range] = {}
        self._spots: dict[str, tuple[int, int]] = {}
        """Position and length of the last word that named a field."""
        self._at = 0
        self._word = ""

    def read(self, token: re.Match[str]) -> None:
        """Take in one word."""
        self._at, self._word = token.start(), token.group().strip()
        try:
            if token["field"] is None:
                self._bare(token["word"].rstrip(","))
            else:
                self._field(token["field"], token["operator"], (token["value"] or "").rstrip(","))
        except FilterError as error:
            self._blame(error, *self._spot)

    def filter(self) -> Filter:
        """The filter of all words. Raises FilterError where they contradict each other."""
        try:
            return Filter(
                **{name: tuple(values) for name, values in self._lists.items()},
                ranges=tuple(self._ranges.items()),
            )
        except FilterError as error:
            self._blame(error, *self._spots.get(error.field, (0, len(self._text))))

    @property
    def _spot(self) -> tuple[int, int]:
        return self._at, len(self._word)

    def _blame(self, error: FilterError, position: int, length: int) -> NoReturn:
        raise FilterError(
            f"At {position + 1}: {error.message}",
            error.remedy,
            position=position,
            length=length,
            field=error.field,
        ) from None

    def _add(self, field: str, name: str, values: list[str]) -> None:
        self._lists[name] += values
        self._spots[field] = self._spot

    def _bare(self, word: str) -> None:
        negative, body = word.startswith("-"), word.removeprefix("-")
        known = body.lower().replace("-", "_")
        if "|" in body:
            self._either(body, negative)
        elif "," in body:
            self._tickers(word.split(","))
        elif known in FLAG_WORDS:
            self._add("flags", "flags_none" if negative else "flags_all", [FLAG_WORDS[known]])
        elif known in KEYWORDS:
            field, value = KEYWORDS[known]
            if negative:
                others = ",".join(other for other in CHOICES[field] if other != value)
                raise FilterError(f"{word} cannot be excluded.", f"Write {field}:{others}.", field=field)
            self._add(field, field, [value])
        elif _SYMBOL.match(body.upper()) and not negative:
            self._add("symbol", "symbol", [value_of("symbol", body)])
        else:
            self._tickers([word])

    def _either(self, body: str, negative: bool) -> None:
        words = [word.strip() for word in body.split("|")]
        if negative:
            raise FilterError(
                f"-{body} excludes alternatives.", f"Write {' '.join('-' + word for word in words)}."
            )
        if any(word.lower().replace("-", "_") not in FLAG_WORDS for word in words):
            for word in words:
                self._no_ticker_meant(word)
            raise FilterError(
                f"{body} mixes what are not flags.", "Write tickers as SPY,QQQ and sides as side:ask,mid."
            )
        if "flags_any" in self._lists:
            raise FilterError(
                "There is a second group of alternatives.", "Only one, as sweep|block, is possible."
            )
        self._add("flags", "flags_any", [FLAG_WORDS[word.lower().replace("-", "_")] for word in words])

    def _tickers(self, words: list[str]) -> None:
        for raw in words:
            word = raw.strip()
            self._no_ticker_meant(word.removeprefix("-"))
            name = "underlying_not" if word.startswith("-") else "underlying"
            self._add("underlying", name, [value_of("underlying", word.removeprefix("-"))])

    def _no_ticker_meant(self, word: str) -> None:
        """Raise where a word that would pass for a ticker is surely meant for something else."""
        known = word.lower().replace("-", "_")
        if known in CHOICES["side"]:
            raise FilterError(
                f"{word} is a side of the quote.", f"Write side:{known}; a ticker is underlying:{word}."
            )
        if known in _WORDS:
            raise FilterError(f"{word} stands in a list of tickers.", "Put a space before and after it.")
        if known in RANGES or known in ALIASES:
            raise FilterError(f"{word} stands alone.", f"Write {word}>= or {word}<= and a number.")
        near = close_match(known, _WORDS, _NEAR) if len(known) > _SHORT else None
        if near and not word.isupper():
            raise FilterError(
                f"{word!r} is no flag (nearest: {near}).",
                f"Write {near}, or underlying:{word.upper()} for the ticker.",
            )
        if len(word) > 6 or not word.replace(".", "").replace("/", "").lstrip("^$").isalnum():
            shown = word if len(word) <= 40 else word[:37] + "..."
            hint = nearest(known, (*_WORDS, *_FIELDS))
            raise FilterError(
                f"{shown!r} is neither a ticker nor a flag{hint}.",
                "Expected words like SPY, -TSLA, calls, sweep, premium>=100k.",
            )

    def _field(self, spelled: str, operator: str, value: str) -> None:
        field = spelled.lower().replace("-", "_")
        field = ALIASES.get(field, field)
        if field.startswith("_"):
            raise FilterError(
                f"{self._word} cannot be excluded.", "Only tickers and flags can: -TSLA, -multi_leg."
            )
        if field not in _FIELDS:
            raise FilterError(
                f"{spelled!r} is no field{nearest(field, _FIELDS)}.", f"Known are {', '.join(_FIELDS)}."
            )
        if not value:
            raise FilterError(
                f"{self._word} has no value.", f"Write one right after {operator}.", field=field
            )
        if field in RANGES:
            self._range(field, operator, value)
        elif operator not in (":", "=", "=="):
            raise FilterError(f"{field} is no number to compare.", f"Write {field}:{value}.", field=field)
        elif field == "underlying":
            for word in value.split(","):
                negative = word.strip().startswith("-")
                name = "underlying_not" if negative else "underlying"
                self._add(field, name, [value_of(field, word.strip().removeprefix("-"))])
        else:
            self._add(field, field, [value_of(field, word) for word in value.split(",")])

    def _range(self, field: str, operator: str, value: str) -> None:
        if operator in _OPERATORS:
            new = Range(**{_OPERATORS[operator]: _number(field, value)})
        elif ".." in value:
            low, _, high = value.partition("..")
            new = Range(gte=_number(field, low) if low else None, lte=_number(field, high) if high else None)
        else:
            exact = _number(field, value)
            new = Range(gte=exact, lte=exact)
        self._ranges[field] = _both(self._ranges.get(field, Range()), new).tightened(field)
        self._spots[field] = self._spot


def _both(one: Range, two: Range) -> Range:
    def given(first: Number | None, second: Number | None) -> list[Number]:
        return [bound for bound in (first, second) if bound is not None]

    return Range(
        gte=max(given(one.gte, two.gte), default=None),
        gt=max(given(one.gt, two.gt), default=None),
        lte=min(given(one.lte, two.lte), default=None),
        lt=min(given(one.lt, two.lt), default=None),
    )


def _number(field: str, text: str) -> Number:
    """A number as people write it: `100k`, `1.5m`, `$2.45`, `-0.5`; for `expiry` a date."""
    if field == "expiry":
        return number_of(field, text)
    match = _NUMBER.match(text.lower())
    if match is None:
        raise FilterError(
            f"{field}: {text[:40]!r} is no number.",
            "Expected one like 100000, 100k, 1.5m or -0.5.",
            field=field,
        )
    power = int(match["power"] or 0) + _SCALES[match["scale"]]
    # Exact in decimal, so that 1.1m is 1100000 and not the nearest float to it times a million.
    exact = Decimal(f"{match['sign']}{match['digits']}e{power}")
    if exact == exact.to_integral_value() and abs(exact) < 1e18:
        return number_of(field, int(exact))
    return number_of(field, float(exact))


def filter_text(wanted: Filter) -> str:
    """The short text of a filter, the same for equal filters; `*` for everything."""
    words: list[str] = []
    if wanted.underlying:
        # A ticker that is also a word of the language is named as a ticker.
        plain = not any(_is_word(name) for name in wanted.underlying)
        words.append(("" if plain else "underlying:") + ",".join(wanted.underlying))
    words += [f"underlying:-{name}" if _is_word(name) else f"-{name}" for name in wanted.underlying_not]
    words += ["calls" if right == "C" else "puts" for right in wanted.right]
    words += [_range_text(field, bounds) for field, bounds in wanted.ranges]
    words += wanted.flags_all
    if wanted.flags_any:
        words.append("|".join(wanted.flags_any))
    words += [f"-{flag}" for flag in wanted.flags_none]
    words += wanted.sentiment
    words += [
        f"{name}:{','.join(getattr(wanted, name))}"
        for name in ("side", "exchange", "symbol")
        if getattr(wanted, name)
    ]
    return " ".join(words) or EVERYTHING


def _is_word(name: str) -> bool:
    known = name.lower()
    return (
        known in _WORDS or known in CHOICES["side"] or known in RANGES or known in ALIASES or known.isdigit()
    )


def _range_text(field: str, bounds: Range) -> str:
    def shown(bound: Number | None) -> str:
        if bound is None:
            return ""
        if field == "expiry":
            text = f"{bound:08d}"
            return f"{text[:4]}-{text[4:6]}-{text[6:]}"
        if field == "premium" and isinstance(bound, int) and bound and bound % 1_000 == 0:
            return f"{bound // 1_000_000}m" if bound % 1_000_000 == 0 else f"{bound // 1_000}k"
        return repr(bound)

    if bounds.gte is not None and bounds.gte == bounds.lte:
        return f"{field}:{shown(bounds.gte)}"
    if bounds.gte is not None and bounds.lte is not None:
        return f"{field}:{shown(bounds.gte)}..{shown(bounds.lte)}"
    parts = [(">=", bounds.gte), (">", bounds.gt), ("<=", bounds.lte), ("<", bounds.lt)]
    return " ".join(f"{field}{sign}{shown(bound)}" for sign, bound in parts if bound is not None)
