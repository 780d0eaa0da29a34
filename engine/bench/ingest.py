"""`flowtape bench ingest`: vendor bytes to announced trades, beside the fastest that Redis could take them.

Each round measures both on a fresh embedded Redis without persistence, so that their ratio means something on a
machine that others use too:

- the whole path: frames in Massive's form -> decode -> publish -> prints stream -> classify -> index -> tape, with
  the feed and the indexer in a process of their own, as `flowtape up` runs them;
- the bare ceiling: the very documents that came out of it, as pipelined JSON.SET and PEXPIRE on the same index, packed
  beforehand and always one pipeline ahead, so that Redis never waits for Python.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.synchronize import Event
from statistics import median
from typing import Any

import redis
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from engine.feeds.massive import MassiveDecoder
from engine.indexer import Indexer
from engine.processes.collector import collect_seldom
from engine.publish import Policy, Publisher
from engine.search_index import ensure_index
from engine.settings import Settings
from engine.simulator.massive_form import massive_frames
from engine.store.connect import connect, connect_async, redis_server
from schemas import keys

TRADES = 200_000
ROUNDS = 3
SEED = 20261121
START_MS = 1_795_271_400_000
"""2026-11-21 09:30 in New York."""

PIPELINE = 500
"""Commands of the ceiling sent at once; the next ones are packed and sent before these are answered."""

GOAL, LEAST = 0.8, 0.6
"""Share of the ceiling that the whole path should reach, and must."""

BYTES_GOAL = 1_500

POLL_S = 0.01


@dataclass(frozen=True, slots=True)
class Round:
    """One round; rates in trades a second, times in microseconds a trade, memory in bytes a trade."""

    whole_rate: float
    ceiling_rate: float
    redis_us: float
    ceiling_redis_us: float
    feed_us: float
    indexer_us: float
    bytes_index: float
    """Documents, their index and the contracts' state."""
    bytes_tape: float
    documents: float
    """Documents written a trade: above 1 by the trades that a later leg, a repeat or a cancel changed."""

    @property
    def ratio(self) -> float:
        """Whole path to ceiling."""
        return self.whole_rate / self.ceiling_rate


def run(trades: int = TRADES, rounds: int = ROUNDS) -> dict[str, Any]:
    """Measure, print, and return the medians. Trades that were rewritten count once."""
    console = Console(stderr=True)
    settings = Settings.load()
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task("making frames", total=trades)
        frames = []
        for frame in massive_frames(SEED, trades, START_MS):
            frames.append(frame)
            progress.advance(task, 50)
        task = progress.add_task("measuring", total=2 * rounds)
        done: list[Round] = []
        for _ in range(rounds):
            with redis_server(settings.model_copy(update={"redis_url": None}), persistent=False) as own:
                done.append(_round(own, frames, trades, lambda: progress.advance(task)))
    figures = _summary(done, trades, sum(map(len, frames)))
    _print(figures)
    return figures


def _round(settings: Settings, frames: list[bytes], trades: int, step: Any) -> Round:
    with connect(settings) as client:
        ensure_index(client, settings.partitions)
        empty = _memory(client)
        context = multiprocessing.get_context("spawn")
        ready, go, stop = context.Barrier(3), context.Event(), context.Event()
        cpu: Any = context.Queue()
        workers = [
            context.Process(target=_feed, args=(settings, frames, ready, go, cpu)),
            context.Process(target=_index, args=(settings, ready, stop, cpu)),
        ]
        for worker in workers:
            worker.start()
        try:
            ready.wait(60)
            busy, begin = _cpu(client), time.perf_counter()
            go.set()
            _await_trades(client, trades, workers)
            seconds, redis_seconds = time.perf_counter() - begin, _cpu(client) - busy
        finally:
            stop.set()
            for worker in workers:
                worker.join(30)
        used = dict(cpu.get() for _ in workers)
        rewritten = int(client.hget(keys.counts(0), "massive:rewritten") or 0)
        client.delete(keys.prints(0))
        tape = int(client.memory_usage(keys.tape(0), samples=0) or 0)
        held = _memory(client) - empty
        step()
        documents = list(_documents(client))
        with _quiet(client):
            client.flushall()
        ensure_index(client, settings.partitions)
        ceiling_seconds, ceiling_redis = _ceiling(client, documents)
        step()
    micro = 1e6 / trades
    return Round(
        whole_rate=trades / seconds,
        ceiling_rate=len(documents) / ceiling_seconds,
        redis_us=redis_seconds * micro,
        ceiling_redis_us=ceiling_redis * 1e6 / len(documents),
        feed_us=used["feed"] * micro,
        indexer_us=used["index"] * micro,
        bytes_index=(held - tape) / trades,
        bytes_tape=tape / min(trades, settings.tape_length),
        documents=1 + rewritten / trades,
    )


