"""Snapshot search: the newest trades of a filter, in pages, over all partitions.

Order is newest first by exchange time, then by the higher `seq`. A page goes on where the one before it ended,
by the key of its last row, so new trades above do not shift it. A search is complete or fails: a time-out in
Redis is an error, never a shorter answer.
"""

from __future__ import annotations

import base64
import binascii
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import msgspec
import redis
from redis.exceptions import BusyLoadingError, ResponseError

from engine.search_plan import FIRST_SPAN_MS, Ask, Found, Plan, Position, Step
from schemas import keys
from schemas.errors import FlowtapeError, RedisSetupError, SearchError
from schemas.filter import Filter
from schemas.filter_query import EVERYTHING, Query, compile_query
from schemas.trade import Trade

PAGE_ROWS: Final = 10_000
"""Rows of one page at most."""

REMEMBERED: Final = 4_096
"""Filters whose last good window is remembered, by partition; the one longest unused gives way."""

MEMORY_MS: Final = 10_000
"""Exchange time after which a remembered window that spanned everything is no longer trusted."""

TIMEOUT_REPLY: Final = "Timeout limit was reached"


class Row(NamedTuple):
    """One trade that was found."""

    position: Position
    document: bytes
    """The JSON document as it is in Redis."""

    def trade(self) -> Trade:
        """The document decoded."""
        return _to_trade(self.document)


class Page(NamedTuple):
    """Rows newest first; `before` asks for the next page, None where this one was not full."""

    rows: list[Row]
    before: str | None


class _Key(msgspec.Struct):
    ts: int
    seq: int


_to_key = msgspec.json.Decoder(_Key).decode
_to_trade = msgspec.json.Decoder(Trade).decode
_EVERYTHING = Query(EVERYTHING, ())


def cursor_of(position: Position) -> str:
    """The opaque text that stands for a position between pages."""
    return base64.urlsafe_b64encode(".".join(map(str, position)).encode()).rstrip(b"=").decode()


def position_of(cursor: str) -> Position:
    """The position of such a text. Raises SearchError."""
    try:
        if len(cursor) > 80:
            raise ValueError
        text = base64.urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4)).decode("ascii")
        ts, seq, partition = map(int, text.split("."))
        if not (0 <= ts < 2**53 and 0 <= seq < 2**53 and 0 <= partition < 2**14):
            raise ValueError
    except (ValueError, binascii.Error):
        raise SearchError(
            f"{cursor[:40]!r} is no cursor of a page.",
            "Give the one that the page before ended with, or none.",
        ) from None
    return Position(ts, seq, partition)


def command_of(step: Step, query: Query, partition: int, timeout_ms: int) -> tuple[str | int, ...]:
    """The command of a step."""
    if step.ask is Ask.OLDER:
        older = _EVERYTHING.and_between("ts", "ts", None, step.high)
        return (
            "FT.AGGREGATE", keys.index(partition), older.text, "LIMIT", 0, 1, "TIMEOUT", timeout_ms, *older.arguments()
        )  # fmt: skip
    within = query.and_between("ts", "ts", step.low, step.high).and_between("seq", "seq", None, step.seq_high)
    end: tuple[str | int, ...] = ("TIMEOUT", timeout_ms, *within.arguments())
    # An aggregation ends at the last row that is wanted; a search would go through all, to count them.
    if step.ask is Ask.COUNT:
        return ("FT.AGGREGATE", keys.index(partition), within.text, "LIMIT", step.rows, 1, *end)
    if step.ask is Ask.ALL:
        return (
            "FT.AGGREGATE",
            keys.index(partition),
            within.text,
            "LOAD",
            1,
            "$",
            "LIMIT",
            0,
            step.rows,
            *end,
        )
    by = "seq" if step.ask is Ask.TIES else "ts"
    rows = ("WITHSORTKEYS", "RETURN", 1, "$", "SORTBY", by, "DESC", "LIMIT", 0, step.rows)
    return ("FT.SEARCH", keys.index(partition), within.text, *rows, *end)


def read_reply(reply: Any, timeout_ms: int) -> tuple[int, list[Found]]:
    """Total and rows of a reply. Raises SearchError for one that is not whole."""
    if not isinstance(reply, dict):
        raise SearchError(
            "Redis answered in RESP2, which cannot say that a search was cut short.", "Use protocol 3."
        )
    if warnings := reply.get(b"warning"):
        said = b"; ".join(warnings).decode(errors="replace")
        raise (
            _timed_out(timeout_ms)
            if TIMEOUT_REPLY in said
            else SearchError(f"Redis answered in part: {said}.")
        )
    rows = []
    for result in reply[b"results"]:
        fields = result.get(b"extra_attributes")
        # An aggregation's row has no key. A key is written as `#1795241422697`.
        key = result.get(b"sortkey", b"#0")
        rows.append(Found(int(float(key[1:])), fields.get(b"$") if fields else None))
    return reply[b"total_results"], rows


def rows_of(documents: Sequence[bytes], partition: int, limit: int) -> list[Row]:
    """The first `limit` rows in the order of pages."""
    rows = []
    for document in documents:
        key = _to_key(document)
        rows.append(Row(Position(key.ts, key.seq, partition), document))
    rows.sort(key=_newest_first)
    return rows[:limit]


def _newest_first(row: Row) -> tuple[int, int, int]:
    ts, seq, partition = row.position
    return -ts, -seq, -partition


