"""The rows of a subscription: whatever is sent twice or late, the same rows remain."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from engine.client.view import View, as_trades
from schemas.messages import ENCODINGS, MSGPACK, Batch, Row, Snapshot
from schemas.trade import COLUMNS
from tests.stream_server import batch, row, row_of, snapshot
from tests.trade_strategies import a_trade, trades

SEQ = COLUMNS.index("seq")


def versions(ids: int = 12) -> st.SearchStrategy[list[Row]]:
    """Announcements of a tape in their order: `seq` grows, ids come again, a trade keeps its time."""
    numbers = st.lists(st.integers(0, ids - 1), max_size=40)
    return numbers.map(
        lambda drawn: [
            row(1, id=f"t_{number}", seq=seq, ts=1_000 + number // 3) for seq, number in enumerate(drawn)
        ]
    )


def latest(rows: list[Row]) -> dict[str, Row]:
    """By id the version with the greatest seq."""
    return {row[0]: row for row in sorted(rows, key=lambda row: row[SEQ])}


@given(versions(), st.data())
def test_any_order_of_doubled_batches_gives_the_same_rows(tape: list[Row], data: st.DataObject) -> None:
    again = data.draw(st.lists(st.sampled_from(tape), max_size=20)) if tape else []
    sent = data.draw(st.permutations(tape + again))
    view = View(keep=None)
    while sent:
        size = data.draw(st.integers(1, 5))
        view.apply(Batch("s", sent[:size], "p", 0))
        sent = sent[size:]
    assert {row[0]: row for row in view.rows()} == latest(tape)


@given(versions(), st.integers(1, 6), st.data())
def test_a_bounded_view_keeps_the_newest_of_what_an_unbounded_one_keeps(
    tape: list[Row], keep: int, data: st.DataObject
) -> None:
    view = View(keep)
    for item in data.draw(st.permutations(tape)):
        view.apply(Batch("s", [item], "p", 0))
        assert len(view) <= keep
    order = sorted(latest(tape).values(), key=lambda row: (row[2], row[0]), reverse=True)
    assert {row[0]: row for row in view.rows()} == {row[0]: row for row in order[:keep]}


@given(versions(6), st.lists(st.booleans(), min_size=40, max_size=40), st.data())
def test_a_stream_that_goes_on_from_earlier_positions_ends_with_the_same_rows(
    tape: list[Row], passes: list[bool], data: st.DataObject
) -> None:
    said = [
        Batch("s", [row] if passed else [], f"p{seq}", 0, gone=[] if passed else [row])
        for seq, (row, passed) in enumerate(zip(tape, passes, strict=False))
    ]
    expected = {trade_id: row for trade_id, row in latest(tape).items() if passes[row[SEQ]]}
    view, at = View(keep=None), 0
    for back in data.draw(st.lists(st.integers(0, 10), max_size=5)):
        reached = data.draw(st.integers(min(at, len(said)), len(said)))
        for message in said[at:reached]:
            view.apply(message)
        at = max(0, reached - back)
    for message in said[at:]:
        view.apply(message)
    assert {row[0]: row for row in view.rows()} == expected
    assert view.pos == (f"p{len(tape) - 1}" if tape else None)


def test_a_late_older_version_changes_nothing_and_a_newer_one_is_a_change() -> None:
    view = View()
    view.apply(Batch("s", [row(1, seq=5)], "p1", 0))
    assert view.apply(Batch("s", [row(1, seq=4), row(2, seq=6)], "p2", 0)) == ([row(2, seq=6)], [], [])
    assert view.apply(Batch("s", [row(1, seq=7)], "p3", 0)) == ([], [row(1, seq=7)], [])
    assert [held[SEQ] for held in view.rows()] == [7, 6]


def test_gone_takes_out_and_tells_what_became_of_it() -> None:
    view = View()
    view.apply(snapshot("s", 3, 2, 1))
    withdrawn = row(2, seq=9, flags=("cancelled",))
    said = Batch("s", [row(6, seq=7)], "p1", 0, gone=[withdrawn, row(9, seq=8)])
    assert view.apply(said) == ([row(6, seq=7)], [], [withdrawn])
    assert view.rows() == [row(6, seq=7), row(3), row(1)]


def test_what_passes_again_is_not_taken_out_by_what_was_sent_before() -> None:
    view = View()
    view.apply(Snapshot("s", [row(1, seq=9)], "p0", False, None, False))
    assert view.apply(Batch("s", [], "p1", 0, gone=[row(1, seq=7)])) == ([], [], [])
    assert view.rows() == [row(1, seq=9)]


def test_a_snapshot_replaces_and_is_told_against_what_was_held() -> None:
    view = View()
    view.apply(snapshot("s", 2, 1))
    view.apply(batch("s", pos="p1", skipped=3))
    assert view.skipped == 3
    changes = view.apply(Snapshot("s", [row(3), row(2, seq=9), row(1)], "p2", False, None, False))
    assert changes == ([row(3)], [row(2, seq=9)], [])
    assert (view.skipped, view.pos) == (0, "p2")
    view.apply(Snapshot("s", [row(1, seq=0)], "p3", False, None, False))
    assert view.rows() == [row(1, seq=0)]


def test_a_view_that_keeps_nothing_still_knows_where_it_is() -> None:
    view = View(keep=0)
    assert view.apply(batch("s", 1, pos="p1", skipped=2)) == ([], [], [])
    assert (len(view), view.rows(), view.pos, view.skipped) == (0, [], "p1", 2)


def test_a_bounded_view_holds_at_most_twice_its_rows() -> None:
    view = View(keep=10)
    for number in range(200):
        view.apply(batch("s", number, pos="p"))
        assert len(view._rows) <= 20


def test_rows_are_read_by_the_names_of_their_columns() -> None:
    columns = ("seq", "ts", "id", "new_one")
    view = View(columns=columns)
    view.apply(Batch("s", [(1, 10, "a", 0), (2, 10, "b", 0)], "p", 0))
    view.apply(Batch("s", [(3, 10, "a", 0)], "p", 0))
    assert view.rows() == [(3, 10, "a", 0), (2, 10, "b", 0)]


@given(st.lists(trades(), max_size=3))
def test_rows_become_trades_again(found: list[Any]) -> None:
    encoding = ENCODINGS[MSGPACK]
    message = encoding.server_message(encoding.encode(Batch("s", [row_of(trade) for trade in found], "p", 0)))
    assert isinstance(message, Batch)
    assert as_trades(message.rows) == found
    wider = [(*values, "more") for values in message.rows]
    assert as_trades(wider, (*COLUMNS, "unheard_of")) == found


def test_a_trade_of_whole_dollars_comes_back_as_floats() -> None:
    (trade,) = as_trades([row_of(a_trade(1, strike=600))])
    assert isinstance(trade.strike, float)
