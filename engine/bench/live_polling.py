"""The plain design beside the stream: one FT.SEARCH a user and interval, for what came since the search before."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from engine.bench.live_receivers import read_tape
from engine.bench.worker import Verbs
from engine.processes.collector import collect_seldom
from engine.search_command import read_reply
from engine.settings import Settings
from engine.store.connect import connect
from schemas import keys
from schemas.filter import Filter
from schemas.filter_query import Query, compile_query

ROWS: Final = 5_000
"""Rows of one answer at most: more than an interval has, so that nothing is left out."""

PIPELINE: Final = 50
"""Searches that are sent together: in so many turns the users of an interval are asked for, evenly spread."""


class Polled(NamedTuple):
    """What a run of searches found."""

    searches: int
    per_s: float
    rows: int
    busy: float
    """Share of the time in which answers were waited for or read."""
    cpu: float
    """Share of a core that this process took."""
    redis_cpu: float
    """Share of a core that Redis took, for everything."""
    delays: list[float]
    """From the feed's receipt to the rows in the process that asked, ms; no client is sent anything."""


class Polling:
    """Some of the users of the plain design, in one process."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def verbs(self) -> Verbs:
        """What a worker of it can be told."""
        return {"poll": self.poll}

    async def poll(
        self, filters: Sequence[Filter], interval_s: float, seconds: float, behind: str, flat_out: bool
    ) -> Polled:
        """Search for each user every `interval_s`, for so long.

        With `flat_out` as often as it goes instead, each time for what an interval has: how many users there could
        be; the same trades are found again and again then, and no delays are taken. `behind` is the tape's end
        before the first trade.
        """
        collect_seldom()
        queries = [compile_query(wanted) for wanted in filters]
        arrived: list[tuple[int, float]] = []
        searches, rows, busy = 0, 0, 0.0
        with connect(self._settings) as client:
            first = self._seq(client)
            shown = [first] * len(filters)
            passed: deque[tuple[float, int]] = deque()
            redis_before, own_before = _cpu(client), time.process_time()
            begun = time.perf_counter()
            while time.perf_counter() - begun < seconds:
                for start in range(0, len(filters), PIPELINE):
                    if not flat_out:
                        due = begun + interval_s * (searches / len(filters))
                        await asyncio.sleep(max(0.0, due - time.perf_counter()))
                    asked = time.perf_counter()
                    seq = self._seq(client)
                    passed.append((asked, seq))
                    while passed[0][0] < asked - interval_s:
                        first = passed.popleft()[1]
                    users = range(start, min(start + PIPELINE, len(filters)))
                    with client.pipeline(transaction=False) as pipe:
                        for user in users:
                            low = first if flat_out else shown[user]
                            query = queries[user].and_between("seq", "seq", low + 1, seq)
                            pipe.execute_command(*self._command(query))
                            shown[user] = seq
                        replies = pipe.execute()
                    now = time.time() * 1000
                    for reply in replies:
                        found = read_reply(reply, self._settings.query_timeout_ms)[1]
                        rows += len(found)
                        if not flat_out:
                            # They are sorted by seq.
                            arrived += [(row.sort_key, now) for row in found]
                    searches += len(users)
                    busy += time.perf_counter() - asked
            elapsed = time.perf_counter() - begun
            redis_cpu, own_cpu = _cpu(client) - redis_before, time.process_time() - own_before
        tape = [] if flat_out else read_tape(self._settings, behind)
        fresh = {announced.trade.seq: announced.trade.received for announced in tape if announced.was is None}
        return Polled(
            searches=searches,
            per_s=round(searches / elapsed, 1),
            rows=rows,
            busy=round(busy / elapsed, 3),
            cpu=round(own_cpu / elapsed, 3),
            redis_cpu=round(redis_cpu / elapsed, 3),
            delays=[now - fresh[seq] for seq, now in arrived if seq in fresh],
        )

    def _command(self, query: Query) -> tuple[str | int, ...]:
        return (
            "FT.SEARCH", keys.index(0), query.text, "WITHSORTKEYS", "RETURN", 1, "$", "SORTBY", "seq", "DESC",
            "LIMIT", 0, ROWS, "TIMEOUT", self._settings.query_timeout_ms, *query.arguments(),
        )  # fmt: skip

    def _seq(self, client: Any) -> int:
        """The newest position."""
        return int(client.hget(keys.clock(0), "seq") or 0)


def _cpu(client: Any) -> float:
    """Processor time that Redis used, seconds."""
    info = client.info("cpu")
    return float(info["used_cpu_user"]) + float(info["used_cpu_sys"])


def polling(settings: Settings) -> Verbs:
    """The verbs of such users."""
    return Polling(settings).verbs()
