"""Events in the order of exchange time, in memory and by merging sorted runs."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.replay.event_order import EventOrder, key
from schemas.errors import FlowtapeError
from schemas.print import Print, Reference
from tests.indexing import a_print

events = st.lists(
    st.one_of(
        st.integers(0, 20).map(lambda ts: a_print(ts=ts, bid=None)),
        st.integers(0, 5).map(lambda n: Reference("test", "SPY261218C00600000", 20_261_120 + n, n)),
    ),
    max_size=60,
)


def numbered(found: list[Print | Reference]) -> list[Print | Reference]:
    """The events, each one different from all others."""
    return [
        a_print(number, ts=event.ts)
        if isinstance(event, Print)
        else Reference(event.feed, event.symbol, event.date, number)
        for number, event in enumerate(found)
    ]


@given(events, st.integers(1, 10), st.integers(2, 4))
def test_merged_runs_are_the_plain_sort_with_references_first_and_the_files_order_kept(
    found: list[Print | Reference], limit: int, runs: int
) -> None:
    given_events = numbered(found)
    with EventOrder(limit, runs) as order:
        for event in given_events:
            order.add(event)
        assert list(order) == sorted(given_events, key=key)
        assert list(order) == list(order)
        assert len(order) == len(given_events)


def test_temporary_files_are_few_and_gone_at_the_end() -> None:
    with EventOrder(limit=5, runs=4) as order:
        for number in range(500):
            order.add(a_print(number, ts=500 - number))
        assert order._folder is not None
        folder = Path(order._folder.name)
        assert 1 <= len(list(folder.iterdir())) <= 4
        assert [event.ts for event in order if isinstance(event, Print)] == list(range(1, 501))
    assert not folder.exists()


def test_a_temporary_folder_without_room_is_one_sentence() -> None:
    with EventOrder(limit=1) as order:
        order.add(a_print(1))
        assert order._folder is not None
        Path(order._folder.name).rename(Path(order._folder.name + "-gone"))
        with pytest.raises(FlowtapeError, match="TMPDIR"):
            order.add(a_print(2))
        Path(order._folder.name + "-gone").rename(Path(order._folder.name))
