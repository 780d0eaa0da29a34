"""The plan of windows finds the newest rows exactly, whatever the tape looks like, without asking for too much."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import search_plan
from engine.search_plan import FEW, SORT_LIMIT, STEPS, Ask, Found, Plan, Step
from schemas.errors import SearchError

MANY = 400
"""Steps that no page takes over a tape of sixty trades, however far apart: ten is usual."""


class Tape(msgspec.Struct):
    """Trades as (ts, seq, expired), and how Redis would answer a step over them; `matching` says which pass."""

    trades: list[tuple[int, int, bool]]
    hides_expired: bool = False
    sorted_rows: int = 0

    def answer(self, step: Step) -> tuple[int, list[Found]]:
        seq_high = float("inf") if step.seq_high is None else step.seq_high
        low, high = (
            (float("-inf") if step.low is None else step.low),
            (float("inf") if step.high is None else step.high),
        )
        inside = [trade for trade in self.trades if low <= trade[0] <= high and trade[1] <= seq_high]
        if step.ask is Ask.OLDER:
            return min(1, len(inside)), []
        if step.ask is Ask.COUNT:
            return min(step.rows + 1, len(inside)), []
        if step.ask is Ask.ALL:
            rows = [Found(0, None if gone else f"{ts}.{seq}".encode()) for ts, seq, gone in inside]
            rows = [row for row in rows if row.document or not self.hides_expired][: step.rows]
            return len(rows), rows
        self.sorted_rows = max(self.sorted_rows, len(inside))
        by = 1 if step.ask is Ask.TIES else 0
        # Of equal keys Redis may send any: here the lowest `seq`, which is the wrong one.
        inside.sort(key=lambda trade: (-trade[by], trade[1]))
        rows = [
            Found(trade[by], None if trade[2] else f"{trade[0]}.{trade[1]}".encode())
            for trade in inside[: step.rows]
        ]
        return len(inside), [row for row in rows if row.document or not self.hides_expired]


def run(plan: Plan, tape: Tape) -> list[tuple[int, int]]:
    while (step := plan.next()) is not None:
        plan.take(step, *tape.answer(step))
    keys = [tuple(map(int, document.split(b"."))) for document in plan.documents]
    return sorted(((ts, seq) for ts, seq in keys), reverse=True)


@st.composite
def tapes(draw: st.DrawFn) -> Tape:
    gaps = st.sampled_from((0, 0, 0, 1, 1, 5, 300, 20_000, 10**7, 10**11))
    ts, trades = 0, []
    for number in range(draw(st.integers(0, 60))):
        ts += draw(gaps)
        trades.append((ts, number + 1, draw(st.booleans()) and draw(st.booleans())))
    order = draw(st.permutations([seq for _, seq, _ in trades])) if draw(st.booleans()) else None
    if order is not None:
        trades = [(ts, seq, expired) for (ts, _, expired), seq in zip(trades, order, strict=True)]
    return Tape(trades, draw(st.booleans()))


@given(
    tapes(),
    st.integers(1, 40),
    st.sampled_from((None, 1, 250, 10**9)),
    st.integers(-5, 10**6),
    st.sampled_from((0, 3, FEW)),
    st.sampled_from((2, 5, SORT_LIMIT)),
)
def test_a_page_is_the_newest_rows_that_have_not_expired(
    tape: Tape, limit: int, span: int | None, off: int, few: int, sort_limit: int
) -> None:
    newest = max((ts for ts, _, _ in tape.trades), default=0)
    # The clock may be behind what is indexed, or ahead of what is left.
    plan = Plan(limit, max(0, newest + off), span_ms=span)
    wanted = sorted(((ts, seq) for ts, seq, expired in tape.trades if not expired), reverse=True)
    with pytest.MonkeyPatch.context() as patch:
        # Else no tape that is small enough for a test would be searched by windows to its end.
        patch.setattr(search_plan, "FEW", few)
        patch.setattr(search_plan, "SORT_LIMIT", sort_limit)
        assert run(plan, tape)[:limit] == wanted[:limit]
    assert plan.steps <= MANY


@given(tapes(), st.integers(1, 20), st.sampled_from((None, 1, 250)), st.data())
def test_a_page_goes_on_right_below_a_position(
    tape: Tape, limit: int, span: int | None, data: st.DataObject
) -> None:
    newest = max((ts for ts, _, _ in tape.trades), default=0)
    ts, seq = data.draw(st.sampled_from([(ts, seq) for ts, seq, _ in tape.trades] or [(0, 1)]))
    plan = Plan(limit, newest, ts, seq - 1, span_ms=span)
    left = ((t, s) for t, s, expired in tape.trades if not expired and (t, s) < (ts, seq))
    assert run(plan, tape)[:limit] == sorted(left, reverse=True)[:limit]


@given(tapes(), st.integers(0, 10**6))
def test_nothing_newer_than_asked_for_is_found(tape: Tape, back: int) -> None:
    newest = max((ts for ts, _, _ in tape.trades), default=0)
    plan = Plan(10, newest, newest - back, span_ms=250)
    left = ((ts, seq) for ts, seq, expired in tape.trades if not expired and ts <= newest - back)
    assert run(plan, tape)[:10] == sorted(left, reverse=True)[:10]


@pytest.mark.parametrize("years", [1, 10, 50])
def test_a_few_trades_years_after_many_are_paged_in_few_steps(years: int) -> None:
    day = [(1_000 * n, n + 1, False) for n in range(3_000)]
    late = 3_000_000 + years * 31_557_600_000
    tape = Tape([*day, (late, 3_001, False), (late + 700, 3_002, False)])
    plan = Plan(5, late + 700, span_ms=250)
    assert [seq for _, seq in run(plan, tape)[:5]] == [3_002, 3_001, 3_000, 2_999, 2_998]
    assert plan.steps < 120
    assert tape.sorted_rows <= SORT_LIMIT


def test_many_trades_of_one_millisecond_are_paged_by_seq() -> None:
    tape = Tape([(60_000, seq, False) for seq in range(1, 401)] + [(0, 500, False)])
    plan = Plan(50, 60_000, span_ms=250)
    assert run(plan, tape)[:50] == [(60_000, seq) for seq in range(400, 350, -1)]
    assert plan.steps == 2


def test_a_dense_tape_behind_a_long_gap_is_not_sorted_whole() -> None:
    hour = 3_600_000
    tape = Tape([(ts, ts, False) for ts in range(100_000)])
    plan = Plan(50, 100_000 + hour, span_ms=250)
    assert run(plan, tape)[:50] == [(ts, ts) for ts in range(99_999, 99_949, -1)]
    assert tape.sorted_rows <= SORT_LIMIT
    assert plan.steps < 64


def test_a_window_with_a_long_gap_is_not_remembered() -> None:
    hour = 3_600_000
    tape = Tape([(ts, ts, False) for ts in range(10_000)])
    plan = Plan(50, 10_000 + hour, span_ms=250)
    assert len(run(plan, tape)) >= 50
    assert plan.span_of_page is None
    assert not plan.finds_little


def test_a_filter_that_becomes_broad_further_back_is_not_sorted_whole() -> None:
    tape = Tape([(ts, ts, False) for ts in range(200_000)] + [(2_000_000, 2_000_000, False)])
    plan = Plan(50, 2_000_000, span_ms=250)
    assert run(plan, tape)[0] == (2_000_000, 2_000_000)
    assert tape.sorted_rows <= 4 * SORT_LIMIT


def test_an_empty_tape_takes_few_steps() -> None:
    plan = Plan(50, 1_800_000_000_000, span_ms=250)
    assert run(plan, Tape([])) == []
    assert plan.finds_little
    assert plan.steps <= 6


def test_a_full_page_says_how_long_its_window_should_have_been() -> None:
    tape = Tape([(ts, ts, False) for ts in range(0, 100_000, 10)])
    plan = Plan(50, 99_990, span_ms=250)
    assert len(run(plan, tape)) >= 50
    span = plan.span_of_page
    assert span is not None
    assert 500 <= span <= 1_000
    again = Plan(50, 99_990, span_ms=span)
    assert run(again, tape)[:50] == run(plan, tape)[:50]
    assert again.steps == 1


def test_a_plan_that_never_ends_is_stopped() -> None:
    plan = Plan(50, 10**12, 10**12, 10**12, span_ms=250)
    for _ in range(STEPS):
        step = plan.next()
        assert step is not None
        # A Redis that names expired trades of one millisecond without end.
        plan.take(step, 10**9, [Found(10**9, None)])
    with pytest.raises(SearchError, match=f"more than {STEPS} steps"):
        plan.next()
