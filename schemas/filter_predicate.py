"""A filter as a plain function of a trade: the first of its executors looks forward, on the tape."""

from __future__ import annotations

from collections.abc import Callable
from operator import ge, gt, le, lt
from typing import Final

from schemas.filter import Filter, Number, Range
from schemas.trade import Trade

Predicate = Callable[[Trade], bool]

_COMPARISONS: Final[dict[str, Callable[[Number, Number], bool]]] = {"gte": ge, "gt": gt, "lte": le, "lt": lt}


def predicate(wanted: Filter) -> Predicate:
    """A function that is true for exactly the trades that `filter_query.compile_query` names."""
    tests: list[Predicate] = [
        _one_of(field, frozenset(values))
        for field in ("underlying", "right", "side", "sentiment", "exchange", "symbol")
        if (values := getattr(wanted, field))
    ]
    if wanted.underlying_not:
        tests.append(_none_of(frozenset(wanted.underlying_not)))
    if wanted.flags_all or wanted.flags_any or wanted.flags_none:
        tests.append(
            _flags(frozenset(wanted.flags_all), frozenset(wanted.flags_any), frozenset(wanted.flags_none))
        )
    tests += [_within(field, bounds) for field, bounds in wanted.ranges]
    return lambda trade: all(test(trade) for test in tests)


def _one_of(field: str, values: frozenset[str]) -> Predicate:
    return lambda trade: getattr(trade, field) in values


def _none_of(tickers: frozenset[str]) -> Predicate:
    return lambda trade: trade.underlying not in tickers


def _flags(every: frozenset[str], some: frozenset[str], none: frozenset[str]) -> Predicate:
    def test(trade: Trade) -> bool:
        flags = frozenset(trade.flags)
        return every <= flags and (not some or bool(some & flags)) and not none & flags

    return test


def _within(field: str, bounds: Range) -> Predicate:
    checks = [(_COMPARISONS[name], bound) for name, bound in bounds.to_json().items()]

    def test(trade: Trade) -> bool:
        value = getattr(trade, field)
        return value is not None and all(compare(value, bound) for compare, bound in checks)

    return test
