"""What Redis tells about the live path when metrics are asked for: backlog, owners, outcomes, documents, memory."""

from __future__ import annotations

import asyncio
import platform
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import redis.asyncio
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from redis.exceptions import RedisError

from engine import __version__
from schemas import keys

READ_S: Final = 1.0
"""How long Redis may take to tell its facts; a scrape then goes out without them."""


@dataclass(frozen=True, slots=True)
class PartitionFacts:
    """One partition."""

    owned: bool
    """Whether an indexer owns it."""
    backlog: int
    """Entries on the prints stream that are not acknowledged."""
    announced: int
    """Trades kept on the tape."""
    documents: int
    """Trades in the search index; 0 also where there is no index."""
    dead: int
    """Entries on the dead stream."""


@dataclass(frozen=True, slots=True, eq=False)
class RedisFacts(Collector):
    """All facts at one time; without `up` there is nothing but how long the attempt took."""

    up: bool
    seconds: float
    memory: int = 0
    """Bytes in use."""
    memory_limit: int = 0
    """Bytes; 0 is none."""
    partitions: tuple[PartitionFacts, ...] = ()
    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Prints by feed and outcome, since the counts began."""

    def collect(self) -> Iterator[Metric]:
        """As metrics."""
        build = GaugeMetricFamily("flowtape_build_info", "1, with the version.", labels=["version", "python"])
        build.add_metric([__version__, platform.python_version()], 1)
        yield build
        yield GaugeMetricFamily("flowtape_redis_up", "Whether Redis told its facts in time.", float(self.up))
        yield GaugeMetricFamily("flowtape_redis_read_seconds", "Time that reading them took.", self.seconds)
        if not self.up:
            return
        yield GaugeMetricFamily("flowtape_redis_memory_bytes", "Memory that Redis uses.", self.memory)
        yield GaugeMetricFamily(
            "flowtape_redis_memory_limit_bytes",
            "Memory that Redis may use; 0 is no limit.",
            self.memory_limit,
        )
        for name, text, attribute in (
            ("indexer_owned", "Whether an indexer owns the partition.", "owned"),
            ("prints_backlog", "Prints that no indexer has acknowledged.", "backlog"),
            ("tape_entries", "Trades kept on the tape.", "announced"),
            ("documents", "Trades in the search index.", "documents"),
            ("dead_entries", "Prints kept that could not be processed.", "dead"),
        ):
            family = GaugeMetricFamily(f"flowtape_{name}", text, labels=["partition"])
            for p, facts in enumerate(self.partitions):
                family.add_metric([str(p)], float(getattr(facts, attribute)))
            yield family
        prints = CounterMetricFamily(
            "flowtape_prints", "Prints of each feed by outcome.", labels=["feed", "outcome"]
        )
        for (feed, outcome), number in sorted(self.outcomes.items()):
            prints.add_metric([feed, outcome], number)
        yield prints


async def read(client: redis.asyncio.Redis, partitions: int) -> RedisFacts:
    """The facts in one round trip, or that Redis did not tell them within READ_S. Never raises for Redis."""
    begun = time.perf_counter()
    try:
        async with asyncio.timeout(READ_S):
            replies = await _ask(client, partitions)
    except (RedisError, OSError):
        # OSError: of sockets, and what a time-out is.
        return RedisFacts(False, time.perf_counter() - begun)
    seconds = time.perf_counter() - begun
    memory = _as_map(replies[0])
    if not memory:
        return RedisFacts(False, seconds)
    told = [replies[i : i + _ASKED] for i in range(1, len(replies), _ASKED)]
    outcomes: Counter[tuple[str, str]] = Counter()
    for *_, counts in told:
        for name, number in _as_map(counts).items():
            feed, _, outcome = name.rpartition(":")
            outcomes[feed, outcome] += int(number)
    return RedisFacts(
        True,
        seconds,
        _number(memory.get("used_memory")),
        _number(memory.get("maxmemory")),
        tuple(_partition(*one[:-1]) for one in told),
        outcomes,
    )


_ASKED: Final = 7
"""Commands a partition."""


async def _ask(client: redis.asyncio.Redis, partitions: int) -> list[Any]:
    async with client.pipeline(transaction=False) as pipe:
        pipe.execute_command("INFO", "memory")
        for p in range(partitions):
            pipe.execute_command("GET", keys.owner(p))
            pipe.execute_command("XLEN", keys.prints(p))
            pipe.execute_command("XINFO", "GROUPS", keys.prints(p))
            pipe.execute_command("XLEN", keys.tape(p))
            pipe.execute_command("FT.INFO", keys.index(p))
            pipe.execute_command("XLEN", keys.dead(p))
            pipe.execute_command("HGETALL", keys.counts(p))
        return await pipe.execute(raise_on_error=False)


def _partition(owner: Any, length: Any, groups: Any, announced: Any, index: Any, dead: Any) -> PartitionFacts:
    return PartitionFacts(
        isinstance(owner, bytes),
        _backlog(groups, _number(length)),
        _number(announced),
        _number(_as_map(index).get("num_docs")),
        _number(dead),
    )


def _backlog(groups: Any, length: int) -> int:
    """What the indexer's group has not acknowledged; the whole stream where there is no group or no count."""
    for group in groups if isinstance(groups, list) else ():
        held = _as_map(group)
        if held.get("name") == keys.INDEXER_GROUP.encode():
            lag = held.get("lag")
            return (length if lag is None else _number(lag)) + _number(held.get("pending"))
    return length


def _as_map(reply: Any) -> dict[str, Any]:
    """A map by its names as texts; nothing for an error."""
    if not isinstance(reply, dict):
        return {}
    return {name.decode() if isinstance(name, bytes) else str(name): value for name, value in reply.items()}


def _number(reply: Any) -> int:
    """A number; 0 for an error or what is not told."""
    return int(float(reply)) if isinstance(reply, int | float | str | bytes) else 0
