"""Filters matched together: the same trades as each filter's own predicate and as a search, whoever comes and goes."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

import pytest
import redis
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

import engine.match.thresholds
from engine.match import FilterIndex
from engine.match.bits import bits_of, slots_of
from engine.match.postings import FEW, Postings
from engine.match.thresholds import RUNS, Thresholds
from engine.search import Search
from engine.search_index import ensure_index
from engine.settings import Settings
from schemas.filter import Filter, Range
from schemas.filter_predicate import predicate
from schemas.filter_text import parse_filter
from schemas.print import Print
from schemas.trade import Trade
from tests import indexing
from tests.test_filter_query import write
from tests.trade_strategies import NUMBERS, a_trade, filters, trades

LARGE = 2**53


@pytest.fixture(params=[2, 3, RUNS])
def runs(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """Runs of thresholds at most: with few of them, many thresholds share one."""
    monkeypatch.setattr(engine.match.thresholds, "RUNS", request.param)
    return int(request.param)


def filled(wanted: Sequence[Filter]) -> FilterIndex:
    """An index in which a filter's slot is its place."""
    index = FilterIndex()
    assert [index.add(each) for each in wanted] == list(range(len(wanted)))
    return index


def passed(wanted: Sequence[Filter], trade: Trade) -> list[int]:
    """Places of the filters whose predicate lets the trade through."""
    return [place for place, each in enumerate(wanted) if predicate(each)(trade)]


@examples(max_examples=150)
@given(st.lists(filters(), max_size=60), st.lists(trades(), min_size=1, max_size=8))
def test_a_trade_matches_exactly_the_filters_whose_predicate_is_true(
    runs: int, wanted: list[Filter], rows: list[Trade]
) -> None:
    index = filled(wanted)
    assert len(index) == len(wanted)
    for row in rows:
        assert index.match(row) == passed(wanted, row)


@given(st.lists(filters(), min_size=1, max_size=40), st.lists(trades(), min_size=1, max_size=4), st.data())
def test_filters_that_left_match_no_more_and_the_others_as_before(
    runs: int, wanted: list[Filter], rows: list[Trade], data: st.DataObject
) -> None:
    index = filled(wanted)
    leaving = data.draw(st.sets(st.sampled_from(range(len(wanted)))))
    for slot in leaving:
        index.remove(slot)
    assert len(index) == len(wanted) - len(leaving)
    for row in rows:
        assert index.match(row) == [slot for slot in passed(wanted, row) if slot not in leaving]


class ComingAndGoing(RuleBasedStateMachine):
    """An index beside a plain dict of predicates."""

    def __init__(self) -> None:
        super().__init__()
        self.index = FilterIndex()
        self.held: dict[int, Filter] = {}

    @rule(wanted=st.lists(filters(), min_size=1, max_size=20))
    def come(self, wanted: list[Filter]) -> None:
        for each in wanted:
            slot = self.index.add(each)
            free = next(number for number in range(len(self.held) + 1) if number not in self.held)
            assert slot == free
            self.held[slot] = each

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def go(self, data: st.DataObject) -> None:
        for slot in data.draw(st.sets(st.sampled_from(sorted(self.held)), min_size=1)):
            self.index.remove(slot)
            del self.held[slot]

    @rule(row=trades())
    def match(self, row: Trade) -> None:
        assert self.index.match(row) == sorted(
            slot for slot, each in self.held.items() if predicate(each)(row)
        )

    @invariant()
    def counts(self) -> None:
        assert len(self.index) == len(self.held)


TestComingAndGoing = ComingAndGoing.TestCase
TestComingAndGoing.settings = examples(max_examples=40, stateful_step_count=30)


