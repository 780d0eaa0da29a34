"""Searching from asyncio: the same pages as from threads, and exactly what was announced since a position."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import msgspec
import pytest
import redis
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from engine.search import Search
from engine.search_async import AsyncSearch
from engine.search_index import ensure_index
from engine.search_page import PAGE_ROWS
from engine.settings import Settings
from engine.store.connect import connect_async
from schemas import keys
from schemas.errors import RedisSetupError, SearchError, SearchRequestError
from schemas.filter import Filter
from schemas.filter_predicate import predicate
from schemas.filter_text import parse_filter
from schemas.trade import Trade
from tests.test_search import EVERYTHING, expire, expiry_held_back, order, write
from tests.trade_strategies import a_trade, filters, trades

T = TypeVar("T")


def searching(
    settings: Settings,
    work: Callable[[AsyncSearch], Awaitable[T]],
    partitions: int = 1,
    timeout_ms: int = 2_000,
    concurrency: int = 4,
) -> T:
    """What `work` makes of a search on an event loop of its own."""

    async def run() -> T:
        client = connect_async(settings)
        try:
            return await work(AsyncSearch(client, partitions, timeout_ms, concurrency))
        finally:
            await client.aclose()

    return asyncio.run(run())


def distinct(drawn: Sequence[Trade], partitions: int) -> list[Trade]:
    """Trades with a `seq` that grows within each partition; of two partitions, trades may have the same."""
    last = [0] * partitions
    rows = []
    for number, row in enumerate(drawn):
        p = keys.partition_of(row.underlying, partitions)
        last[p] += 1
        rows.append(msgspec.structs.replace(row, id=f"t_{number}", seq=last[p]))
    return rows


def heads(rows: Sequence[Trade], partitions: int) -> list[int]:
    """The highest `seq` of each partition."""
    mine: list[list[int]] = [[0] for _ in range(partitions)]
    for row in rows:
        mine[keys.partition_of(row.underlying, partitions)].append(row.seq)
    return [max(seqs) for seqs in mine]


@examples(max_examples=30)
@given(
    st.lists(trades(), min_size=1, max_size=30),
    st.lists(filters(), min_size=1, max_size=4),
    st.integers(1, 3),
    st.integers(1, 9),
    st.one_of(st.none(), st.integers(0, 3)),
)
def test_pages_are_those_of_the_search_of_threads(
    client: redis.Redis,
    settings: Settings,
    drawn: list[Trade],
    wanted: list[Filter],
    partitions: int,
    limit: int,
    behind: int | None,
) -> None:
    client.flushdb()
    write(client, distinct(drawn, partitions), partitions)
    until = None if behind is None else 1_700_000_000_000 + behind
    each = [EVERYTHING, *wanted]

    async def pages_of(search: AsyncSearch, one: Filter) -> list[list[bytes]]:
        pages, cursor = [], None
        while True:
            page = await search.page(one, limit, cursor, until)
            pages.append([row.document for row in page.rows])
            if (cursor := page.before) is None:
                return pages

    async def work(search: AsyncSearch) -> list[list[list[bytes]]]:
        return await asyncio.gather(*(pages_of(search, one) for one in each))

    plain = Search(client, partitions, 2_000)
    for one, found in zip(each, searching(settings, work, partitions), strict=True):
        cursor = None
        for documents in found:
            page = plain.page(one, limit, cursor, until)
            assert [row.document for row in page.rows] == documents
            cursor = page.before
        assert cursor is None


@examples(max_examples=60)
@given(
    st.data(), st.lists(trades(), min_size=1, max_size=30), filters(), st.integers(1, 3), st.integers(1, 9)
)
def test_what_was_announced_since_is_exactly_that_and_the_newest_of_it(
    client: redis.Redis,
    settings: Settings,
    data: st.DataObject,
    drawn: list[Trade],
    wanted: Filter,
    partitions: int,
    limit: int,
) -> None:
    client.flushdb()
    rows = distinct(drawn, partitions)
    write(client, rows, partitions)
    last = heads(rows, partitions)
    after = [data.draw(st.integers(0, high)) for high in last]
    to = [data.draw(st.integers(low, high)) for low, high in zip(after, last, strict=True)]
    time = st.integers(1_699_999_999_999, 1_700_000_000_004)
    window = data.draw(st.one_of(st.none(), st.tuples(st.one_of(st.none(), time), time)))

    def named(row: Trade) -> bool:
        p = keys.partition_of(row.underlying, partitions)
        announced = after[p] < row.seq <= to[p]
        if window is None:
            return announced
        shown, until = window
        if shown is None or shown < row.ts:
            return row.seq <= to[p] and row.ts <= until
        return announced and row.ts <= until

    for each in (EVERYTHING, wanted):
        test = predicate(each)
        expected = sorted(
            (row for row in rows if named(row) and test(row)), key=lambda row: order(row, partitions)
        )
        found = searching(
            settings, lambda search, each=each: search.since(each, after, to, limit, window), partitions
        )
        assert [row.trade() for row in found.rows] == expected[:limit]
        assert found.total == len(expected)


@examples(max_examples=30)
@given(st.data(), st.lists(trades(), min_size=1, max_size=30), filters(), st.integers(1, 3), st.booleans())
def test_what_was_announced_between_many_positions_is_together_the_whole_search(
    client: redis.Redis,
    settings: Settings,
    data: st.DataObject,
    drawn: list[Trade],
    wanted: Filter,
    partitions: int,
    delayed: bool,
) -> None:
    """Trades are written and rewritten between the polls; a reader that upserts by id has what a search finds."""
    client.flushdb()
    ensure_index(client, partitions)
    until = 1_700_000_000_000 + 3

    async def work(search: AsyncSearch) -> dict[str, Trade]:
        shown: dict[str, Trade] = {}
        latest: dict[str, Trade] = {}
        after, left, time = [0] * partitions, list(enumerate(drawn)), None
        while left or time != until:
            size = data.draw(st.integers(1, 10))
            batch, left = left[:size], left[size:]
            fresh = [msgspec.structs.replace(row, id=f"t_{number}") for number, row in batch]
            again = data.draw(st.lists(st.sampled_from(sorted(latest)), max_size=3)) if latest else []
            changed = [msgspec.structs.replace(latest[key], flags=("iso",)) for key in again]
            to = list(after)
            for row in (*fresh, *changed):
                p = keys.partition_of(row.underlying, partitions)
                to[p] += 1
                latest[row.id] = msgspec.structs.replace(row, seq=to[p])
                write(client, [latest[row.id]], partitions, clock=False)
            shown_to, time = time, until
            if delayed and left:
                time = data.draw(st.integers(until - 4 if shown_to is None else shown_to, until))
            window = (shown_to, time) if delayed else None
            tail = await search.since(wanted, after, to, PAGE_ROWS, window)
            assert tail.total == len(tail.rows)
            shown |= {trade.id: trade for trade in (row.trade() for row in tail.rows)}
            after = to
        # That a trade does not pass any more once it was rewritten is said by the tape, and by no search.
        test = predicate(wanted)
        return {key: trade for key, trade in shown.items() if test(latest[key])}

    found = searching(settings, work, partitions)
    whole = Search(client, partitions, 2_000).page(wanted, PAGE_ROWS).rows
    assert found == {trade.id: trade for trade in (row.trade() for row in whole)}


def test_rows_at_the_limit_that_share_a_millisecond_are_those_of_the_highest_seq(
    client: redis.Redis, settings: Settings
) -> None:
    # Redis orders trades of one millisecond by when they were written: here the highest seq was written first.
    rows = [a_trade(n, ts=1_000) for n in range(300, 0, -1)] + [a_trade(301, ts=1_001)]
    write(client, rows)
    tail = searching(settings, lambda search: search.since(EVERYTHING, [0], [301], 20))
    assert [row.position.seq for row in tail.rows] == list(range(301, 281, -1))
    assert tail.total == 301


def test_expired_trades_are_neither_shown_nor_do_they_take_the_place_of_others(
    client: redis.Redis, settings: Settings
) -> None:
    rows = [a_trade(n, ts=1_000 + n) for n in range(1, 401)]
    with expiry_held_back(client):
        # Redis may collect them in the moment between; then it is done again.
        for _ in range(100):
            write(client, rows)
            expire(client, [keys.trade(0, f"t_{n}") for n in range(101, 396)])
            tail = searching(settings, lambda search: search.since(EVERYTHING, [0], [400], 50))
            assert [row.position.seq for row in tail.rows] == [*range(400, 395, -1), *range(100, 55, -1)]
            assert tail.total == 105
            named = client.execute_command("FT.SEARCH", keys.index(0), "*", "NOCONTENT", "LIMIT", 0, 0)
            if named[b"total_results"] > 300:
                return
    pytest.fail("the index never named an expired trade: nothing was proved")


def test_no_more_searches_are_in_redis_at_once_than_allowed_and_they_have_their_turns_in_order(
    client: redis.Redis, settings: Settings
) -> None:
    write(client, [a_trade(n, ts=1_000 * n) for n in range(1, 200)])
    ended: list[int] = []

    async def one(search: AsyncSearch, number: int) -> None:
        await search.page(EVERYTHING, 150)
        ended.append(number)

    async def work(search: AsyncSearch) -> None:
        await asyncio.gather(*(one(search, number) for number in range(20)))

    searching(settings, work, concurrency=1)
    assert ended == list(range(20))

    async def connections() -> int:
        own = connect_async(settings)
        try:
            search = AsyncSearch(own, 1, 2_000, concurrency=3)
            await asyncio.gather(*(search.page(EVERYTHING, 150) for _ in range(50)))
            return len([c for c in await own.client_list() if c["name"] == "flowtape" and c["resp"] == "3"])
        finally:
            await own.aclose()

    # Its own connections, which a client opens as it needs them, and the one of the fixture.
    assert asyncio.run(connections()) <= 3 + 1


def test_a_search_that_was_cancelled_leaves_the_others_their_answers(
    client: redis.Redis, settings: Settings
) -> None:
    write(client, [a_trade(n, ts=1_000 + n, underlying="SPY" if n % 2 else "QQQ") for n in range(2_000)])

    async def work(search: AsyncSearch) -> list[set[str]]:
        found = []
        for round_ in range(30):
            doomed = [asyncio.create_task(search.page(parse_filter("SPY"), 1_000)) for _ in range(4)]
            for _ in range(round_ % 7):
                await asyncio.sleep(0)
            for task in doomed:
                task.cancel()
            page = await search.page(parse_filter("QQQ"), 50)
            await asyncio.gather(*doomed, return_exceptions=True)
            assert len(page.rows) == 50
            found.append({row.trade().underlying for row in page.rows})
        return found

    assert searching(settings, work) == [{"QQQ"}] * 30


def test_a_missing_index_and_a_search_cut_short_are_errors(client: redis.Redis, settings: Settings) -> None:
    with pytest.raises(RedisSetupError, match="no index"):
        searching(settings, lambda search: search.page(EVERYTHING, 10))
    with pytest.raises(RedisSetupError, match="no index"):
        searching(settings, lambda search: search.since(EVERYTHING, [0], [5], 10))
    write(client, [a_trade(n, ts=1_000 + n % 3) for n in range(20_000)])
    with pytest.raises(SearchError, match="did not end within 1 ms"):
        searching(settings, lambda search: search.since(EVERYTHING, [0], [20_000], 10_000), timeout_ms=1)


def test_nothing_new_needs_no_search(settings: Settings) -> None:
    # There is no index: a command would fail.
    tail = searching(settings, lambda search: search.since(EVERYTHING, [7], [7], 10))
    assert tail == ([], 0)


@pytest.mark.parametrize("limit", [0, PAGE_ROWS + 1])
def test_the_number_of_rows_is_bounded(settings: Settings, limit: int) -> None:
    with pytest.raises(SearchRequestError, match="from 1 to"):
        searching(settings, lambda search: search.since(EVERYTHING, [0], [5], limit))
    with pytest.raises(SearchRequestError, match="from 1 to"):
        searching(settings, lambda search: search.page(EVERYTHING, limit))
