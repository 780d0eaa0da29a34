"""Search on a real Redis: exact order, stable pages, nothing expired, nothing in part, errors that say what to do."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec
import pytest
import redis
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from engine.search import Search
from engine.search_command import TIMEOUT_REPLY, error_of, read_reply
from engine.search_index import ensure_index
from engine.search_page import PAGE_ROWS, Page, cursor_of, position_of
from engine.search_plan import FIRST_SPAN_MS, Plan, Position
from engine.search_windows import Windows
from engine.settings import Settings
from engine.store.connect import connect
from schemas import keys
from schemas.errors import RedisSetupError, SearchError
from schemas.filter import Filter
from schemas.filter_predicate import predicate
from schemas.filter_text import parse_filter
from schemas.trade import Trade
from tests.trade_strategies import a_trade, filters, trades

EVERYTHING = Filter()


def write(client: redis.Redis, rows: list[Trade], partitions: int = 1, clock: bool = True) -> None:
    """Index trades as the indexer leaves them."""
    ensure_index(client, partitions)
    with client.pipeline(transaction=False) as pipe:
        for row in rows:
            p = keys.partition_of(row.underlying, partitions)
            pipe.execute_command("JSON.SET", keys.trade(p, row.id), "$", msgspec.json.encode(row))
        for p in range(partitions if clock else 0):
            if mine := [row for row in rows if keys.partition_of(row.underlying, partitions) == p]:
                newest = {"ts": max(row.ts for row in mine), "seq": max(row.seq for row in mine)}
                pipe.hset(keys.clock(p), mapping=newest)
        pipe.execute()


def order(row: Trade, partitions: int = 1) -> tuple[int, int, int]:
    return -row.ts, -row.seq, -keys.partition_of(row.underlying, partitions)


def ids(page: Page) -> list[str]:
    return [row.trade().id for row in page.rows]


def pages(search: Search, wanted: Filter, limit: int) -> Iterator[Page]:
    cursor = None
    while True:
        page = search.page(wanted, limit, cursor)
        yield page
        if (cursor := page.before) is None:
            return


@examples(max_examples=40)
@given(
    st.lists(trades(), min_size=1, max_size=40),
    st.lists(filters(), min_size=1, max_size=5),
    st.integers(1, 3),
    st.integers(1, 9),
    st.booleans(),
)
def test_pages_together_are_all_matching_trades_newest_first(
    client: redis.Redis, drawn: list[Trade], wanted: list[Filter], partitions: int, limit: int, clock: bool
) -> None:
    client.flushdb()
    # Of two partitions, trades may have the same seq.
    rows = [msgspec.structs.replace(row, id=f"t_{n}", seq=n // partitions + 1) for n, row in enumerate(drawn)]
    seen = set()
    rows = [row for row in rows if (k := order(row, partitions)) not in seen and not seen.add(k)]  # type: ignore[func-returns-value]
    write(client, rows, partitions, clock)
    search = Search(client, partitions, 2_000)
    for each in [EVERYTHING, *wanted]:
        test = predicate(each)
        expected = [row for row in sorted(rows, key=lambda row: order(row, partitions)) if test(row)]
        found = [row.trade() for page in pages(search, each, limit) for row in page.rows]
        assert found == expected


def test_a_row_is_the_document_as_it_is_in_redis(client: redis.Redis) -> None:
    write(client, [a_trade()])
    [row] = Search(client, 1, 2_000).page(EVERYTHING, 10).rows
    assert msgspec.json.decode(row.document) == msgspec.json.decode(msgspec.json.encode(a_trade()))
    assert row.position == Position(a_trade().ts, a_trade().seq, 0)


def test_hundreds_of_trades_of_one_millisecond_are_paged_without_loss(client: redis.Redis) -> None:
    # As minute bars are: all of a minute carry one time.
    rows = [a_trade(n, ts=60_000 * (n // 300)) for n in range(900)]
    write(client, rows)
    found = [key for page in pages(Search(client, 1, 2_000), EVERYTHING, 70) for key in ids(page)]
    assert found == [f"t_{n}" for n in range(899, -1, -1)]


def test_new_trades_above_do_not_shift_the_next_page(client: redis.Redis) -> None:
    write(client, [a_trade(n, ts=1_000 + n // 3) for n in range(30)])
    search = Search(client, 1, 2_000)
    first = search.page(EVERYTHING, 10)
    write(client, [a_trade(n, ts=1_000 + n // 3) for n in range(30, 60)])
    second = search.page(EVERYTHING, 10, first.before)
    assert ids(first) + ids(second) == [f"t_{n}" for n in range(29, 9, -1)]


def test_nothing_newer_than_the_given_time_is_found(client: redis.Redis) -> None:
    write(client, [a_trade(n, ts=1_000 + n) for n in range(30)])
    search = Search(client, 1, 2_000)
    page = search.page(EVERYTHING, 5, until=1_010)
    assert ids(page) == [f"t_{n}" for n in range(10, 5, -1)]
    assert ids(search.page(EVERYTHING, 5, page.before, until=1_010)) == [f"t_{n}" for n in range(5, 0, -1)]
    # Who may see less than before does not get it through an old cursor.
    assert ids(search.page(EVERYTHING, 5, cursor_of(Position(1_020, 20, 0)), until=1_002)) == [
        "t_2",
        "t_1",
        "t_0",
    ]


def test_expired_trades_are_left_out_and_the_page_is_full_all_the_same(client: redis.Redis) -> None:
    rows = [a_trade(n, ts=1_000 + n, exchange="XCBO" if n in (20, 200, 390) else "") for n in range(400)]
    left = [f"t_{n}" for n in (*range(399, 394, -1), *range(99, 54, -1))]
    with expiry_held_back(client):
        # Redis may collect them in the moment between; then it is done again.
        for _ in range(100):
            write(client, rows)
            expire(client, [keys.trade(0, f"t_{n}") for n in range(100, 395)])
            page = Search(client, 1, 2_000).page(EVERYTHING, 50)
            rare = Search(client, 1, 2_000).page(parse_filter("exchange:XCBO"), 50)
            named = client.execute_command("FT.SEARCH", keys.index(0), "*", "NOCONTENT", "LIMIT", 0, 0)
            assert ids(page) == left
            assert ids(rare) == ["t_20"]
            if named[b"total_results"] > 300:
                return
    pytest.fail("the index never named an expired trade: nothing was proved")


def test_trades_that_are_rewritten_meanwhile_are_neither_lost_nor_doubled(
    client: redis.Redis, settings: Settings
) -> None:
    rows = [a_trade(n, ts=1_000 + n // 5) for n in range(2_000)]
    write(client, rows)
    stop = threading.Event()

    def rewrite() -> None:
        writer = connect(settings)
        seq = 10_000
        while not stop.is_set():
            for row in rows[::7]:
                seq += 1
                document = msgspec.json.encode(msgspec.structs.replace(row, seq=seq, flags=("sweep",)))
                writer.execute_command("JSON.SET", keys.trade(0, row.id), "$", document)
        writer.close()

    thread = threading.Thread(target=rewrite)
    thread.start()
    try:
        for _ in range(30):
            rows_found = Search(client, 1, 2_000).page(EVERYTHING, 1_000).rows
            found = [row.trade().id for row in rows_found]
            assert len(found) == len(set(found)) == 1_000
            assert [row.position for row in rows_found] == sorted(
                (row.position for row in rows_found), reverse=True
            )
    finally:
        stop.set()
        thread.join()


def test_a_known_filter_takes_one_command(client: redis.Redis) -> None:
    write(client, [a_trade(n, ts=1_000 * n, underlying="SPY" if n % 40 else "TSLA") for n in range(2_000)])
    search = Search(client, 1, 2_000)
    wanted = parse_filter("TSLA")
    first = search.page(wanted, 20)
    before = search.commands
    assert search.page(wanted, 20) == first
    # One search, and the newest time of the partition.
    assert search.commands == before + 2
    assert before > 2


def test_a_missing_index_is_said_with_the_remedy(client: redis.Redis) -> None:
    with pytest.raises(RedisSetupError, match=r"no index ft:\{0\}:trades.*flowtape index"):
        Search(client, 1, 2_000).page(EVERYTHING, 10)


def test_an_index_without_trades_answers_with_nothing(client: redis.Redis) -> None:
    ensure_index(client, 1)
    search = Search(client, 1, 2_000)
    assert search.page(EVERYTHING, 10) == Page([], None)
    assert search.total() == 0


def test_a_search_that_redis_cuts_short_fails(client: redis.Redis) -> None:
    write(client, [a_trade(n, ts=1_000 + n % 3) for n in range(20_000)])
    with pytest.raises(SearchError, match="did not end within 1 ms"):
        Search(client, 1, 1).page(EVERYTHING, 10_000)


def test_a_reply_in_part_is_an_error_and_so_is_resp2() -> None:
    whole = {b"total_results": 0, b"results": [], b"warning": []}
    assert read_reply(whole, 5) == (0, [])
    with pytest.raises(SearchError, match="5 ms"):
        read_reply(whole | {b"warning": [TIMEOUT_REPLY.encode()]}, 5)
    with pytest.raises(SearchError, match="in part: Max prefix"):
        read_reply(whole | {b"warning": [b"Max prefix expansions"]}, 5)
    with pytest.raises(SearchError, match="RESP2"):
        read_reply([0], 5)


def test_a_redis_that_is_loading_is_a_state_of_its_own() -> None:
    error = error_of(redis.BusyLoadingError("Redis is loading the dataset in memory"), 0, 5)
    assert isinstance(error, SearchError)
    assert "still reads its data" in str(error)


@pytest.mark.parametrize("rows", [0, -1, PAGE_ROWS + 1])
def test_the_number_of_rows_is_bounded(client: redis.Redis, rows: int) -> None:
    with pytest.raises(SearchError, match="from 1 to"):
        Search(client, 1, 2_000).page(EVERYTHING, rows)


@given(st.integers(0, 2**53 - 1), st.integers(0, 2**53 - 1), st.integers(0, 16_383))
def test_a_cursor_is_read_back(ts: int, seq: int, partition: int) -> None:
    assert position_of(cursor_of(Position(ts, seq, partition))) == Position(ts, seq, partition)


@given(st.text(max_size=100))
def test_any_text_is_a_cursor_or_a_search_error(text: str) -> None:
    try:
        position = position_of(text)
    except SearchError:
        return
    assert position_of(cursor_of(position)) == position


def test_the_windows_remembered_are_bounded_and_grow_old() -> None:
    windows = Windows(limit=2)
    plan = Plan(10, 1_000, span_ms=None)
    step = plan.next()
    assert step is not None
    plan.take(step, 0, [])
    for name in ("a", "b", "c"):
        windows.learn(name, 0, 10, 1_000, plan)
    assert windows.span("a", 0, 10, 1_000) == FIRST_SPAN_MS
    assert windows.span("c", 0, 10, 1_000) is None
    assert windows.span("c", 0, 10, 1_000_000) == FIRST_SPAN_MS


@contextmanager
def expiry_held_back(client: redis.Redis) -> Iterator[None]:
    """Keep Redis from collecting expired keys by itself, as it does not in time under load."""
    client.config_set("hz", 1)
    client.config_set("active-expire-effort", 1)
    try:
        yield
    finally:
        client.config_set("hz", 10)


def expire(client: redis.Redis, names: list[str]) -> None:
    """Let keys expire without touching them, which would remove them."""
    with client.pipeline(transaction=False) as pipe:
        for name in names:
            pipe.pexpire(name, 1)
        pipe.execute()
    seconds, microseconds = client.time()
    until = seconds * 1_000 + microseconds // 1_000 + 1
    while seconds * 1_000 + microseconds // 1_000 <= until:
        seconds, microseconds = client.time()
