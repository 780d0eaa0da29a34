"""`flowtape bench search`: the newest 50 of eight filters, from broad to rare, while 1,000 trades a second arrive.

Each filter is searched by widening windows, as `engine.search` does, and beside it sorted whole in one FT.SEARCH.
At the end nothing arrives any more, and both must have given the same rows. `first` is a filter that nothing is
remembered of, as each `flowtape query` is one; `again` one that was searched a moment ago, as gateways do.
"""

from __future__ import annotations

import gc
import math
import time
from collections.abc import Callable
from typing import Any, Final

import redis
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from engine.bench.search_load import arriving, load, rare_ticker
from engine.search import Search
from engine.search_command import read_reply
from engine.search_page import rows_of
from engine.settings import Settings
from engine.store.connect import connect, redis_server
from schemas import keys
from schemas.filter import Filter
from schemas.filter_query import compile_query
from schemas.filter_text import parse_filter

TRADES: Final = 1_000_000
SECONDS: Final = 80.0
RATE: Final = 1_000.0
"""Trades a second, of the loaded market and of what arrives."""

ROWS: Final = 50
GOAL_MS: Final = 5.0
"""For the 99th of a hundred searches of every filter."""

RARE_TRADES: Final = 100
"""Trades of the rare ticker, about."""

FILTERS: Final = (
    "*",
    "SPY",
    "calls",
    "premium>=100k",
    "SPY,QQQ calls premium>=100k dte<=7",
    "sweep -multi_leg side:above_ask",
    "TSLA puts otm_pct>5 bearish",
)
"""From broad to rare; the eighth is a ticker that hardly trades."""

PING_S: Final = 5.0
"""How long a bare PING is timed meanwhile: what the machine adds to every search, whatever is searched."""

SORTED_ROUNDS: Final = 15
"""How often each filter is sorted whole: every time stalls Redis."""

TIES: Final = 500
"""Rows asked for beyond a page when both are compared: a whole sort leaves the order of one millisecond open."""

PAUSE_S: Final = 0.004
"""Between two searches: some 200 a second, as of a gateway that polls for many; without it the bench itself would
take a whole processor, and measure how the system shares the two that there are."""

TIMEOUT_MS: Final = 20_000

WIDTH: Final = 120
"""Of the printed table at least: a narrower terminal wraps its lines."""


def run(trades: int = TRADES, seconds: float = SECONDS) -> dict[str, Any]:
    """Measure, print, and return the figures; times in ms. Raises RuntimeError where rows differ."""
    console = Console(stderr=True)
    settings = Settings.load().model_copy(update={"redis_url": None, "partitions": 1})
    with redis_server(settings, persistent=False) as own, connect(own) as client:
        begun = time.perf_counter()
        start = time.time_ns() // 1_000_000 - int(trades / RATE * 1_000)
        bars = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        with Progress(*bars, console=console) as progress:
            task = progress.add_task("making and indexing trades", total=trades)
            newest = load(own, trades, RATE, start, lambda n: progress.update(task, completed=n))
            loaded = time.perf_counter() - begun
            texts = [*FILTERS, rare_ticker(client, RARE_TRADES)]
            wanted = [parse_filter(text) for text in texts]
            task = progress.add_task("searching while trades arrive", total=len(wanted))
            with arriving(own, RATE, newest) as arrived:
                results = []
                for each in wanted:
                    results.append(_windows(client, each, seconds / len(wanted)))
                    progress.advance(task)
                rate = arrived()
                ping = _timed(client, client.ping, PING_S)
            task = progress.add_task("sorting whole while trades arrive", total=len(wanted))
            with arriving(own, RATE, _newest(client)):
                for each, figures in zip(wanted, results, strict=True):
                    figures["sorted"] = _sorted_whole(client, each)
                    progress.advance(task)
        for each, text, figures in zip(wanted, texts, results, strict=True):
            figures |= {"filter": text, "rows": _same_rows(client, each)}
        held = read_reply(_search(client, Filter(), "NOCONTENT", "LIMIT", 0, 0), TIMEOUT_MS)[0]
    worst = max(figures[kind]["p99"] for figures in results for kind in ("first", "again"))
    summary = {
        "trades": held,
        "loaded_s": round(loaded, 1),
        "arriving_per_s": round(rate),
        "goal_ms": GOAL_MS,
        "worst_p99": worst,
        "ping": ping,
        "filters": results,
    }
    _print(summary)
    return summary


