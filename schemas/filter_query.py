"""A filter as a RediSearch query: the second of its executors looks back, in the index.

Nothing of the user's text enters the query: fields come from the tables below, values travel as PARAMS, which
the parser of DIALECT 2 takes whole, whatever characters are in them. Source: the query syntax of RediSearch 2.10.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from schemas.filter import Filter, Number, Range

DIALECT: Final = 2

EVERYTHING: Final = "*"

_TAGS: Final = ("underlying", "right", "side", "sentiment", "exchange", "symbol")


@dataclass(frozen=True, slots=True)
class Query:
    """The query of FT.SEARCH and FT.AGGREGATE with its parameters, names and values in turn."""

    text: str
    params: tuple[str, ...]

    def and_between(self, field: str, name: str, low: int | None, high: int | None) -> Query:
        """This query within `low <= field <= high` (None is no bound); `name` is unique among the parameters."""
        if low is None and high is None:
            return self
        bounds = [(f"{name}_from", low), (f"{name}_to", high)]
        low_text, high_text = (
            f"${param}" if bound is not None else end
            for (param, bound), end in zip(bounds, ("-inf", "+inf"), strict=True)
        )
        clause = f"@{field}:[{low_text} {high_text}]"
        added = tuple(part for param, bound in bounds if bound is not None for part in (param, str(bound)))
        return Query(clause if self.text == EVERYTHING else f"{self.text} {clause}", self.params + added)

    def and_within_either(self, one: tuple[str, int, int], other: tuple[str, int, int]) -> Query:
        """This query where one of two fields is `low < field <= high`, each given as its name, low and high.

        It may be narrowed so once.
        """
        spans = (("one", *one), ("other", *other))
        clause = " | ".join(f"@{field}:[(${name}_above ${name}_to]" for name, field, _, _ in spans)
        added = tuple(
            part
            for name, _, low, high in spans
            for part in (f"{name}_above", str(low), f"{name}_to", str(high))
        )
        return Query(
            f"({clause})" if self.text == EVERYTHING else f"{self.text} ({clause})", self.params + added
        )

    def arguments(self) -> tuple[str, ...]:
        """`PARAMS n name value ... DIALECT 2`, as they stand at the end of a command."""
        params = ("PARAMS", str(len(self.params)), *self.params) if self.params else ()
        return (*params, "DIALECT", str(DIALECT))


class _Builder:
    def __init__(self) -> None:
        self.clauses: list[str] = []
        self.params: list[str] = []

    def _param(self, value: str) -> str:
        name = f"v{len(self.params) // 2}"
        self.params += (name, value)
        return f"${name}"

    def tags(self, field: str, values: tuple[str, ...], sign: str = "") -> None:
        if values:
            self.clauses.append(f"{sign}@{field}:{{{'|'.join(self._param(value) for value in values)}}}")

    def between(self, field: str, bounds: Range) -> None:
        low = self._bound(bounds.gte, bounds.gt, "-inf")
        high = self._bound(bounds.lte, bounds.lt, "+inf")
        self.clauses.append(f"@{field}:[{low} {high}]")

    def _bound(self, inclusive: Number | None, exclusive: Number | None, none: str) -> str:
        if inclusive is not None:
            return self._param(repr(inclusive))
        return none if exclusive is None else f"({self._param(repr(exclusive))}"


def compile_query(wanted: Filter) -> Query:
    """The query that names exactly the trades for which `filter_predicate.predicate` is true."""
    builder = _Builder()
    for field in _TAGS:
        builder.tags(field, getattr(wanted, field))
    builder.tags("underlying", wanted.underlying_not, "-")
    for flag in wanted.flags_all:
        builder.tags("flags", (flag,))
    builder.tags("flags", wanted.flags_any)
    builder.tags("flags", wanted.flags_none, "-")
    for field, bounds in wanted.ranges:
        builder.between(field, bounds)
    return Query(" ".join(builder.clauses) or EVERYTHING, tuple(builder.params))