def test_hundreds_of_filters_with_bounds_of_their_own_come_go_and_match_exactly(runs: int) -> None:
    rng = Random(3)
    index, held = FilterIndex(), {}

    def one() -> Filter:
        ranges = []
        for field in rng.sample(("premium", "size", "otm_pct", "delta", "volume"), rng.randint(0, 3)):
            low, high = sorted((rng.gauss(0, 100), rng.gauss(0, 100)))
            bounds = {rng.choice(("gte", "gt")): low, rng.choice(("lte", "lt")): high}
            if rng.random() < 0.6:
                bounds.pop(rng.choice(list(bounds)))
            ranges.append((field, Range(**bounds)))
        tickers = tuple(rng.sample([f"T{n}" for n in range(40)], rng.choice((0, 0, 1, 5))))
        return Filter(
            underlying=tickers, flags_none=tuple(rng.sample(("late", "cross"), 1)), ranges=tuple(ranges)
        )

    for _ in range(6):
        for _ in range(rng.randint(100, 400)):
            wanted = one()
            held[index.add(wanted)] = wanted
        for _ in range(20):
            row = a_trade(
                underlying=f"T{rng.randrange(45)}",
                premium=rng.gauss(0, 100),
                size=rng.randint(-200, 200),
                otm_pct=rng.choice((None, rng.gauss(0, 100))),
                delta=rng.choice((None, rng.gauss(0, 100))),
                volume=rng.choice((None, rng.randint(-200, 200))),
                flags=rng.choice(((), ("late",), ("cross", "sweep"))),
            )
            assert index.match(row) == sorted(s for s, each in held.items() if predicate(each)(row))
        for slot in rng.sample(sorted(held), rng.randint(0, len(held))):
            index.remove(slot)
            del held[slot]


@pytest.mark.parametrize("bound", [5, 5.0, 0, -0.0, 1e-7, LARGE, LARGE - 1, -LARGE, 0.1 + 0.2])
@pytest.mark.parametrize("side", ["gte", "gt", "lte", "lt"])
def test_a_bound_is_compared_exactly_beside_its_neighbours(side: str, bound: float) -> None:
    wanted = [
        Filter(ranges=((field, Range(**{side: number})),))
        for field in ("premium", "volume")
        for number in (bound, bound + 1, bound - 1)
    ]
    index = filled(wanted)
    near = {
        bound,
        float(bound),
        int(bound),
        bound + 1,
        bound - 1,
        int(bound) + 1,
        int(bound) - 1,
        int(bound) + 3,
    }
    near |= {float(bound) * (1 + sign * 2**-52) for sign in (1, -1)} | {float("inf"), float("-inf"), 2**70}
    for value in near:
        row = a_trade(premium=value, volume=value)
        assert index.match(row) == passed(wanted, row), value


def test_five_and_five_point_nought_are_one_threshold() -> None:
    wanted = [Filter(ranges=(("size", Range(gte=number)),)) for number in (5, 5.0, 5)]
    index = filled(wanted)
    assert index.match(a_trade(size=5)) == [0, 1, 2]
    index.remove(1)
    assert index.match(a_trade(size=5)) == [0, 2]
    assert index.match(a_trade(size=4)) == []


def test_what_is_unknown_or_no_number_is_in_no_range() -> None:
    wanted = [parse_filter(text) for text in ("iv>0", "iv<=0", "iv>=-1 iv<=9", "*", "delta<0")]
    index = filled(wanted)
    for iv in (None, float("nan")):
        assert index.match(a_trade(iv=iv)) == [3] == passed(wanted, a_trade(iv=iv))


def test_equal_filters_have_a_slot_each() -> None:
    index = filled([parse_filter("SPY sweep")] * 3)
    assert index.match(a_trade(flags=("sweep",))) == [0, 1, 2]
    index.remove(0)
    assert index.match(a_trade(flags=("sweep",))) == [1, 2]


def test_an_index_without_filters_matches_nothing() -> None:
    index = FilterIndex()
    assert index.match(a_trade()) == []
    index.remove(index.add(Filter()))
    assert index.match(a_trade()) == []
    assert len(index) == 0


