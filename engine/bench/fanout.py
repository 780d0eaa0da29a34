"""`flowtape bench fanout`: frames a second to 1,000 clients over loopback, beside a bare loop on uvicorn.

Ours is the real gateway process: trades are appended to a real tape as the indexer announces them, faster than the
gateway can send a frame of each to all, so it sends as fast as it can; all clients have one filter. The tier is
overridden to one row a batch and 1 ms between batches, so that every frame holds one trade. The bare loop is a minimal
ASGI application on the same uvicorn, which sends the content of such a frame to all who are connected, over and over.
Both have the same clients, which count frames and look at nothing in them.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from statistics import median
from typing import Any, Final

import msgspec
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from engine.bench.bare_loop import bare_loop
from engine.bench.gateway_process import START_S, arrive, gateway
from engine.bench.match_load import made_trades
from engine.bench.process_cost import allow_descriptors, cpu_seconds
from engine.bench.stream_receivers import Mark, Visitor, counters
from engine.bench.worker import Worker, wait_until
from engine.settings import Settings
from engine.store.connect import connect, redis_server
from schemas import keys
from schemas.filter import Filter

CLIENTS: Final = 1_000
SECONDS: Final = 3.0
ROUNDS: Final = 7
GOAL: Final = 0.8
"""Share of the bare loop's frames a second."""

WARM_S: Final = 1.0
"""What is sent first is not measured."""

TICK_S: Final = 0.002
"""A trade is announced this often."""

TICKER: Final = "SPY"
TRADES: Final = 2_000
"""Simulated ones, of which those of the ticker are announced in turn."""

TIERS: Final = '{"premium": {"interval_ms": 1, "rows": 1}}'


@dataclass(frozen=True, slots=True)
class Sent:
    """One side in one round."""

    frames_per_s: float
    frame_bytes: float
    server_cpu: float
    """Share of one processor."""
    server_us: float
    """Processor time of the server a frame, microseconds."""
    receivers_cpu: float
    """Share of one processor that the clients' process took."""


def run(clients: int = CLIENTS, rounds: int = ROUNDS, seconds: float = SECONDS) -> dict[str, Any]:
    """Measure, print, and return the medians. Raises RuntimeError where a client is lost."""
    allow_descriptors(clients)
    settings = Settings.load().model_copy(update={"redis_url": None, "partitions": 1})
    ours, bare = [], []
    with ExitStack() as opened:
        own = opened.enter_context(redis_server(settings, persistent=False))
        running = opened.enter_context(gateway(own, {"FLOWTAPE_TIERS": TIERS}))
        loop = opened.enter_context(Worker(bare_loop))
        receivers = opened.enter_context(Worker(counters))
        address = loop.ask("serve")
        progress = opened.enter_context(Progress(console=Console(stderr=True), transient=True))
        task = progress.add_task("sending", total=2 * rounds)
        for _ in range(rounds):
            arrive(receivers, running, own, [Filter(underlying=(TICKER,))] * clients)
            with _announcing(own):
                ours.append(_measure(running.pid, receivers, seconds))
                payload = receivers.ask("last")
            receivers.ask("drop")
            progress.advance(task)
            if failures := receivers.ask("connect", address, [Visitor("", b"")] * clients):
                raise RuntimeError(f"{len(failures)} clients did not come in, the first: {failures[0]}")
            loop.ask("send", payload)
            bare.append(_measure(loop.pid, receivers, seconds))
            loop.ask("rest")
            receivers.ask("drop")
            progress.advance(task)
    figures = {
        "clients": clients,
        "rounds": rounds,
        "seconds": seconds,
        "ours": _medians(ours),
        "bare": _medians(bare),
        "ratio": round(median(a.frames_per_s / b.frames_per_s for a, b in zip(ours, bare, strict=True)), 3),
        "ratio_us": round(median(b.server_us / a.server_us for a, b in zip(ours, bare, strict=True)), 3),
    }
    _print(figures)
    return figures


def _measure(pid: int, receivers: Worker, seconds: float) -> Sent:
    """What a server sends that does so all the time."""
    wait_until(lambda: receivers.ask("mark").frames, "The first frame", START_S)
    time.sleep(WARM_S)
    before, busy, receiving = receivers.ask("mark"), cpu_seconds(pid), cpu_seconds(receivers.pid)
    time.sleep(seconds)
    after, busy, receiving = (
        receivers.ask("mark"),
        cpu_seconds(pid) - busy,
        cpu_seconds(receivers.pid) - receiving,
    )
    assert isinstance(before, Mark)
    assert isinstance(after, Mark)
    if after.closed:
        raise RuntimeError(f"Clients lost their connection, by close code: {after.closed}.")
    frames, elapsed = after.frames - before.frames, after.at - before.at
    return Sent(
        frames_per_s=frames / elapsed,
        frame_bytes=(after.bytes - before.bytes) / frames,
        server_cpu=busy / elapsed,
        server_us=busy / frames * 1e6,
        receivers_cpu=receiving / elapsed,
    )


@contextmanager
def _announcing(settings: Settings) -> Iterator[None]:
    """Announce a trade every TICK_S, in the form in which the indexer's script does."""
    trades = [trade for trade in made_trades(settings, TRADES) if trade.underlying == TICKER]
    stop = threading.Event()
    encode = msgspec.msgpack.Encoder().encode

    def work() -> None:
        with connect(settings) as client:
            seq = int(client.hget(keys.clock(0), "seq") or 0)
            while not stop.wait(TICK_S):
                seq += 1
                now = time.time_ns() // 1_000_000
                trade = msgspec.structs.replace(
                    trades[seq % len(trades)], id=f"fanout_{seq}", seq=seq, ts=now, received=now
                )
                client.xadd(keys.tape(0), {"d": encode(trade)}, maxlen=settings.tape_length, approximate=True)
            client.hset(keys.clock(0), "seq", seq)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _medians(sent: list[Sent]) -> dict[str, float]:
    return {name: round(median(getattr(each, name) for each in sent), 3) for name in Sent.__slots__}


def _print(figures: dict[str, Any]) -> None:
    ours, bare = figures["ours"], figures["bare"]
    table = Table(
        title=f"fanout: {figures['clients']:,} clients, "
        f"{figures['rounds']} rounds of {figures['seconds']:g} s, medians",
        title_justify="left",
    )
    for column in ("", "gateway", "bare loop"):
        table.add_column(column, justify="left" if not column else "right")
    rows: tuple[tuple[str, str, Callable[[float], str]], ...] = (
        ("frames a second, delivered", "frames_per_s", lambda n: f"{n:,.0f}"),
        ("bytes a frame", "frame_bytes", lambda n: f"{n:,.0f}"),
        ("CPU a frame, server", "server_us", lambda n: f"{n:.2f} us"),
        ("CPU of the server", "server_cpu", lambda n: f"{n:.0%} of a core"),
        ("CPU of the clients' process", "receivers_cpu", lambda n: f"{n:.0%} of a core"),
    )
    for title, name, text in rows:
        table.add_row(title, text(ours[name]), text(bare[name]))
    console = Console()
    console.print(table)
    verdict = "reached" if figures["ratio"] >= GOAL else "missed"
    console.print(
        f"gateway / bare loop: {figures['ratio']:.2f} of the frames a second (goal {GOAL} {verdict}); "
        f"{figures['ratio_us']:.2f} frames for the processor time of one of the bare loop."
    )