def error_of(
    error: ResponseError | BusyLoadingError, partition: int, timeout_ms: int
) -> FlowtapeError | None:
    """The error for people of one that a search met in Redis; None for one that is not a search's own."""
    said = str(error)
    if isinstance(error, BusyLoadingError):
        return SearchError("Redis still reads its data.", "Try again in a moment.")
    if "no such index" in said.lower() or "unknown index name" in said.lower():
        return RedisSetupError(
            f"There is no index {keys.index(partition)}.",
            "`flowtape index` or `flowtape up` makes it; start one of them.",
        )
    if TIMEOUT_REPLY in said:
        return _timed_out(timeout_ms)
    if "unknown command" in said.lower():
        return RedisSetupError("This Redis has no search.", "`flowtape doctor` says what to use instead.")
    return None


def _timed_out(timeout_ms: int) -> SearchError:
    return SearchError(
        f"The search did not end within {timeout_ms} ms.",
        "Narrow the filter, or raise FLOWTAPE_QUERY_TIMEOUT_MS.",
    )


class Windows:
    """The windows that filled the last page of each filter: where the next search of it begins. Bounded."""

    def __init__(self, limit: int = REMEMBERED) -> None:
        self._limit = limit
        self._known: OrderedDict[tuple[str, int], tuple[float | None, int]] = OrderedDict()

    def span(self, filter_key: str, partition: int, rows: int, newest: int) -> int | None:
        """Length of the first window for `rows` rows, ms; None is all time."""
        known = self._known.get((filter_key, partition))
        if known is None:
            return FIRST_SPAN_MS
        self._known.move_to_end((filter_key, partition))
        per_row, at = known
        if per_row is None:
            return None if abs(newest - at) <= MEMORY_MS else FIRST_SPAN_MS
        return max(1, int(per_row * rows) + 1)

    def learn(self, filter_key: str, partition: int, rows: int, newest: int, plan: Plan) -> None:
        """Remember how a plan for `rows` rows went."""
        span = plan.span_of_page
        if span is None and not plan.finds_little:
            return
        self._known[filter_key, partition] = (None if span is None else span / rows, newest)
        self._known.move_to_end((filter_key, partition))
        while len(self._known) > self._limit:
            self._known.popitem(last=False)


class Search:
    """Searches all partitions of one Redis. Not for use by several threads at once."""

    def __init__(self, client: redis.Redis, partitions: int, timeout_ms: int) -> None:
        self._client = client
        self._partitions = partitions
        self._timeout_ms = timeout_ms
        self._windows = Windows()
        self.commands = 0
        """Commands sent so far."""

    def page(self, wanted: Filter, limit: int, before: str | None = None, until: int | None = None) -> Page:
        """The newest `limit` trades of a filter, none newer than `until` (unix ms).

        Raises SearchError, and RedisSetupError where there is no index.
        """
        if not 1 <= limit <= PAGE_ROWS:
            raise SearchError(f"{limit} rows were asked for.", f"A page has from 1 to {PAGE_ROWS} rows.")
        start = None if before is None else position_of(before)
        query, found = compile_query(wanted), []
        for partition in range(self._partitions):
            found += self._of_partition(wanted, query, partition, limit, start, until)
        if self._partitions > 1:
            found.sort(key=_newest_first)
        rows = found[:limit]
        return Page(rows, cursor_of(rows[-1].position) if len(rows) == limit else None)

    def total(self) -> int:
        """Trades in the index, of all partitions, with those that expired a moment ago."""
        return sum(self.count(_EVERYTHING, partition) for partition in range(self._partitions))

    def count(self, query: Query, partition: int) -> int:
        """Trades that a query names in a partition; over a large index that takes some 10 ms a million."""
        end: tuple[str | int, ...] = ("TIMEOUT", self._timeout_ms, *query.arguments())
        command = ("FT.SEARCH", keys.index(partition), query.text, "NOCONTENT", "LIMIT", 0, 0, *end)
        return self._send(command, partition)[0]

    def _of_partition(
        self,
        wanted: Filter,
        query: Query,
        partition: int,
        limit: int,
        start: Position | None,
        until: int | None,
    ) -> list[Row]:
        newest = self._newest(partition)
        if newest is None:
            return []
        span = self._windows.span(wanted.key, partition, limit, newest)
        if start is not None and (until is None or start.ts <= until):
            # Of the same ts and seq in another partition, the lower partition comes after the cursor.
            seq = start.seq if partition < start.partition else start.seq - 1
            plan = Plan(limit, newest, start.ts, seq, span_ms=span)
        else:
            plan = Plan(limit, newest, until, span_ms=span)
        while (step := plan.next()) is not None:
            plan.take(step, *self._ask(step, query, partition))
        self._windows.learn(wanted.key, partition, limit, newest, plan)
        return rows_of(plan.documents, partition, limit)

    def _ask(self, step: Step, query: Query, partition: int) -> tuple[int, list[Found]]:
        return self._send(command_of(step, query, partition, self._timeout_ms), partition)

    def _send(self, command: tuple[str | int, ...], partition: int) -> tuple[int, list[Found]]:
        self.commands += 1
        try:
            reply = self._client.execute_command(*command)
        except (ResponseError, BusyLoadingError) as error:
            known = error_of(error, partition, self._timeout_ms)
            if known is None:
                raise
            raise known from error
        return read_reply(reply, self._timeout_ms)

    def _newest(self, partition: int) -> int | None:
        """The newest exchange time of a partition, None where it has no trade."""
        known: Any = self._client.hget(keys.clock(partition), "ts")
        if known is not None:
            return int(known)
        # Documents that no indexer wrote: sorted whole, once a search.
        _, rows = self._ask(Step(Ask.NEWEST, None, None, rows=1), _EVERYTHING, partition)
        return rows[0].sort_key if rows else None