def test_the_lowest_free_slot_is_given_again() -> None:
    index = filled([parse_filter("SPY"), parse_filter("*"), parse_filter("calls")])
    index.remove(1)
    index.remove(0)
    assert index.add(parse_filter("puts")) == 0
    assert index.add(parse_filter("SPY")) == 1
    assert index.add(parse_filter("SPY")) == 3
    assert index.match(a_trade()) == [1, 2, 3]
    for slot in (3, 2, 1):
        index.remove(slot)
    assert [index.add(parse_filter("SPY")) for _ in range(3)] == [1, 2, 3]


@pytest.mark.parametrize("slot", [-1, 1, 2, 99])
def test_a_slot_that_is_free_cannot_be_removed(slot: int) -> None:
    index = filled([parse_filter("SPY"), parse_filter("calls")])
    index.remove(1)
    with pytest.raises(KeyError, match=str(slot)):
        index.remove(slot)
    assert index.match(a_trade()) == [0]


@given(st.lists(filters(), max_size=30))
def test_nothing_is_kept_of_filters_that_left(wanted: list[Filter]) -> None:
    index = filled(wanted)
    for slot in range(len(wanted)):
        index.remove(slot)
    assert not index._filters
    assert not index._numbers
    assert index._used == 0
    for postings in (index._excluded, index._flags_all, index._flags_none):
        assert not postings
    for bounded in index._ranges:
        assert (bounded.slots, bounded.low, bounded.high) == (0, None, None)
    for asked in (index._flags_any, *index._lists):
        assert asked.slots == 0
        assert not asked._postings


@given(
    st.lists(st.one_of(st.integers(-30, 30), st.floats(-30, 30, allow_nan=False)), max_size=200),
    st.lists(st.one_of(st.integers(-31, 31), st.floats(-31, 31, allow_nan=False)), max_size=10),
    st.randoms(use_true_random=False),
)
def test_thresholds_above_a_value_are_found_exactly_and_in_bounded_runs(
    runs: int, numbers: list[float], values: list[float], rng: Random
) -> None:
    thresholds = Thresholds()
    for slot, number in enumerate(numbers):
        thresholds.add(number, slot)
        assert len(thresholds._sets) <= runs + 1
    held = dict(enumerate(numbers))
    for slot in rng.sample(range(len(numbers)), len(numbers)):
        for value in (*values, numbers[slot]):
            found = slots_of(thresholds.above(value), range(len(numbers)))
            assert found == [other for other in held if held[other] > value]
        thresholds.remove(held.pop(slot), slot)
    assert not thresholds
    assert thresholds._sets == [0]
    assert thresholds._middle == thresholds._all == 0


def test_many_different_thresholds_are_spread_over_all_runs_in_whatever_order_they_come() -> None:
    count = 4_000
    for order in (range(count), range(count, 0, -1), Random(1).sample(range(count), count)):
        thresholds = Thresholds()
        for slot, number in enumerate(order):
            thresholds.add(float(number), slot)
        sizes = [len(numbers) for numbers, _ in thresholds._runs]
        assert len(sizes) == RUNS
        assert sum(sizes) == count
        # A run is split where two neighbours together are less than half of it.
        assert max(sizes) <= 8 * count / RUNS


def test_one_threshold_of_many_filters_does_not_coarsen_the_others() -> None:
    thresholds = Thresholds()
    for slot in range(1_000):
        thresholds.add(100_000, slot)
    for slot in range(1_000, 2_000):
        thresholds.add(slot, slot)
    assert thresholds.above(99_999.5).bit_count() == 1_000
    crowded = [len(numbers) for numbers, _ in thresholds._runs if numbers[0] != numbers[-1]]
    assert max(crowded) < 100


@given(st.sets(st.integers(0, 400)), st.integers(0, 64))
def test_slots_of_a_set_are_those_that_it_was_made_of(slots: set[int], more: int) -> None:
    width = max(slots, default=0) + 1 + more
    assert slots_of(bits_of(slots, width), range(width)) == sorted(slots)
    assert bits_of(slots, width) == sum(1 << slot for slot in slots)


