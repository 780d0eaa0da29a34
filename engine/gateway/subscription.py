"""Subscriptions, and the groups in which those of equal filter and tier share one match and one batch."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, NamedTuple

from engine.gateway.announced import Announced
from engine.gateway.frames import Batch
from engine.gateway.pending import Pending
from schemas.filter import Filter
from schemas.stream_position import StreamPosition, mark_of
from schemas.tier import Tier

if TYPE_CHECKING:
    from engine.gateway.session import Session


POSITION_S: Final = 30.0
"""A group without trades is told the position this often, so that its clients can resume."""


class Group:
    """All subscriptions of one filter in the same tier."""

    __slots__ = (
        "after", "failing", "filter", "mark", "members", "next_at", "pending", "positioned_at", "scheduled", "shown_to",
        "slot", "tier",
    )  # fmt: skip

    def __init__(self, wanted: Filter, tier: Tier, after: StreamPosition, now: float) -> None:
        self.filter = wanted
        self.tier = tier
        self.mark = mark_of(wanted.key)
        """What its positions end with."""
        self.members: dict[Subscription, None] = {}
        self.pending = Pending(tier.rows)
        self.slot = -1
        """Its place in the index of filters."""
        self.next_at = 0.0
        """Time of the event loop from which it may send again, seconds."""
        self.scheduled = False
        self.positioned_at = now
        """When its members were last told a position."""
        self.after = after
        """Poll: up to here its searches have come, with the newest exchange time shown."""
        self.failing = False
        """Poll: whether its last search failed."""
        self.shown_to: str = after.text(self.mark)
        """The position that its members were last told."""

    @property
    def key(self) -> tuple[str, Tier]:
        """What equal groups share."""
        return self.filter.key, self.tier

    def withdraw(self, announced: Announced) -> None:
        """A trade left the filter; where so many did that a batch cannot say it, all members get a new snapshot."""
        self.pending.withdraw(announced)
        if self.pending.overflowed:
            self.pending.clear()
            for member in self.members:
                member.begin_anew(member)

    def send(self, batch: Batch, now: float) -> None:
        """Give a batch to all members."""
        self.positioned_at = now
        self.shown_to = batch.pos
        for member in self.members:
            member.deliver(batch, now)


class Saved(NamedTuple):
    """The saved channel that a subscription is of."""

    key: str
    link: str
    """The link id by which it was subscribed; empty for the user's own."""


class Snapshot(NamedTuple):
    """What history goes back from."""

    pos: str
    before: str | None
    """The cursor below its rows."""
    more: bool
    """False where it reached the oldest trade."""


class Subscription:
    """One client's interest under a name of its own."""

    __slots__ = (
        "begin_anew", "channel", "group", "held", "held_pos", "loading", "name", "rows", "session", "snapshot",
        "task",
    )  # fmt: skip

    def __init__(
        self,
        session: Session,
        name: str,
        group: Group,
        rows: int,
        channel: Saved | None,
        begin_anew: Callable[[Subscription], None],
    ) -> None:
        self.session = session
        self.name = name
        self.group = group
        self.rows = rows
        """Rows of its snapshots."""
        self.channel = channel
        self.loading = True
        """Its snapshot, or what it missed, is still to be sent: batches are held until then."""
        self.held: Pending | None = None
        """What could not be sent yet."""
        self.held_pos = ""
        self.snapshot: Snapshot | None = None
        """Its last snapshot on this connection."""
        self.task: asyncio.Task[None] | None = None
        self.begin_anew = begin_anew
        """Sends a new snapshot in place of all that is held."""

    def deliver(self, batch: Batch, now: float) -> None:
        """Send a batch, or hold what is in it: the newest rows of all that is held are sent later."""
        if self.loading or self.held is not None or self.session.clogged_since is not None:
            if self.held is None:
                self.held = Pending(self.group.tier.rows)
                self.session.holds(self)
            self.held.absorb(batch.rows, batch.skipped, batch.gone)
            self.held_pos = batch.pos
            if self.held.overflowed:
                self.begin_anew(self)
        else:
            self.session.send_batch(self, batch, now)

    def release(self) -> None:
        """Send what is held, if the client can take it and has its snapshot."""
        if self.held is None or self.loading or self.session.clogged:
            return
        held, self.held = self.held, None
        rows, skipped, gone = held.take()
        self.session.send_batch(self, Batch(rows, skipped, gone, self.held_pos))

    def forget_held(self) -> None:
        """What is held is of no use any more: a snapshot follows."""
        self.held = None
