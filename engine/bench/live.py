"""`flowtape bench live`: from a feed's receipt of a trade to each client whose filter it passes, over real sockets.

The whole path runs as a user runs it: a feed's publisher, `flowtape index`, Redis, `flowtape serve`, WebSocket clients;
load and clients are processes of their own on the same machine, so all times are of one clock. Four parts:

- live: clients of the push tier with different filters as people write them, at a steady rate of trades;
- idle: many clients with filters that hardly anything passes, at the same rate: memory a session, heartbeats;
- highest: the highest rate at which the clients of the first part get trades within the goal;
- polling: the plain design over the same trades, one FT.SEARCH a user and interval, without any sockets.

After each part what every client has is held against the whole tape.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from random import Random
from typing import Any, Final

import redis
from rich.console import Console

from engine.bench.gateway_process import Gateway, arrive, gateway, indexer
from engine.bench.live_check import Checked, Latency, latency_of
from engine.bench.live_feed import Fed, steady_feed
from engine.bench.live_polling import Polled, polling
from engine.bench.live_receivers import live_receivers
from engine.bench.live_table import show
from engine.bench.match_load import distinct, made_trades, realistic
from engine.bench.process_cost import allow_descriptors, cpu_seconds, resident_bytes
from engine.bench.worker import Worker, wait_until
from engine.settings import Settings
from engine.simulator.underlyings import underlyings
from engine.store.connect import connect, redis_server
from schemas import keys
from schemas.filter import Filter, Range

CLIENTS: Final = 1_000
IDLE: Final = 5_000
RATE: Final = 1_000.0
SECONDS: Final = 30.0
HIGHEST: Final = 16_000.0
"""Trades a second that are tried at most."""

GOAL_MS: Final = 100.0
"""For the 99th of a hundred delays."""

FED: Final = 0.95
"""Share of a rate that must have been fed for it to count."""

WARM_S: Final = 2.0
"""What is received first is checked, but its delays are not counted."""

STEP_S: Final = 10.0
"""Length of one rate that is tried."""

EVERY: Final = 5
"""Of the rates that are tried, one client in so many is held against the whole tape: there are many trades."""

TRIES: Final = 2
"""Times that a rate is tried before it counts as missed: another process may have wanted the processor."""

HALVINGS: Final = 2
"""How often the span between the highest rate that was held and the lowest that was not is halved."""

INTERVAL_S: Final = 1.0
"""Between two searches of one user of the plain design."""

ASKERS: Final = 2
"""Processes that ask in the plain design: one alone waits for Redis half of the time."""

FLAT_OUT_S: Final = 10.0
"""How long the plain design searches as often as it can, to say how many users it could have."""

DRAIN_S: Final = 120.0
"""How long the rest may take to come through."""

QUIET_S: Final = 1.0
"""No batch came for so long: all has come."""

TAPE_LENGTH: Final = 2_000_000
"""Announcements kept, so that the whole tape is there to compare with."""


@dataclass(frozen=True, slots=True)
class Load:
    """One load and what came of it. Processor time as a share of one core."""

    clients: int
    rate: float
    """Trades a second as fed."""
    seconds: float
    announced_per_s: float
    """Announcements while it was measured: trades, and those that were rewritten."""
    checked: Checked
    closed: dict[int, int]
    """Clients that lost their connection, by close code."""
    cpu: dict[str, float]
    """By process."""
    frames_per_s: float
    rows_per_s: float
    """Of all clients; with the trades that are not measured, over all the time that trades came."""
    gateway: dict[str, float]
    """By its own metrics: mean delays until a trade was announced and from there to its batch, ms; overload step and
    conflated batches in the end."""

    @property
    def held(self) -> bool:
        """Whether the goal was kept, with nothing lost, doubled or wrong, and nobody cut off."""
        checked = self.checked
        amiss = checked.lost or checked.doubled or checked.wrong or self.closed
        return 0 < checked.latency.p99 < GOAL_MS and not amiss


class Rig:
    """Redis, indexer and feed, which all parts share."""

    def __init__(self, settings: Settings, client: redis.Redis, indexer_pid: int, feed: Worker) -> None:
        self.settings = settings
        self.client = client
        self.feed = feed
        server: Any = client.info("server")
        self._pids = {
            "feed": feed.pid,
            "indexer": indexer_pid,
            "redis": int(server["process_id"]),
        }
        self._fed = 0

    def end_of_tape(self) -> str:
        """The newest entry."""
        entries: Any = self.client.xrevrange(keys.tape(0), count=1)
        return entries[0][0].decode() if entries else "0-0"

    @contextmanager
    def feeding(self, rate: float, seconds: float) -> Iterator[list[Fed]]:
        """Let trades arrive meanwhile; in the end all are indexed, and what was fed is in the list."""
        self.feed.ask("prepare", int(rate * (WARM_S + seconds)))
        self.feed.tell("run", rate)
        fed: list[Fed] = []
        time.sleep(WARM_S)
        yield fed
        fed.append(self.feed.answer())
        self._fed += fed[0].prints
        wait_until(lambda: self._indexed() >= self._fed, "Indexing all prints", DRAIN_S)

    def load(
        self,
        running: Gateway,
        receivers: Worker,
        filters: list[Filter],
        rate: float,
        seconds: float,
        every: int = 1,
    ) -> Load:
        """Let trades arrive for clients that are connected, and check what they got, see `check`."""
        wait_until(lambda: not running.metrics()["flowtape_overload_step"], "The gateway's calm", DRAIN_S)
        behind = self.end_of_tape()
        pids = {**self._pids, "gateway": running.pid, "clients": receivers.pid}
        with self.feeding(rate, seconds) as fed:
            before, frames, entries = _cpu(pids), receivers.ask("mark"), self._announced()
            metrics_before = running.metrics()
            since_ms = time.time() * 1000
            time.sleep(seconds)
            until_ms = time.time() * 1000
            after, frames_after, entries_after = _cpu(pids), receivers.ask("mark"), self._announced()
            metrics = running.metrics()
        _await_quiet(receivers)
        closed = receivers.ask("mark").closed
        checked = receivers.ask("check", filters, behind, since_ms, until_ms, every)
        elapsed = frames_after.at - frames.at
        return Load(
            clients=len(filters),
            rate=fed[0].per_s,
            seconds=seconds,
            announced_per_s=(entries_after - entries) / elapsed,
            checked=checked,
            closed=closed,
            cpu={name: round((after[name] - before[name]) / elapsed, 3) for name in pids},
            frames_per_s=(frames_after.frames - frames.frames) / elapsed,
            rows_per_s=checked.rows / (WARM_S + seconds),
            gateway={
                "index_ms": _mean_ms("print_to_index", metrics_before, metrics),
                "send_ms": _mean_ms("index_to_send", metrics_before, metrics),
                "overload_step": metrics.get("flowtape_overload_step", 0.0),
                "conflations": metrics.get("flowtape_conflations_total", 0.0),
            },
        )

    def _announced(self) -> int:
        info: Any = self.client.xinfo_stream(keys.tape(0)) if self.client.exists(keys.tape(0)) else {}
        return int(info.get("entries-added", 0))

    def _indexed(self) -> int:
        counts: Any = self.client.hgetall(keys.counts(0))
        return sum(int(n) for name, n in counts.items() if name.endswith((b":indexed", b":cancels")))


def run(
    clients: int = CLIENTS,
    rate: float = RATE,
    seconds: float = SECONDS,
    idle: int = IDLE,
    highest: float = HIGHEST,
) -> dict[str, Any]:
    """Measure, print, and return the figures.
    `idle` is the number of clients of that part, `highest` the highest rate tried; 0 leaves either part out.
    """
    allow_descriptors(max(clients, idle))
    settings = Settings.load().model_copy(
        update={"redis_url": None, "partitions": 1, "tape_length": TAPE_LENGTH}
    )
    console = Console(stderr=True)
    trades = made_trades(settings, 2_000)
    filters = distinct(realistic, trades, clients)
    figures: dict[str, Any] = {"goal_ms": GOAL_MS}
    with ExitStack() as opened:
        own = opened.enter_context(redis_server(settings, persistent=False))
        client = opened.enter_context(connect(own))
        owner = opened.enter_context(indexer(own, client))
        rig = Rig(own, client, owner, opened.enter_context(Worker(steady_feed, own)))
        with gateway(own, {}) as running, Worker(live_receivers, own) as receivers:
            console.print(f"live: {clients:,} clients, {rate:,.0f} trades a second for {seconds:g} s")
            empty = resident_bytes(running.pid)
            connecting_s = arrive(receivers, running, own, filters)
            opened_bytes = resident_bytes(running.pid)
            live = rig.load(running, receivers, filters, rate, seconds)
            figures["live"] = {
                **_figures(live),
                "connecting_s": round(connecting_s, 2),
                "session_bytes": (opened_bytes - empty) // clients,
                "session_bytes_in_the_end": (resident_bytes(running.pid) - empty) // clients,
            }
            if highest:
                figures["highest"] = _highest(
                    rig, running, receivers, filters, live, highest, seconds, console
                )
        if idle:
            console.print(f"idle: {idle:,} clients for {seconds:g} s")
            figures["idle"] = _idle(rig, idle, rate, seconds)
        console.print(f"polling: {clients:,} users for {seconds:g} s, then flat out")
        figures["polling"] = _polling(rig, filters, rate, seconds)
    show(figures)
    return figures


def _highest(
    rig: Rig,
    running: Gateway,
    receivers: Worker,
    filters: list[Filter],
    live: Load,
    highest: float,
    seconds: float,
    console: Console,
) -> dict[str, Any]:
    """Double the rate until the goal is missed, then halve the span."""
    tried: list[Load] = []
    missed: float | None
    held, missed = (live.rate, None) if live.held else (0.0, live.rate)
    rate, halvings = 2 * live.rate if live.held else live.rate / 2, 0
    while rate <= highest and halvings <= HALVINGS:
        console.print(f"highest: {rate:,.0f} trades a second")
        for _ in range(TRIES):
            step = rig.load(running, receivers, filters, rate, min(STEP_S, seconds), EVERY)
            tried.append(step)
            if step.closed:
                receivers.ask("drop")
                arrive(receivers, running, rig.settings, filters)
            if reached := step.held and step.rate >= FED * rate:
                held = max(held, step.rate)
                break
        missed = missed if reached else rate
        if missed is None:
            rate = 2 * rate
        else:
            halvings += 1
            rate = (held + missed) / 2
    return {"held": round(held, 1), "missed": missed, "tried": [_figures(step) for step in tried]}


def _idle(rig: Rig, count: int, rate: float, seconds: float) -> dict[str, Any]:
    filters = rare(count)
    with gateway(rig.settings, {}) as running, Worker(live_receivers, rig.settings) as receivers:
        empty = resident_bytes(running.pid)
        connecting_s = arrive(receivers, running, rig.settings, filters)
        opened_bytes = resident_bytes(running.pid)
        load = rig.load(running, receivers, filters, rate, seconds)
        return {
            **_figures(load),
            "connecting_s": round(connecting_s, 2),
            "session_bytes": (opened_bytes - empty) // count,
            "session_bytes_in_the_end": (resident_bytes(running.pid) - empty) // count,
        }


def _polling(rig: Rig, filters: list[Filter], rate: float, seconds: float) -> dict[str, Any]:
    """The plain design: its users are shared out among ASKERS processes."""
    figures: dict[str, Any] = {"users": len(filters), "interval_s": INTERVAL_S, "askers": ASKERS}
    with ExitStack() as opened:
        askers = [opened.enter_context(Worker(polling, rig.settings)) for _ in range(ASKERS)]
        for name, flat_out, length in (
            ("each_interval", False, seconds),
            ("flat_out", True, min(FLAT_OUT_S, seconds)),
        ):
            behind = rig.end_of_tape()
            with rig.feeding(rate, length) as fed:
                for number, asker in enumerate(askers):
                    asker.tell("poll", filters[number::ASKERS], INTERVAL_S, length, behind, flat_out)
                polled: list[Polled] = [asker.answer() for asker in askers]
            latency = latency_of([delay for each in polled for delay in each.delays])
            figures[name] = {
                "searches": sum(each.searches for each in polled),
                "per_s": round(sum(each.per_s for each in polled), 1),
                "rows_per_search": round(
                    sum(each.rows for each in polled) / sum(each.searches for each in polled), 2
                ),
                "busy": max(each.busy for each in polled),
                "askers_cpu": round(sum(each.cpu for each in polled), 3),
                "redis_cpu": max(each.redis_cpu for each in polled),
                "latency": latency._asdict(),
                "rate": round(fed[0].per_s, 1),
            }
    figures["users_sustained"] = int(figures["flat_out"]["per_s"] * INTERVAL_S)
    return figures


def rare(count: int) -> list[Filter]:
    """Different filters that hardly any trade passes: large prints of tickers that seldom trade."""
    listed = sorted(underlyings(1), key=lambda each: each.weight)
    rng = Random(count)
    seldom = [each.ticker for each in listed[: max(1, len(listed) // 2)]]
    return [
        Filter(
            underlying=(seldom[n % len(seldom)],),
            ranges=(("premium", Range(gte=2_000 + n)),),
            right=("CP"[n % 2],),
        )
        for n in rng.sample(range(10 * count), count)
    ]


def _await_quiet(receivers: Worker) -> None:
    """Wait until no batch comes any more; heartbeats go on."""
    batches = -1
    for _ in range(int(DRAIN_S / QUIET_S)):
        seen, batches = batches, receivers.ask("batches")
        if batches == seen:
            return
        time.sleep(QUIET_S)
    raise RuntimeError(f"Batches still come {DRAIN_S:g} s after the last trade was indexed.")


def _cpu(pids: Mapping[str, int]) -> dict[str, float]:
    return {name: cpu_seconds(pid) for name, pid in pids.items()}


def _mean_ms(histogram: str, before: Mapping[str, float], after: Mapping[str, float]) -> float:
    """The mean of what a histogram of seconds took in between two looks at it."""
    total, count = (
        after.get(name, 0.0) - before.get(name, 0.0)
        for name in (f"flowtape_{histogram}_seconds_sum", f"flowtape_{histogram}_seconds_count")
    )
    return round(1000 * total / count, 2) if count else 0.0


def _figures(load: Load) -> dict[str, Any]:
    figures = asdict(load)
    checked = figures.pop("checked")
    checked["latency"] = Latency(*load.checked.latency)._asdict()
    return {**_rounded(figures), **_rounded(checked), "held": load.held}


def _rounded(figures: Mapping[str, Any]) -> dict[str, Any]:
    return {name: round(value, 2) if isinstance(value, float) else value for name, value in figures.items()}
