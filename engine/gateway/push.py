"""Delivery of push tiers: each announced trade is matched once against all filters, the first is sent at once."""

from __future__ import annotations

import time

from engine.gateway.announced import Announced
from engine.gateway.frames import Batch
from engine.gateway.meter import Meter
from engine.gateway.schedule import Schedule
from engine.gateway.subscription import POSITION_S, Group
from engine.match import FilterIndex
from schemas.stream_position import StreamPosition


class Push:
    """All groups of push tiers."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter
        self._matched_ns = 0
        self._index = FilterIndex()
        self._groups: dict[int, Group] = {}
        self._touched: dict[Group, None] = {}
        self.schedule = Schedule()

    def join(self, group: Group) -> None:
        """Match a group's filter from now on."""
        group.slot = self._index.add(group.filter)
        self._groups[group.slot] = group

    def leave(self, group: Group) -> None:
        """No longer."""
        self._index.remove(group.slot)
        del self._groups[group.slot]
        self._touched.pop(group, None)

    def match(self, announced: Announced) -> None:
        """Note a trade for every group whose filter it passes, or passed before."""
        groups, touched = self._groups, self._touched
        slots = self._index.match(announced.trade)
        for slot in slots:
            group = groups[slot]
            group.pending.add(announced)
            touched[group] = None
        if announced.was is not None:
            for slot in set(self._index.match(announced.was)).difference(slots):
                group = groups[slot]
                group.withdraw(announced)
                touched[group] = None
        self._meter.matches += len(slots)

    def flush(self, now: float, position: StreamPosition, factor: float) -> None:
        """Send what was matched to the groups that may send; the others are scheduled. `now` is loop time."""
        pos = ""
        self._matched_ns = time.time_ns()
        for group in self._touched:
            if group.next_at > now:
                self.schedule.put(group)
            elif group.pending:
                pos = pos or position.text()
                self._send(group, now, pos, factor)
        self._touched.clear()

    def flush_due(self, now: float, position: StreamPosition, factor: float) -> None:
        """Send to the groups whose interval is over."""
        pos = ""
        for group in self.schedule.due(now):
            if group.pending:
                pos = pos or position.text()
                self._send(group, now, pos, factor)

    def tell_position(self, now: float, position: StreamPosition) -> None:
        """An empty batch for groups that were not told a position for long, where it has changed."""
        text = position.text()
        for group in self._groups.values():
            pos = text + group.mark
            if now - group.positioned_at >= POSITION_S and not group.pending and group.shown_to != pos:
                group.send(Batch((), 0, (), pos), now)

    def clear(self) -> None:
        """Forget what waits: the tape began anew."""
        self._touched.clear()
        for group in self._groups.values():
            group.pending.clear()

    def _send(self, group: Group, now: float, pos: str, factor: float) -> None:
        rows, skipped, gone = group.pending.take()
        group.send(Batch(rows, skipped, gone, pos + group.mark), now)
        group.next_at = now + factor * group.tier.interval_ms / 1000
        self._meter.pushed(rows, self._matched_ns)
