"""Counts what is sent in plain numbers, and hands them to the metrics once a second."""

from __future__ import annotations

import time
from collections.abc import Sequence

from engine.gateway.announced import Announced
from engine.metrics import GatewayMetrics
from engine.tracing import Tracing


class Meter:
    """The figures of one gateway that grow with every frame."""

    def __init__(self, metrics: GatewayMetrics, tracing: Tracing) -> None:
        self.metrics = metrics
        self._tracing = tracing
        self.rows = 0
        self.skipped = 0
        self.frames = 0
        self.bytes = 0
        self.conflations = 0
        self.trades = 0
        self.matches = 0
        self._passed_over = 0

    def passed_over(self, entries: int) -> None:
        """So many entries of the tape could not be read, since the gateway runs."""
        if entries > self._passed_over:
            self.metrics.tape_unreadable.inc(entries - self._passed_over)
            self._passed_over = entries

    def announced(self, found: Sequence[Announced]) -> None:
        """Trades were read from the tape."""
        self.trades += len(found)
        for announced in found:
            # A rewritten trade was received long before what rewrote it.
            if announced.was is None and announced.offset is not None:
                late = (announced.offset.ms - announced.trade.received) / 1000
                self.metrics.print_to_index.observe_many(late)

    def pushed(self, rows: Sequence[Announced], matched_ns: int) -> None:
        """A batch of announced trades was handed to the sockets of its group; `matched_ns` is when it was matched."""
        now_ns = time.time_ns()
        now_ms = now_ns / 1e6
        fresh = [announced for announced in rows if announced.was is None and announced.offset is not None]
        self.metrics.batch_rows.observe_many(len(rows))
        self.metrics.print_to_send.observe_since((a.trade.received for a in fresh), now_ms)
        self.metrics.index_to_send.observe_since((a.offset.ms for a in fresh if a.offset), now_ms)
        if fresh and self._tracing.enabled:
            oldest = fresh[-1]
            assert oldest.offset is not None
            self._tracing.batch(
                oldest.trade.received, oldest.offset.ms, matched_ns, now_ns, {"flowtape.rows": len(rows)}
            )

    def polled(self, rows: Sequence[Announced]) -> None:
        """A batch that a search found was handed to the sockets of its group."""
        self.metrics.batch_rows.observe_many(len(rows))

    def flush(self) -> None:
        """Hand everything on."""
        m = self.metrics
        for counter, amount in (
            (m.rows_sent, self.rows),
            (m.rows_skipped, self.skipped),
            (m.frames, self.frames),
            (m.bytes, self.bytes),
            (m.conflations, self.conflations),
            (m.tape_trades, self.trades),
            (m.matches, self.matches),
        ):
            if amount:
                counter.inc(amount)
        self.rows = self.skipped = self.frames = self.bytes = 0
        self.conflations = self.trades = self.matches = 0