@pytest.mark.parametrize("few", [0, FEW])
def test_a_value_of_many_slots_and_of_few_names_the_same_ones(few: int) -> None:
    postings = Postings(few)
    order = Random(2).sample(range(500), 3 * FEW)
    held: set[int] = set()
    for slot in order:
        postings.add("SPY", slot)
        held.add(slot)
        assert postings.naming("SPY") == bits_of(held, 500)
    for slot in order:
        postings.remove("SPY", slot)
        held.remove(slot)
        assert postings.naming("SPY") == bits_of(held, 500)
    assert not postings
    assert postings.naming("SPY") == 0


def searched(client: redis.Redis, wanted: Filter) -> set[str]:
    """Ids of all trades in the index that a whole search finds."""
    return {row.trade().id for row in Search(client, 1, 5_000).page(wanted, 1_000).rows}


def matched(index: FilterIndex, slot: int, rows: Sequence[Trade]) -> set[str]:
    return {row.id for row in rows if slot in index.match(row)}


ROWS = 10


@examples(max_examples=40)
@given(st.tuples(*(trades(number) for number in range(ROWS))), st.lists(filters(), min_size=1, max_size=12))
def test_search_predicate_and_matching_agree_on_every_document(
    client: redis.Redis, rows: tuple[Trade, ...], wanted: list[Filter]
) -> None:
    client.flushdb()
    ensure_index(client, 1)
    write(client, list(rows))
    index = filled(wanted)
    for slot, each in enumerate(wanted):
        test = predicate(each)
        expected = {row.id for row in rows if test(row)}
        assert matched(index, slot, rows) == expected == searched(client, each), each


@st.composite
def prints(draw: st.DrawFn, number: int) -> Print:
    """A print of a few contracts, often with unknown parts, at most two seconds after the one before."""
    bid = draw(st.sampled_from((None, 1.9)))
    return indexing.a_print(
        number,
        ts=indexing.NOON + number * draw(st.sampled_from((10, 2_000))),
        symbol=draw(
            st.sampled_from(
                ("SPY261218C00600000", "QQQ261218P00500500", "TSLA270115C00250000", "SPY261121P00600000")
            )
        ),
        price=draw(st.sampled_from((0.05, 1.9, 1.95, 2.0, 2.45))),
        size=draw(st.sampled_from((1, 500, 501, 3_000))),
        exchange=draw(st.sampled_from(("XCBO", "C2OX", "XPHL"))),
        conditions=draw(st.sampled_from(((), ("I",), ("S",), ("g",)))),
        bid=bid,
        ask=None if bid is None else 2.0,
        underlying_price=draw(st.sampled_from((None, 600.0, 612.3))),
        open_interest=draw(st.sampled_from((None, 0, 100))),
        iv=draw(st.sampled_from((None, 0.25, 0.5))),
        delta=draw(st.sampled_from((None, -0.5, 0.5))),
    )


@examples(max_examples=30)
@given(
    st.tuples(*(prints(number) for number in range(ROWS))),
    st.lists(filters(), min_size=1, max_size=10),
    st.data(),
)
def test_search_predicate_and_matching_agree_on_what_the_indexer_wrote(
    client: redis.Redis,
    settings: Settings,
    arriving: tuple[Print, ...],
    wanted: list[Filter],
    data: st.DataObject,
) -> None:
    client.flushdb()
    ensure_index(client, 1)
    indexing.append(client, arriving)
    indexing.index(client, settings)
    rows = list(indexing.trades(client).values())
    assert len(rows) == ROWS
    # Bounds at the very values that were written, beside those at random.
    for field in NUMBERS:
        value = getattr(data.draw(st.sampled_from(rows)), field)
        if value is not None:
            side = data.draw(st.sampled_from(("gte", "gt", "lte", "lt")))
            wanted.append(Filter(ranges=((field, Range(**{side: value})),)))
    index = filled(wanted)
    for slot, each in enumerate(wanted):
        test = predicate(each)
        expected = {row.id for row in rows if test(row)}
        assert matched(index, slot, rows) == expected == searched(client, each), each
