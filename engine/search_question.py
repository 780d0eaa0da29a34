"""What a search asks of Redis, command by command, without I/O: the same for threads and for asyncio.

A question is a generator: it yields requests, is sent the reply of each, and returns what was found. It raises
SearchError where an answer is not whole.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any, Final, NamedTuple, TypeVar

from engine.search_command import Command, command_of, read_reply
from engine.search_page import Page, Tail, check_limit, cursor_of, newest_rows, position_of, rows_of
from engine.search_plan import EXPIRED_ROWS, EXTRA_ROWS, GROWTH, Ask, Found, Plan, Position, Step
from engine.search_windows import Windows
from schemas import keys
from schemas.filter import Filter
from schemas.filter_query import EVERYTHING, Query, compile_query

_EVERYTHING: Final = Query(EVERYTHING, ())


class Request(NamedTuple):
    """One command to send, and the partition that it is about."""

    command: Command
    partition: int


Answer = TypeVar("Answer")
Question = Generator[Request, Any, Answer]


def page(
    wanted: Filter,
    limit: int,
    before: str | None,
    until: int | None,
    *,
    partitions: int,
    timeout_ms: int,
    windows: Windows,
) -> Question[Page]:
    """The newest `limit` trades of a filter below the cursor `before`, none newer than `until` (unix ms)."""
    check_limit(limit)
    start = None if before is None else position_of(before)
    query, found = compile_query(wanted), []
    for partition in range(partitions):
        newest = yield from newest_time(partition, timeout_ms)
        if newest is None:
            continue
        span = windows.span(wanted.key, partition, limit, newest)
        plan = _plan(limit, newest, partition, start, until, span)
        while (step := plan.next()) is not None:
            plan.take(step, *(yield from _ask(step, query, partition, timeout_ms)))
        windows.learn(wanted.key, partition, limit, newest, plan)
        found += rows_of(plan.documents, partition, limit)
    rows = newest_rows(found, limit)
    return Page(rows, cursor_of(rows[-1].position) if len(rows) == limit else None)


def _plan(
    limit: int, newest: int, partition: int, start: Position | None, until: int | None, span: int | None
) -> Plan:
    if start is None or (until is not None and start.ts > until):
        return Plan(limit, newest, until, span_ms=span)
    # Of the same ts and seq in another partition, the lower partition comes after the cursor.
    seq = start.seq if partition < start.partition else start.seq - 1
    return Plan(limit, newest, start.ts, seq, span_ms=span)


def tail(
    wanted: Filter,
    after: Sequence[int],
    to: Sequence[int],
    limit: int,
    window: tuple[int | None, int] | None,
    *,
    timeout_ms: int,
) -> Question[Tail]:
    """The newest `limit` trades of a filter that were announced since, as `AsyncSearch.since` says."""
    check_limit(limit)
    query, found, total = compile_query(wanted), [], 0
    for partition, (low, high) in enumerate(zip(after, to, strict=True)):
        if window is None and low >= high:
            continue
        within = announced(query, low, high, window)
        count, documents = yield from _newest_of(within, partition, limit, timeout_ms)
        total += count
        found += rows_of(documents, partition, limit)
    return Tail(newest_rows(found, limit), total)


def announced(query: Query, after: int, to: int, window: tuple[int | None, int] | None) -> Query:
    """The query of the trades of one partition that `AsyncSearch.since` names."""
    if window is None:
        return query.and_between("seq", "seq", after + 1, to)
    shown, until = window
    if shown is not None:
        # Twice bounded, so that Redis opens no more of either index than it needs: a quarter less time.
        query = query.and_within_either(("ts", shown, until), ("seq", after, to))
    return query.and_between("ts", "ts", None, until).and_between("seq", "seq", None, to)


def _newest_of(
    query: Query, partition: int, limit: int, timeout_ms: int
) -> Question[tuple[int, list[bytes]]]:
    """How many trades a narrow query names, and the newest `limit` of them in any order.

    One command, unless those at the limit share their millisecond with some that were not sent: that millisecond
    is asked again by `seq`, as for a page. Sorting by `seq` alone would not do: a rewritten trade keeps its time
    and gets a high `seq`, so it would push newer trades out.
    """
    total, rows = yield from _rows(Step(Ask.NEWEST, None, None, rows=limit), query, partition, timeout_ms)
    gone = sum(row.document is None for row in rows)
    alive = [row for row in rows if row.document is not None]
    if len(alive) > limit and total > len(rows) and alive[limit - 1].sort_key == rows[-1].sort_key:
        border = rows[-1].sort_key
        alive = [row for row in alive if row.sort_key > border]
        ties = Step(Ask.TIES, border, border, rows=limit - len(alive))
        alive += (yield from _rows(ties, query, partition, timeout_ms))[1]
    return total - gone, [row.document for row in alive if row.document is not None]


def _rows(step: Step, query: Query, partition: int, timeout_ms: int) -> Question[tuple[int, list[Found]]]:
    """The answer to a step, asked for more rows until enough of them have not expired."""
    extra = EXTRA_ROWS
    while True:
        asked = step._replace(rows=step.rows + extra)
        total, rows = yield from _ask(asked, query, partition, timeout_ms)
        enough = sum(row.document is not None for row in rows) > step.rows
        if enough or asked.rows >= total or extra >= EXPIRED_ROWS:
            return total, rows
        extra *= GROWTH


def newest_time(partition: int, timeout_ms: int) -> Question[int | None]:
    """The newest exchange time of a partition, unix ms; None where it has no trade."""
    known = yield Request(("HGET", keys.clock(partition), "ts"), partition)
    if known is not None:
        return int(known)
    # Documents that no indexer wrote: sorted whole, once a search.
    _, rows = yield from _ask(Step(Ask.NEWEST, None, None, rows=1), _EVERYTHING, partition, timeout_ms)
    return rows[0].sort_key if rows else None


def count(query: Query, partition: int, timeout_ms: int) -> Question[int]:
    """Trades that a query names in a partition; over a large index that takes some 10 ms a million."""
    end: Command = ("TIMEOUT", timeout_ms, *query.arguments())
    command = ("FT.SEARCH", keys.index(partition), query.text, "NOCONTENT", "LIMIT", 0, 0, *end)
    return read_reply((yield Request(command, partition)), timeout_ms)[0]


def total(partitions: int, timeout_ms: int) -> Question[int]:
    """Trades in the index, of all partitions, with those that expired a moment ago."""
    found = 0
    for partition in range(partitions):
        found += yield from count(_EVERYTHING, partition, timeout_ms)
    return found


def _ask(step: Step, query: Query, partition: int, timeout_ms: int) -> Question[tuple[int, list[Found]]]:
    reply = yield Request(command_of(step, query, partition, timeout_ms), partition)
    return read_reply(reply, timeout_ms)
