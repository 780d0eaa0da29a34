"""`flowtape bench match`: which of 100 to 50,000 different filters each trade passes, all matched together.

Beside it, in the same run and over the same tick of 100 trades: one FT.SEARCH a filter, pipelined, within the `seq`
of the tick, asking for ids only; the same asking for rows, as poll tiers do; and a plain loop over the filters'
predicates. All must name the same trades.
"""

from __future__ import annotations

import gc
import math
import time
import tracemalloc
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from random import Random
from statistics import median
from typing import Any, Final

import msgspec
import redis
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from engine.bench.match_load import LOADS, SEED, distinct, made_trades
from engine.match import FilterIndex
from engine.search_index import ensure_index
from engine.settings import Settings
from engine.store.connect import connect, redis_server
from schemas import keys
from schemas.filter import Filter
from schemas.filter_predicate import predicate
from schemas.filter_query import compile_query
from schemas.trade import Trade

TRADES: Final = 20_000
"""In the index; the last of them are matched."""

COUNTS: Final = (100, 1_000, 10_000, 50_000)
"""Different filters at once."""

ROUNDS: Final = 3

MATCHED: Final = 1_000
"""Trades of which the mean time is taken."""

TICK: Final = 100
"""Trades that one search a filter looks for."""

SEARCHED: Final = 10_000
"""Up to so many filters, each is searched and tested one by one."""

SAMPLE: Final = 2_000
"""Of more filters than that so many are, evenly chosen, and the times are scaled."""

WITH_ROWS: Final = 1_000
"""Filters of which the rows are asked for too; the time is scaled."""

PIPELINE: Final = 500
"""Searches that are sent together."""

CHURN: Final = 1_000
"""Filters that leave and come, one by one, to time it."""

GOAL_RATIO: Final = 100
GOAL_FILTERS: Final = 10_000
GOAL_ADD_US: Final = 1_000.0

TIMEOUT_MS: Final = 20_000

WIDTH: Final = 150
"""Of the printed table at least: a narrower terminal wraps its lines."""


def run(trades: int = TRADES, rounds: int = ROUNDS) -> dict[str, Any]:
    """Measure, print, and return the figures. Raises RuntimeError where the three ways differ."""
    return measure(trades, rounds, COUNTS)


def measure(trades: int, rounds: int, counts: tuple[int, ...]) -> dict[str, Any]:
    """As `run`, for other numbers of filters."""
    settings = Settings.load().model_copy(update={"redis_url": None, "partitions": 1})
    bars = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    results = []
    with (
        redis_server(settings, persistent=False) as own,
        connect(own) as client,
        Progress(*bars, console=Console(stderr=True)) as progress,
    ):
        task = progress.add_task("making and indexing trades", total=trades)
        rows = made_trades(settings, trades)
        _index(client, rows, lambda n: progress.advance(task, n))
        task = progress.add_task("matching and searching", total=len(LOADS) * len(counts))
        for load, maker in LOADS.items():
            wanted = distinct(maker, rows, max(counts) + CHURN)
            for count in counts:
                figures = _measured(client, rows, wanted[:count], wanted[count : count + CHURN], rounds)
                results.append({"load": load, "filters": count} | figures)
                progress.advance(task)
    summary = {"trades": trades, "tick": TICK, "rounds": rounds, "seed": SEED, "results": results}
    _print(summary)
    return summary


def _index(client: redis.Redis, rows: list[Trade], done: Callable[[int], None]) -> None:
    ensure_index(client, 1)
    encode = msgspec.json.Encoder().encode
    for batch in _batches(rows):
        with client.pipeline(transaction=False) as pipe:
            for row in batch:
                pipe.execute_command("JSON.SET", keys.trade(0, row.id), "$", encode(row))
            pipe.execute()
        done(len(batch))


