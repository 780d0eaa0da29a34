"""What waits for a batch: the newest version of each trade, the newest trades, and an honest count of the others."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from engine.gateway.announced import Announced
from engine.gateway.pending import GONE_LIMIT, SLACK, Pending
from tests.trade_strategies import a_trade


def announced(number: int, seq: int | None = None, ts: int | None = None) -> Announced:
    """A version of the trade of that number."""
    trade = a_trade(number, seq=number if seq is None else seq)
    trade.ts += number if ts is None else ts
    return Announced(trade, 0)


def numbers(rows: list[Announced]) -> list[tuple[int, int]]:
    """Number and seq of each."""
    return [(int(a.trade.id.removeprefix("t_")), a.trade.seq) for a in rows]


def test_rows_are_newest_first_and_each_trade_is_there_once_in_its_newest_version() -> None:
    pending = Pending(10)
    for one in (announced(1), announced(3), announced(2), announced(1, seq=4), announced(3, seq=2)):
        pending.add(one)
    assert pending
    rows, skipped, gone = pending.take()
    assert (numbers(rows), skipped, gone) == ([(3, 3), (2, 2), (1, 4)], 0, [])
    assert not pending
    assert pending.take() == ([], 0, [])


def test_trades_of_one_millisecond_are_in_the_order_of_their_seq() -> None:
    pending = Pending(10)
    for number in (2, 1, 3):
        pending.add(announced(number, ts=0))
    assert numbers(pending.take().rows) == [(3, 3), (2, 2), (1, 1)]


def test_what_does_not_fit_is_counted() -> None:
    pending = Pending(3)
    for number in range(1, 3 * SLACK + 2):
        pending.add(announced(number))
    rows, skipped, _ = pending.take()
    assert numbers(rows) == [(n, n) for n in (3 * SLACK + 1, 3 * SLACK, 3 * SLACK - 1)]
    assert skipped == 3 * SLACK - 2


def test_a_trade_that_left_the_filter_is_told_apart_until_it_passes_again() -> None:
    pending = Pending(10)
    pending.add(announced(1))
    pending.withdraw(announced(1, seq=5))
    pending.withdraw(announced(2, seq=6))
    rows, _, gone = pending.take()
    assert (numbers(rows), numbers(gone)) == ([], [(1, 5), (2, 6)])
    pending.withdraw(announced(1, seq=5))
    pending.add(announced(1, seq=7))
    rows, _, gone = pending.take()
    assert (numbers(rows), gone) == ([(1, 7)], [])


def test_a_search_that_was_overtaken_by_the_tape_brings_nothing_back() -> None:
    pending = Pending(1)
    pending.withdraw(announced(1, seq=5))
    pending.add(announced(1, seq=3))
    rows, skipped, gone = pending.take()
    assert (numbers(rows), skipped, numbers(gone)) == ([], 0, [(1, 5)])
    # Also where its row had no place any more.
    pending.withdraw(announced(1, seq=5))
    for number in range(10, 10 + 2 * SLACK):
        pending.add(announced(number))
    pending.add(announced(1, seq=3))
    assert numbers(pending.take().gone) == [(1, 5)]


def test_an_older_withdrawal_takes_nothing_away() -> None:
    pending = Pending(10)
    pending.add(announced(1, seq=5))
    pending.withdraw(announced(1, seq=3))
    rows, _, gone = pending.take()
    assert (numbers(rows), gone) == ([(1, 5)], [])


def test_batches_that_could_not_be_sent_become_one() -> None:
    pending = Pending(3)
    pending.absorb([announced(2), announced(1)], 4, [announced(9, seq=4)])
    pending.absorb([announced(3)], 1, [announced(1, seq=5)])
    pending.absorb([announced(9, seq=6)], 0, [])
    rows, skipped, gone = pending.take()
    assert (numbers(rows), skipped, numbers(gone)) == ([(9, 6), (3, 3), (2, 2)], 5, [(1, 5)])


def test_it_says_when_more_left_the_filter_than_a_batch_can_say() -> None:
    pending = Pending(1)
    for number in range(GONE_LIMIT):
        pending.withdraw(announced(number))
    assert not pending.overflowed
    pending.withdraw(announced(GONE_LIMIT))
    assert pending.overflowed


@given(
    st.integers(1, 4),
    st.lists(st.tuples(st.integers(1, 30), st.booleans(), st.booleans()), max_size=120),
)
def test_nothing_is_lost_without_being_counted(rows: int, events: list[tuple[int, bool, bool]]) -> None:
    pending = Pending(rows)
    newest: dict[int, tuple[int, bool]] = {}
    sent: dict[int, tuple[int, bool]] = {}
    skipped_in_all = 0

    def take() -> None:
        nonlocal skipped_in_all
        found, skipped, gone = pending.take()
        assert len(found) <= rows
        assert [a.order for a in found] == sorted((a.order for a in found), reverse=True)
        assert len({a.trade.id for a in found}) == len(found)
        skipped_in_all += skipped
        assert not {number for number, _ in numbers(found)} & {number for number, _ in numbers(gone)}
        sent.update((number, (seq, True)) for number, seq in numbers(found))
        sent.update((number, (seq, False)) for number, seq in numbers(gone))

    for seq, (number, passes, taken) in enumerate(events, 1):
        newest[number] = (seq, passes)
        (pending.add if passes else pending.withdraw)(announced(number, seq))
        assert len(pending._trades) <= SLACK * rows
        if taken:
            take()
    take()
    assert not pending
    stale = {number for number, state in newest.items() if sent.get(number) != state}
    assert len(stale) <= skipped_in_all
    # What left the filter is told, whatever had no place.
    assert all(sent[number][1] is False for number, (_, passes) in newest.items() if not passes)