def _windows(client: redis.Redis, wanted: Filter, seconds: float) -> dict[str, Any]:
    """Times of the widening windows, half of them without any memory of the filter."""

    def forgetful() -> None:
        Search(client, 1, TIMEOUT_MS).page(wanted, ROWS)

    search = Search(client, 1, TIMEOUT_MS)
    found = len(search.page(wanted, ROWS).rows)
    return {
        "first": _timed(client, forgetful, seconds / 2),
        "again": _timed(client, lambda: search.page(wanted, ROWS), seconds / 2),
        "found": found,
    }


def _sorted_whole(client: redis.Redis, wanted: Filter) -> dict[str, float]:
    return _timed(client, lambda: _search(client, wanted, *_NEWEST, "LIMIT", 0, ROWS), None)


_NEWEST: Final = ("WITHSORTKEYS", "RETURN", 1, "$", "SORTBY", "ts", "DESC")


def _search(client: redis.Redis, wanted: Filter, *words: str | int) -> Any:
    query = compile_query(wanted)
    return client.execute_command(
        "FT.SEARCH", keys.index(0), query.text, *words, "TIMEOUT", TIMEOUT_MS, *query.arguments()
    )


def _timed(client: redis.Redis, search: Callable[[], object], seconds: float | None) -> dict[str, float]:
    """p50 and p99 in ms as the client sees them, mean in ms as Redis does; SORTED_ROUNDS without `seconds`."""
    times: list[float] = []
    gc.collect()
    gc.disable()
    try:
        before = _search_us(client)
        end = math.inf if seconds is None else time.perf_counter() + seconds
        while time.perf_counter() < end and (seconds is not None or len(times) < SORTED_ROUNDS):
            begun = time.perf_counter()
            search()
            times.append((time.perf_counter() - begun) * 1_000)
            time.sleep(PAUSE_S)
        redis_us = _search_us(client) - before
    finally:
        gc.enable()
    times.sort()
    return {
        "p50": round(times[len(times) // 2], 2),
        "p99": round(times[min(len(times) - 1, math.ceil(len(times) * 0.99) - 1)], 2),
        "redis": round(redis_us / 1_000 / len(times), 2),
        "searches": len(times),
    }


def _search_us(client: redis.Redis) -> int:
    """Microseconds that Redis has spent in searches so far."""
    stats: Any = client.info("commandstats")
    return sum(int(row["usec"]) for name, row in stats.items() if name.upper().startswith("CMDSTAT_FT."))


def _same_rows(client: redis.Redis, wanted: Filter) -> int:
    """How many rows both ways give; the same ones, in the same order. Raises RuntimeError where they differ."""
    page = Search(client, 1, TIMEOUT_MS).page(wanted, ROWS)
    reply = _search(client, wanted, *_NEWEST, "LIMIT", 0, ROWS + TIES)
    documents = [row.document for row in read_reply(reply, TIMEOUT_MS)[1] if row.document is not None]
    whole = rows_of(documents, 0, ROWS)
    if [row.position for row in page.rows] != [row.position for row in whole]:
        raise RuntimeError(f"{wanted.key}: windows and whole sort gave different rows.")
    return len(whole)


def _newest(client: redis.Redis) -> int:
    found: Any = client.hget(keys.clock(0), "ts")
    return int(found)


def _print(summary: dict[str, Any]) -> None:
    table = Table(
        title=f"search: newest {ROWS} of {summary['trades']:,} synthetic trades, "
        f"{summary['arriving_per_s']:,} a second arriving; ms",
        title_justify="left",
    )
    table.add_column("filter", no_wrap=True)
    for column in ("first p50", "p99", "Redis", "again p50", "p99", "Redis", "sorted p50", "p99", "rows"):
        table.add_column(column, justify="right")
    for figures in summary["filters"]:
        cells = [
            f"{figures[kind][name]:.2f}"
            for kind in ("first", "again", "sorted")
            for name in ("p50", "p99", "redis")
        ]
        table.add_row(figures["filter"], *cells[:-1], str(figures["rows"]))
    console = Console(width=max(WIDTH, Console().width))
    console.print(table)
    verdict = "reached" if summary["worst_p99"] <= GOAL_MS else "missed"
    console.print(
        f"Both ways gave the same rows. Worst p99 {summary['worst_p99']:.2f} ms (goal {GOAL_MS:g} ms {verdict}). "
        f"A bare PING meanwhile: p50 {summary['ping']['p50']:.2f}, p99 {summary['ping']['p99']:.2f} ms. "
        "`Redis` is the mean time inside Redis; `sorted` is the same query in one FT.SEARCH over all."
    )