def _measured(
    client: redis.Redis, rows: list[Trade], wanted: list[Filter], others: list[Filter], rounds: int
) -> dict[str, Any]:
    index, memory = _filled(wanted)
    adding, removing, held = _churned(index, wanted, others)
    tick, matched = rows[-TICK:], rows[-MATCHED:]
    searched = list(held.items())[:: 1 if len(held) <= SEARCHED else len(held) // SAMPLE]
    scale = len(held) / len(searched)
    # In the order of the tick, which filters each trade passed.
    found = {trade.id: set(index.match(trade)) for trade in tick}
    tests = [predicate(each) for _, each in searched]
    bounds = tick[0].seq, tick[-1].seq
    commands = [_command(each, *bounds, _IDS) for _, each in searched]
    partly = searched[:: max(1, len(searched) // WITH_ROWS)]
    asking = [_command(each, *bounds, _ROWS) for _, each in partly]
    _same(found, searched, _searched(client, commands))
    _same(found, partly, _searched(client, asking))
    _same(found, searched, [{trade.id for trade in tick if test(trade)} for test in tests])
    times: dict[str, list[float]] = {name: [] for name in ("whole", "tick", "search", "redis", "loop")}
    with _uncollected():
        for _ in range(rounds):
            times["whole"].append(_timed(lambda: _matches(index, matched)))
            times["tick"].append(_timed(lambda: _matches(index, tick)))
            before = _search_us(client)
            times["search"].append(_timed(lambda: _searched(client, commands)) * scale)
            times["redis"].append((_search_us(client) - before) / 1e6 * scale)
            times["loop"].append(_timed(lambda: [sum(map(test, tick)) for test in tests]) * scale)
        with_rows = _timed(lambda: _searched(client, asking)) * len(held) / len(asking)
    ms = {name: median(taken) * 1_000 for name, taken in times.items()}
    return {
        "us_a_trade": round(ms["whole"] * 1_000 / len(matched), 1),
        "matches_a_trade": round(_matches(index, matched) / len(matched), 1),
        "memory_kb": round(memory / 1_000),
        "add_us": adding,
        "remove_us": removing,
        "tick_ms": round(ms["tick"], 2),
        "searches_ms": round(ms["search"], 1),
        "searches_redis_ms": round(ms["redis"], 1),
        "searches_with_rows_ms": round(with_rows * 1_000, 1),
        "loop_ms": round(ms["loop"], 1),
        "searched": len(searched),
        "cheaper": round(ms["search"] / ms["tick"]),
        "cheaper_than_redis_alone": round(ms["redis"] / ms["tick"]),
        "cheaper_than_with_rows": round(with_rows * 1_000 / ms["tick"]),
    }


def _filled(wanted: Iterable[Filter]) -> tuple[FilterIndex, int]:
    """An index of these filters, and the bytes that it took; the filters' own are not counted."""
    gc.collect()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        index = FilterIndex()
        for each in wanted:
            index.add(each)
        return index, tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()


def _churned(
    index: FilterIndex, wanted: list[Filter], others: list[Filter]
) -> tuple[dict[str, float], dict[str, float], dict[int, Filter]]:
    """Let a filter at random leave and another come, again and again: times of both in us, and who is in the end."""
    held, rng = dict(enumerate(wanted)), Random(SEED)
    adding, removing = [], []
    with _uncollected():
        for each in others:
            leaving = rng.randrange(len(wanted))
            begun = time.perf_counter()
            index.remove(leaving)
            between = time.perf_counter()
            slot = index.add(each)
            adding.append(time.perf_counter() - between)
            removing.append(between - begun)
            held[slot] = each
    return _spread(adding), _spread(removing), held


@contextmanager
def _uncollected() -> Iterator[None]:
    """Without Python's cyclic collector, which would walk all filters and tests at times."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _spread(seconds: list[float]) -> dict[str, float]:
    seconds.sort()
    last = len(seconds) - 1
    places = {"p50": len(seconds) // 2, "p99": min(last, math.ceil(len(seconds) * 0.99) - 1), "max": last}
    return {name: round(seconds[place] * 1e6, 1) for name, place in places.items()}


def _matches(index: FilterIndex, trades: list[Trade]) -> int:
    return sum(len(index.match(trade)) for trade in trades)


_IDS: Final = ("NOCONTENT",)
_ROWS: Final = ("RETURN", 1, "$", "SORTBY", "ts", "DESC")


def _command(wanted: Filter, first: int, last: int, form: tuple[str | int, ...]) -> tuple[str | int, ...]:
    query = compile_query(wanted).and_between("seq", "seq", first, last)
    end: tuple[str | int, ...] = ("LIMIT", 0, TICK, "TIMEOUT", TIMEOUT_MS, *query.arguments())
    return ("FT.SEARCH", keys.index(0), query.text, *form, *end)


def _searched(client: redis.Redis, commands: list[tuple[str | int, ...]]) -> list[set[str]]:
    """The ids that each search names."""
    prefix = len(keys.trade_prefix(0))
    found = []
    for batch in _batches(commands):
        with client.pipeline(transaction=False) as pipe:
            for command in batch:
                pipe.execute_command(*command)
            found += [{row[b"id"][prefix:].decode() for row in reply[b"results"]} for reply in pipe.execute()]
    return found


def _same(found: dict[str, set[int]], searched: list[tuple[int, Filter]], named: list[set[str]]) -> None:
    """Raises RuntimeError where matching and another way name different trades."""
    for (slot, wanted), ids in zip(searched, named, strict=True):
        if ids != {id_ for id_, slots in found.items() if slot in slots}:
            raise RuntimeError(f"{wanted.key}: matching and searching named different trades.")


def _timed(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def _search_us(client: redis.Redis) -> int:
    """Microseconds that Redis has spent in searches so far."""
    stats: Any = client.info("commandstats")
    return sum(
        int(row["usec"]) for name, row in stats.items() if name.upper().startswith("CMDSTAT_FT.SEARCH")
    )


def _print(summary: dict[str, Any]) -> None:
    table = Table(
        title=f"match: different filters matched together; a tick is {TICK} synthetic trades; add, remove in us",
        title_justify="left",
    )
    for column in ("load", "filters"):
        table.add_column(column, no_wrap=True, justify="left" if column == "load" else "right")
    for column in (
        "us a trade", "matches", "MB", "add p50", "p99", "max", "remove p50", "p99", "max",
        "tick", "ids", "in Redis", "rows", "loop", "cheaper",
    ):  # fmt: skip
        table.add_column(column, justify="right")
    for row in summary["results"]:
        scaled = "~" if row["searched"] < row["filters"] else ""
        table.add_row(
            row["load"],
            f"{row['filters']:,}",
            f"{row['us_a_trade']:,.1f}",
            f"{row['matches_a_trade']:,.0f}",
            f"{row['memory_kb'] / 1_000:.1f}",
            *(f"{row[verb][name]:.0f}" for verb in ("add_us", "remove_us") for name in ("p50", "p99", "max")),
            f"{row['tick_ms']:.1f}",
            f"{scaled}{row['searches_ms']:,.0f}",
            f"{scaled}{row['searches_redis_ms']:,.0f}",
            f"{'~' if row['filters'] > WITH_ROWS else ''}{row['searches_with_rows_ms']:,.0f}",
            f"{scaled}{row['loop_ms']:,.0f}",
            f"{row['cheaper']}x",
        )
    console = Console(width=max(WIDTH, Console().width))
    console.print(table)
    console.print(
        "All ways named the same trades. ms a tick: `tick` matches it; `ids` is one search a filter for the ids of "
        "its trades, `in Redis` what Redis took of that, `rows` one for the documents, `loop` the predicates one by "
        "one. `cheaper`: ids by tick. `~`: a part of the filters was measured, evenly chosen, and the time scaled: "
        f"{WITH_ROWS:,} for rows, {SAMPLE:,} of more than {SEARCHED:,} for the others. {_verdict(summary)}"
    )


def _verdict(summary: dict[str, Any]) -> str:
    rows = summary["results"]
    adding = max(row["add_us"]["p99"] for row in rows)
    said = [
        f"Adding a filter: worst p99 {adding:.0f} us (goal {GOAL_ADD_US:.0f} us {_word(adding < GOAL_ADD_US)})."
    ]
    said += [
        f"{row['load']}, {GOAL_FILTERS:,} filters: {row['cheaper']} times cheaper than the searches "
        f"(goal {GOAL_RATIO} {_word(row['cheaper'] >= GOAL_RATIO)})."
        for row in rows
        if row["filters"] == GOAL_FILTERS
    ]
    return " ".join(said)


def _word(reached: bool) -> str:
    return "reached" if reached else "missed"


def _batches(items: list[Any]) -> Iterator[list[Any]]:
    rest = iter(items)
    while batch := list(islice(rest, PIPELINE)):
        yield batch
