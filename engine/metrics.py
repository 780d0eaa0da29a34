"""What a gateway measures about itself: Prometheus metrics, cheap enough for every trade and every batch.

docs/metrics.md lists all of them, with what an observation costs. Several workers on one port share their numbers
through files (engine/metrics_workers.py): then the scrape of any of them answers for all.
"""

from __future__ import annotations

import asyncio
import os
import time
from bisect import bisect_left
from collections.abc import Iterable
from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from typing import Final, Generic, TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import generate_latest
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from engine.metrics_workers import WorkerFiles
from schemas.messages import CloseCode, ErrorCode
from schemas.tier import TIERS, Delivery

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
"""Of what `GatewayMetrics.text` gives."""

LATENCY_BUCKETS: Final = (
    0.001, 0.002, 0.005, 0.01, 0.015, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0,
)  # fmt: skip
"""Seconds; closest below 0.1, where the goals are."""

QUERY_BUCKETS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
"""Seconds."""

ROW_BUCKETS: Final = (1, 2, 5, 10, 20, 50, 100, 200, 500)

OTHER: Final = "other"
"""Label of everything that has no label of its own: what clients send makes no new series."""

FLUSH_S: Final = 1.0
"""Between two flushes of `GatewayMetrics.run`: other workers' scrapes are behind by this at most."""

CLIENT_CLOSES: Final = (1000, 1001, 1005, 1006, 1009, 1011, 1012)
"""Close codes of the WebSocket protocol itself that occur: the client's own, a lost line, ours on a failure."""

OPERATIONS: Final = ("hello", "subscribe", "unsubscribe", "history", "ping")


class QueryKind(StrEnum):
    """What a search was for."""

    SNAPSHOT = "snapshot"
    PAGE = "page"
    POLL = "poll"
    STATS = "stats"
    TRADES = "trades"


class Refusal(StrEnum):
    """Why a connection or a request was refused."""

    ORIGIN = "origin"
    TOKEN = "token"  # noqa: S105
    EXPIRED = "expired"
    HELLO = "hello"
    """No `hello` came in time."""
    SUBPROTOCOL = "subprotocol"
    BAD_MESSAGE = "bad_message"
    MESSAGES = "messages"
    CONNECTIONS = "connections"
    DRAINING = "draining"


class Resume(StrEnum):
    """How a client that came back with a position was answered."""

    RECOVERED = "recovered"
    SNAPSHOT_EPOCH = "snapshot_epoch"
    SNAPSHOT_TRIMMED = "snapshot_trimmed"
    SNAPSHOT_TOO_FAR = "snapshot_too_far"
    SNAPSHOT_OTHER = "snapshot_other"
    """The position was none, or of another filter or tier."""


class TallyHistogram(Histogram):
    """A histogram whose observations are plain additions until `flush` hands them on.

    For one thread: the one that adds also flushes.
    """

    def _metric_init(self) -> None:
        super()._metric_init()
        self._counts = [0] * len(self._upper_bounds)
        self._total = 0.0

    def observe_many(self, value: float, count: int = 1) -> None:
        """Count `count` observations of one value. A negative one, of clocks that differ, counts as zero."""
        if value < 0:
            value = 0.0
        self._counts[bisect_left(self._upper_bounds, value)] += count
        self._total += value * count

    def observe_since(self, begun_ms: Iterable[int], now_ms: float) -> None:
        """Count the seconds from each of some times to now, all unix ms."""
        bounds, counts, total = self._upper_bounds, self._counts, 0.0
        for begun in begun_ms:
            seconds = (now_ms - begun) / 1000 if begun < now_ms else 0.0
            counts[bisect_left(bounds, seconds)] += 1
            total += seconds
        self._total += total

    def flush(self) -> None:
        """Hand on what was added since the last flush."""
        for i, count in enumerate(self._counts):
            if count:
                self._buckets[i].inc(count)
                self._counts[i] = 0
        if self._total:
            self._sum.inc(self._total)
            self._total = 0.0


Metric = TypeVar("Metric", bound=MetricWrapperBase)


class Labelled(Generic[Metric]):
    """One metric a label, all made beforehand; whatever is not among them counts as `other`."""

    def __init__(self, parent: Metric, labels: Iterable[object]) -> None:
        self._children: dict[object, Metric] = {label: parent.labels(str(label)) for label in labels}
        self._other: Metric = parent.labels(OTHER)

    def __getitem__(self, label: object) -> Metric:
        return self._children.get(label, self._other)

    def all(self) -> list[Metric]:
        """Every one, `other` last."""
        return [*self._children.values(), self._other]


