"""The `FT.SEARCH` behind a page, one for each partition, to paste into redis-cli."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from engine.search_page import Page, position_of
from engine.search_plan import Position
from schemas import keys
from schemas.filter import Filter
from schemas.filter_query import Query, compile_query

_PLAIN = re.compile(r"[A-Za-z0-9_.:+$-]+\Z")


def commands(
    wanted: Filter,
    page: Page,
    partitions: int,
    limit: int,
    before: str | None,
    count: Callable[[Query, int], int],
) -> list[list[str]]:
    """The words of one command a partition; together they give the rows of the page, and none besides.

    A full page is fenced by the time of its oldest row, so that a broad filter is not sorted whole; `count` says
    how many trades a query names in a partition, and decides whether that time needs a bound by `seq` as well.
    """
    query = compile_query(wanted)
    newest = None if before is None else position_of(before)
    # A page that is not full reaches to the end of the tape.
    oldest = page.rows[-1].position if page.before is not None else None
    found = []
    for p in range(partitions):
        fenced = query.and_between("ts", "ts", oldest and oldest.ts, newest and newest.ts)
        if newest is not None:
            fenced = _without(fenced, newest, p, count, above=True)
        if oldest is not None:
            fenced = _without(fenced, oldest, p, count, above=False)
        order = ("RETURN", "1", "$", "SORTBY", "ts", "DESC", "LIMIT", "0", str(limit))
        found.append(["FT.SEARCH", keys.index(p), fenced.text, *order, *fenced.arguments()])
    return found


def _without(
    query: Query, edge: Position, p: int, count: Callable[[Query, int], int], *, above: bool
) -> Query:
    """Leave out the trades of the edge's millisecond that lie beyond it, if there are any."""
    name = "newer" if above else "older"
    # Of the same ts and seq in two partitions, the one of the lower partition is older; the edge itself belongs
    # to this page where it is its oldest row, and to the page before where it is its cursor.
    seq = edge.seq if above else edge.seq - 1
    if p < edge.partition:
        seq += 1
    low, high = (seq, None) if above else (None, seq)
    beyond = Query(query.text, query.params)
    beyond = beyond.and_between("ts", f"{name}_ts", edge.ts, edge.ts).and_between(
        "seq", f"{name}_seq", low, high
    )
    if not count(beyond, p):
        return query
    clause = (
        Query("*", ())
        .and_between("ts", f"{name}_ts", edge.ts, edge.ts)
        .and_between("seq", f"{name}_seq", low, high)
    )
    return Query(f"{query.text} -({clause.text})", query.params + clause.params)


def quoted(words: Sequence[str]) -> str:
    """One line for redis-cli, and for a shell: words in single quotes where they need them."""
    return " ".join(word if _PLAIN.match(word) and "$" not in word else _in_quotes(word) for word in words)


def _in_quotes(word: str) -> str:
    escaped = word.replace("'", "\\'")
    return f"'{escaped}'"