def _feed(settings: Settings, frames: list[bytes], ready: Any, go: Event, cpu: Any) -> None:
    async def work() -> None:
        decoder = MassiveDecoder(settings.quote_cache)
        async with connect_async(settings) as client, Publisher(client, settings, Policy.WAIT) as publisher:
            for frame in frames:
                await publisher.put(decoder.decode(frame, time.time_ns() // 1_000_000))

    collect_seldom()
    ready.wait(60)
    go.wait(60)
    began = time.process_time()
    asyncio.run(work())
    cpu.put(("feed", time.process_time() - began))


def _index(settings: Settings, ready: Any, stop: Event, cpu: Any) -> None:
    with connect(settings) as client:
        indexer = Indexer(client, settings, 0, "bench")
        began: list[float] = []

        def stopping() -> bool:
            if indexer.owner and not began:
                ready.wait(60)
                began.append(time.process_time())
            return stop.is_set()

        collect_seldom()
        indexer.run(stopping)
        cpu.put(("index", time.process_time() - began[0]))


def _await_trades(client: redis.Redis, trades: int, workers: list[Any]) -> None:
    while _processed(client) < trades:
        if any(worker.exitcode not in (None, 0) for worker in workers):
            raise RuntimeError("A process of the benchmark failed; its traceback is above.")
        time.sleep(POLL_S)


def _processed(client: redis.Redis) -> int:
    found: Any = client.hmget(keys.counts(0), "massive:indexed", "massive:cancels")
    return sum(int(count or 0) for count in found)


def _documents(client: redis.Redis) -> Iterator[tuple[bytes, bytes, int]]:
    """Key, document and time to live of every trade."""
    names = list(client.scan_iter(match=keys.trade_prefix(0) + "*", count=5_000))
    for start in range(0, len(names), 1_000):
        part = names[start : start + 1_000]
        with client.pipeline(transaction=False) as pipe:
            for name in part:
                pipe.execute_command("JSON.GET", name)
                pipe.pttl(name)
            replies = pipe.execute()
        yield from zip(part, replies[::2], replies[1::2], strict=True)


def _ceiling(client: redis.Redis, documents: list[tuple[bytes, bytes, int]]) -> tuple[float, float]:
    """Seconds and Redis' own seconds for all documents, pipelined from one connection that packs nothing."""
    connection: Any = client.connection_pool.get_connection()
    commands = [
        c for name, doc, ttl in documents for c in (("JSON.SET", name, "$", doc), ("PEXPIRE", name, ttl))
    ]
    packed = [
        (connection.pack_commands(part), len(part))
        for part in (commands[i : i + PIPELINE] for i in range(0, len(commands), PIPELINE))
    ]
    busy, begin = _cpu(client), time.perf_counter()
    waiting = 0
    for data, replies in packed:
        connection.send_packed_command(data)
        for _ in range(waiting):
            connection.read_response()
        waiting = replies
    for _ in range(waiting):
        connection.read_response()
    seconds, redis_seconds = time.perf_counter() - begin, _cpu(client) - busy
    client.connection_pool.release(connection)
    return seconds, redis_seconds


@contextmanager
def _quiet(client: redis.Redis) -> Iterator[None]:
    """Let the memory of what was deleted be freed before anything is timed."""
    yield
    while int(_info(client, "memory")["lazyfree_pending_objects"]):
        time.sleep(POLL_S)


def _info(client: redis.Redis, section: str) -> dict[str, Any]:
    info: Any = client.info(section)
    return dict(info)


def _memory(client: redis.Redis) -> int:
    return int(_info(client, "memory")["used_memory"])


def _cpu(client: redis.Redis) -> float:
    """Seconds of processor time that Redis used, its threads included."""
    info = _info(client, "cpu")
    return float(info["used_cpu_user"]) + float(info["used_cpu_sys"])


def _summary(done: list[Round], trades: int, size: int) -> dict[str, Any]:
    def middle(name: str) -> float:
        return round(float(median(getattr(r, name) for r in done)), 3)

    names = [*Round.__slots__, "ratio"]
    return {"trades": trades, "rounds": len(done), "wire_bytes": round(size / trades, 1)} | {
        name: middle(name) for name in names
    }


def _print(figures: dict[str, Any]) -> None:
    table = Table(
        title=f"ingest: {figures['trades']:,} synthetic trades in Massive's form, "
        f"{figures['rounds']} rounds, medians",
        title_justify="left",
    )
    for column in ("", "whole path", "bare ceiling"):
        table.add_column(column, justify="left" if not column else "right")
    table.add_row("trades a second", f"{figures['whole_rate']:,.0f}", f"{figures['ceiling_rate']:,.0f}")
    table.add_row("documents written a trade", f"{figures['documents']:.3f}", "1")
    table.add_row(
        "Redis CPU a trade", f"{figures['redis_us']:.1f} us", f"{figures['ceiling_redis_us']:.1f} us"
    )
    table.add_row("Python CPU a trade, feed", f"{figures['feed_us']:.1f} us", "")
    table.add_row("Python CPU a trade, indexer", f"{figures['indexer_us']:.1f} us", "")
    table.add_row(
        f"bytes a trade, index and contracts (goal {BYTES_GOAL:,})", f"{figures['bytes_index']:,.0f}", ""
    )
    table.add_row("bytes an announcement on the tape (bounded)", f"{figures['bytes_tape']:,.0f}", "")
    console = Console()
    console.print(table)
    verdict = "reached" if figures["ratio"] >= GOAL else "missed"
    console.print(f"whole path / ceiling: {figures['ratio']:.2f} (goal {GOAL} {verdict}; at least {LEAST})")
