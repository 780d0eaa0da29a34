"""The clients of `bench live`: they keep what comes, and hold it against the tape when they are told to."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from engine.bench.live_check import Checked, check
from engine.bench.stream_receivers import Receivers
from engine.bench.worker import Verbs
from engine.gateway.announced import Announced, read_entry
from engine.settings import Settings
from engine.store.connect import connect
from schemas import keys
from schemas.filter import Filter

READ_COUNT: Final = 5_000
"""Announcements that are read from the tape at once."""


def live_receivers(settings: Settings) -> Verbs:
    """The verbs of clients that keep what comes."""
    receivers = Receivers(keep=True)

    async def checked(
        filters: Sequence[Filter], behind: str, since_ms: float, until_ms: float, every: int
    ) -> Checked:
        """Check what came since the last check against the tape behind an entry, as `check` does; forget it."""
        # Raises where more came than was kept.
        await receivers.mark()
        kept, receivers.kept = receivers.kept, []
        receivers.bytes = 0

        def work() -> Checked:
            return check(kept, filters, read_tape(settings, behind), since_ms, until_ms, every)

        # Beside the event loop: pings must be answered meanwhile.
        return await asyncio.to_thread(work)

    return {**receivers.verbs(), "check": checked}


def read_tape(settings: Settings, behind: str) -> list[Announced]:
    """All announcements behind an entry of the tape."""
    found: list[Announced] = []
    with connect(settings) as client:
        while True:
            entries = client.xrange(keys.tape(0), f"({behind}", count=READ_COUNT)
            found += [read_entry(0, entry_id, fields) for entry_id, fields in entries]
            if len(entries) < READ_COUNT:
                return found
            behind = entries[-1][0].decode()