class GatewayMetrics:
    """All metrics of one gateway; histograms take `observe_many`, labelled ones are indexed by their label.

    Seconds and bytes throughout. Made once a process: with `files`, the workers that share them share the numbers.
    """

    def __init__(self, tiers: Iterable[str] = TIERS, files: WorkerFiles | None = None) -> None:
        if files is not None:
            files.claim()
        self.registry = registry = CollectorRegistry()
        self._files = files

        def histogram(name: str, text: str, buckets: Iterable[float], *labels: str) -> TallyHistogram:
            return TallyHistogram(
                f"flowtape_{name}", text, labels, registry=registry, buckets=tuple(map(float, buckets))
            )

        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(f"flowtape_{name}", text, labels, registry=registry)

        def summed(name: str, text: str, *labels: str) -> Gauge:
            return Gauge(f"flowtape_{name}", text, labels, registry=registry, multiprocess_mode="livesum")

        def worst(name: str, text: str) -> Gauge:
            return Gauge(f"flowtape_{name}", text, registry=registry, multiprocess_mode="livemax")

        self.print_to_index = histogram(
            "print_to_index_seconds",
            "From receipt of a print to its announcement on the tape.",
            LATENCY_BUCKETS,
        )
        self.index_to_send = histogram(
            "index_to_send_seconds",
            "From announcement of a trade to handing its row to the sockets.",
            LATENCY_BUCKETS,
        )
        self.print_to_send = histogram(
            "print_to_send_seconds",
            "From receipt of a print to handing its row to the sockets.",
            LATENCY_BUCKETS,
        )
        query = histogram("query_seconds", "Time of a search, by what it was for.", QUERY_BUCKETS, "kind")
        self.query = Labelled(query, QueryKind)
        self.batch_rows = histogram("batch_rows", "Rows of a batch, once a group.", ROW_BUCKETS)

        self.tape_lag = worst("tape_lag_seconds", "How long ago the whole tape was last known to be read.")
        self.loop_lag = worst("loop_lag_seconds", "How late the event loop woke a sleeper.")
        self.overload_step = worst("overload_step", "Step by which intervals are stretched; 0 is none.")
        self.sessions = Labelled(summed("sessions", "Open sessions by tier.", "tier"), tiers)
        self.groups = Labelled(
            summed("groups", "Distinct filters followed, by delivery.", "delivery"), Delivery
        )
        self.subscriptions = summed("subscriptions", "Subscriptions of all sessions.")
        self.workers = summed("workers", "Gateways behind these numbers.")
        self.workers.set(1)
        self._memory = summed(
            "memory_bytes", "Resident memory of the gateways; 0 where the system does not tell."
        )
        self._processor = counter("cpu_seconds", "Processor time of the gateways.")
        self._processor_told = 0.0

        self.tape_trades = counter("tape_trades", "Trades read from the tape, by each gateway.")
        self.tape_unreadable = counter(
            "tape_unreadable", "Entries of the tape that could not be read and were passed over."
        )
        self.matches = counter("matches", "Trades that passed a filter, once a group.")
        self.rows_sent = counter("rows_sent", "Rows handed to sockets, once a session.")
        self.rows_skipped = counter("rows_skipped", "Matching rows left out of full batches, once a session.")
        self.frames = counter("frames", "Frames handed to sockets.")
        self.bytes = counter("sent_bytes", "Bytes of the frames handed to sockets.")
        self.conflations = counter("conflations", "Batches made of several because a client was slow.")
        self.source_outages = counter("source_outages", "Times that Redis stopped answering.")
        self.closes = Labelled(
            counter("closes", "Sessions that ended, by close code.", "code"),
            (*map(int, CloseCode), *CLIENT_CLOSES),
        )
        self.errors = Labelled(counter("errors", "Error messages sent, by code.", "code"), ErrorCode)
        self.refused = Labelled(counter("refused", "Refusals, by reason.", "reason"), Refusal)
        self.resumes = Labelled(counter("resumes", "Clients that came back, by outcome.", "outcome"), Resume)
        self.messages = Labelled(counter("messages", "Messages of clients, by operation.", "op"), OPERATIONS)

        self._tallies = [
            self.print_to_index, self.index_to_send, self.print_to_send, self.batch_rows, *self.query.all(),
        ]  # fmt: skip

    def flush(self) -> None:
        """Hand on what the histograms hold. On the thread that observes."""
        for tally in self._tallies:
            tally.flush()

    async def run(self) -> None:
        """Flush, and measure how late the event loop is, until cancelled."""
        clock = asyncio.get_running_loop().time
        while True:
            due = clock() + FLUSH_S
            await asyncio.sleep(FLUSH_S)
            self.loop_lag.set(max(0.0, clock() - due))
            self.flush()
            self._weigh()

    def _weigh(self) -> None:
        spent = time.process_time()
        self._processor.inc(spent - self._processor_told)
        self._processor_told = spent
        with suppress(OSError):
            pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
            self._memory.set(pages * os.sysconf("SC_PAGESIZE"))

    def text(self, *more: Collector) -> bytes:
        """All metrics of this gateway and of the workers beside it, then those of `more`; call `flush` before.

        Reads files where there are several workers; may run on another thread.
        """
        registry = self.registry
        if self._files is not None:
            registry = CollectorRegistry()
            MultiProcessCollector(registry, path=str(self._files.folder))  # type: ignore[no-untyped-call]
        found = generate_latest(registry)
        for collector in more:
            one = CollectorRegistry()
            one.register(collector)
            found += generate_latest(one)
        return found
