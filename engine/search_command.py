"""The commands of a search and what Redis answers to them, without I/O: an answer in part is an error."""

from __future__ import annotations

from typing import Any, Final

from redis.exceptions import BusyLoadingError, ResponseError

from engine.search_plan import Ask, Found, Step
from schemas import keys
from schemas.errors import FlowtapeError, RedisSetupError, SearchError
from schemas.filter_query import EVERYTHING, Query

Command = tuple[str | int, ...]

TIMEOUT_REPLY: Final = "Timeout limit was reached"

_EVERYTHING = Query(EVERYTHING, ())


def command_of(step: Step, query: Query, partition: int, timeout_ms: int) -> Command:
    """The command of a step."""
    if step.ask is Ask.OLDER:
        older = _EVERYTHING.and_between("ts", "ts", None, step.high)
        return (
            "FT.AGGREGATE", keys.index(partition), older.text, "LIMIT", 0, 1, "TIMEOUT", timeout_ms, *older.arguments()
        )  # fmt: skip
    within = query.and_between("ts", "ts", step.low, step.high).and_between("seq", "seq", None, step.seq_high)
    end: Command = ("TIMEOUT", timeout_ms, *within.arguments())
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
    whole = _whole(reply, timeout_ms)
    rows = []
    for result in whole[b"results"]:
        fields = result.get(b"extra_attributes")
        # An aggregation's row has no key. A key is written as `#1795241422697`.
        key = result.get(b"sortkey", b"#0")
        rows.append(Found(int(float(key[1:])), fields.get(b"$") if fields else None))
    return whole[b"total_results"], rows


def groups_of(reply: Any, timeout_ms: int) -> list[dict[bytes, bytes]]:
    """The rows of an aggregation, each its properties by name. Raises SearchError for a reply that is not whole."""
    return [result[b"extra_attributes"] for result in _whole(reply, timeout_ms)[b"results"]]


def _whole(reply: Any, timeout_ms: int) -> dict[bytes, Any]:
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
    return reply


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
