"""What a running Flowtape measures about itself, read from Redis: rates, lag, memory, documents, outcomes."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import redis
from redis.exceptions import RedisError

from schemas import keys


@dataclass(frozen=True, slots=True)
class Reading:
    """All gauges at one time. Counts are since the streams began, unless the name says otherwise."""

    at: float
    """The reader's clock, seconds."""
    appended: int = 0
    """Entries ever put on the prints streams."""
    announced: int = 0
    """Trades ever put on the tapes, rewritten ones again."""
    behind: int = 0
    """Entries on the prints streams that the indexer has not acknowledged."""
    documents: int = 0
    """Trades in the search index now."""
    memory: int = 0
    """Bytes that Redis uses."""
    memory_empty: int = 0
    """Bytes that it used when it had started, without data."""
    dead: int = 0
    """Entries on the dead streams now."""
    outcomes: Counter[str] = field(default_factory=Counter)
    """Prints by outcome, of all feeds, since the counts began."""

    @property
    def bytes_a_trade(self) -> int | None:
        """Memory for each document with all that belongs to it; None while there are too few to tell."""
        if self.documents < 1_000:
            return None
        return max(0, self.memory - self.memory_empty) // self.documents


@dataclass(frozen=True, slots=True)
class Rates:
    """How fast two readings lie apart, a second."""

    appended: float = 0.0
    announced: float = 0.0


def rates(before: Reading | None, now: Reading) -> Rates:
    """The rates between two readings; zero where Redis began anew between them."""
    if before is None or now.at <= before.at:
        return Rates()
    seconds = now.at - before.at
    return Rates(
        max(0, now.appended - before.appended) / seconds, max(0, now.announced - before.announced) / seconds
    )


def read(client: redis.Redis, partitions: int, at: float) -> Reading:
    """Read all gauges in one round trip. Raises redis errors of the connection; absent keys count as nothing."""
    with client.pipeline(transaction=False) as pipe:
        pipe.execute_command("INFO", "memory")
        for p in range(partitions):
            pipe.execute_command("XINFO", "STREAM", keys.prints(p))
            pipe.execute_command("XINFO", "STREAM", keys.tape(p))
            pipe.execute_command("XINFO", "GROUPS", keys.prints(p))
            pipe.execute_command("FT.INFO", keys.index(p))
            pipe.execute_command("XLEN", keys.dead(p))
            pipe.execute_command("HGETALL", keys.counts(p))
        replies = pipe.execute(raise_on_error=False)
    memory = _as_map(replies[0])
    appended = announced = behind = documents = dead = 0
    outcomes: Counter[str] = Counter()
    for p in range(partitions):
        prints, tape, groups, index, dead_length, counts = replies[1 + 6 * p : 7 + 6 * p]
        in_all = _number(_as_map(prints), "entries-added")
        appended += in_all
        announced += _number(_as_map(tape), "entries-added")
        behind += _backlog(groups, _number(_as_map(prints), "length"))
        documents += _number(_as_map(index), "num_docs")
        dead += dead_length if isinstance(dead_length, int) else 0
        for name, number in _as_map(counts).items():
            outcomes[name.rpartition(":")[2]] += int(number)
    return Reading(
        at=at,
        appended=appended,
        announced=announced,
        behind=behind,
        documents=documents,
        memory=_number(memory, "used_memory"),
        memory_empty=_number(memory, "used_memory_startup"),
        dead=dead,
        outcomes=outcomes,
    )


def _backlog(groups: Any, length: int) -> int:
    """Entries the indexer's group has not acknowledged; the whole stream where Redis cannot tell its lag."""
    if isinstance(groups, RedisError):
        return 0
    for group in groups:
        held = _as_map(group)
        if _text(held.get("name")) == keys.INDEXER_GROUP:
            lag = held.get("lag")
            return (length if lag is None else int(lag)) + int(held.get("pending") or 0)
    return length


def _as_map(reply: Any) -> dict[str, Any]:
    """A reply that is a map, or a flat list of names and values, by name; nothing for an error."""
    if isinstance(reply, dict):
        return {_text(name): value for name, value in reply.items()}
    if isinstance(reply, list):
        return {_text(name): value for name, value in zip(reply[::2], reply[1::2], strict=False)}
    return {}


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _number(held: dict[str, Any], name: str) -> int:
    value = held.get(name, 0)
    return int(float(value)) if value is not None else 0
