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
from rich.table import Table

from engine.bench.gateway_process import Gateway, arrive, gateway, indexer
from engine.bench.live_check import Checked, Latency, latency_of
from engine.bench.live_feed import Fed, steady_feed
from engine.bench.live_polling import Polled, polling
from engine.bench.live_receivers import live_receivers
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

WIDTH: Final = 130

_PARTS: Final = ("p50", "p99", "worst")
"""Of a latency, as they are shown."""


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
        try:
            time.sleep(WARM_S)
            yield fed
        finally:
            fed.append(self.feed.answer())
        self._fed += fed[0].prints
        wait_until(lambda: self._indexed() >= self._fed, "Indexing all prints", DRAIN_S)

    def load(
        self, running: Gateway, receivers: Worker, filters: list[Filter], rate: float, seconds: float
    ) -> Load:
        """Let trades arrive for clients that are connected, and check what they got."""
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
        checked = receivers.ask("check", filters, behind, since_ms, until_ms)
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
    figures: dict[str, Any] = {}
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
                "gateway_bytes": resident_bytes(running.pid),
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
    _print(figures)
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
        step = rig.load(running, receivers, filters, rate, min(STEP_S, seconds))
        tried.append(step)
        if step.closed:
            receivers.ask("drop")
            arrive(receivers, running, rig.settings, filters)
        if step.held and step.rate >= FED * rate:
            held = max(held, step.rate)
        else:
            missed = rate
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
            "gateway_bytes": resident_bytes(running.pid),
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


def _print(figures: dict[str, Any]) -> None:
    console = Console(width=max(WIDTH, Console().width))
    loads = [("live", figures["live"])]
    if "idle" in figures:
        loads.append(("idle", figures["idle"]))
    loads += [("highest", step) for step in figures.get("highest", {}).get("tried", ())]
    table = Table(title="live: from the feed's receipt to the client's, ms", title_justify="left")
    for column in (
        "", "clients", "trades/s", "rows/s", "frames/s", "p50", "p99", "max",
        "lost", "doubled", "wrong", "skipped", "cut off",
    ):  # fmt: skip
        table.add_column(column, justify="right" if column else "left")
    for name, load in loads:
        delay = load["latency"]
        table.add_row(
            name,
            f"{load['clients']:,}",
            f"{load['rate']:,.0f}",
            f"{load['rows'] / (load['seconds'] + WARM_S):,.0f}",
            f"{load['frames_per_s']:,.0f}",
            *(f"{delay[part]:,.1f}" for part in _PARTS),
            *(f"{load[part]:,}" for part in ("lost", "doubled", "wrong", "skipped")),
            f"{sum(load['closed'].values()):,}",
        )
    console.print(table)
    table = Table(
        title="processor time, share of a core; mean ms until announced, and from there to the socket",
        title_justify="left",
    )
    for column in ("", "trades/s", *figures["live"]["cpu"], "announced ms", "sent ms"):
        table.add_column(column, justify="right" if column else "left")
    for name, load in loads:
        table.add_row(
            name,
            f"{load['rate']:,.0f}",
            *(f"{share:.0%}" for share in load["cpu"].values()),
            *(f"{load['gateway'][part]:,.1f}" for part in ("index_ms", "send_ms")),
        )
    console.print(table)
    for name, load in loads:
        if "session_bytes" in load:
            console.print(
                f"{name}: {load['session_bytes']:,} bytes a session (resident memory of the gateway), "
                f"{load['clients']:,} connected in {load['connecting_s']:g} s, "
                f"at least {load['heartbeats']} heartbeats each."
            )
    live = figures["live"]
    verdict = "reached" if live["held"] else "missed"
    console.print(
        f"p99 {live['latency']['p99']:.1f} ms at {live['rate']:,.0f} trades/s: goal {GOAL_MS:g} ms {verdict}."
    )
    if "highest" in figures:
        console.print(f"Highest rate held: {figures['highest']['held']:,.0f} trades/s.")
    _print_polling(figures["polling"], console)


def _print_polling(polled: dict[str, Any], console: Console) -> None:
    table = Table(
        title=f"plain design: one FT.SEARCH a user and interval, {polled['users']:,} users, no sockets",
        title_justify="left",
    )
    for column in (
        "",
        "searches/s",
        "rows each",
        "p50 ms",
        "p99 ms",
        "max ms",
        "busy",
        "CPU of Redis",
        "of who asks",
    ):
        table.add_column(column, justify="right" if column else "left")
    for name in ("each_interval", "flat_out"):
        row = polled[name]
        table.add_row(
            f"every {polled['interval_s']:g} s" if name == "each_interval" else "as often as it goes",
            f"{row['per_s']:,.0f}",
            f"{row['rows_per_search']:,.1f}",
            *(f"{row['latency'][part]:,.0f}" if row["latency"]["rows"] else "" for part in _PARTS),
            *(f"{row[part]:.0%}" for part in ("busy", "redis_cpu", "askers_cpu")),
        )
    console.print(table)
    console.print(
        f"The plain design sustains {polled['users_sustained']:,} users at one search every "
        f"{polled['interval_s']:g} s beside {polled['flat_out']['rate']:,.0f} trades a second."
    )
