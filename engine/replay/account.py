"""The account of a replay: what every row became, what the indexer made of the prints, and whether that adds up."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import redis.asyncio

from engine.replay.player import Rows
from engine.settings import Settings
from schemas import keys
from schemas.errors import FlowtapeError

OUTCOMES = ("indexed", "cancels", "duplicates", "dead")
"""Each print ends in exactly one of these."""

EFFECTS = ("rewritten", "cancels_unmatched", "references")
"""What else a replay may have done."""

POLL_S = 0.05
"""How often the indexer's place is asked for."""

STALL_S = 30.0
"""After this long without anything acknowledged the indexer is taken for dead; a standby takes over within 5 s."""


@dataclass(slots=True)
class Account:
    """What became of one file."""

    file: str
    format: str
    rows: Rows
    expected: int | None = None
    """Rows that the file should have, counted in another way; None where that is not known."""
    passes: int = 0
    published: int = 0
    """Prints that Redis acknowledged, in all passes together."""
    references: int = 0
    seconds: float = 0.0
    interrupted: bool = False
    waited: bool = True
    """The indexer was waited for, so that the outcomes are known."""
    outcomes: Counter[str] = field(default_factory=Counter)

    @property
    def faults(self) -> list[str]:
        """What does not add up, a sentence each; empty where every row is accounted for."""
        found = [] if self.rows.damage is None else [str(self.rows.damage)]
        read = self.rows.total
        if not self.interrupted and self.rows.damage is None and self.expected not in (None, read):
            found.append(f"The file has {self.expected:,} rows, but {read:,} were read.")
        due = self.rows.prints * self.passes
        if not self.interrupted and self.published != due:
            found.append(f"{due:,} prints were to be published, but {self.published:,} were.")
        if self.waited:
            ended = sum(self.outcomes[name] for name in OUTCOMES)
            if ended < self.published:
                found.append(
                    f"{self.published - ended:,} of {self.published:,} prints are unaccounted for: "
                    f"look at `flowtape doctor`."
                )
        return found

    @property
    def surplus(self) -> int:
        """Outcomes beyond what was published: another replay of the format, or a batch that was sent twice."""
        return max(0, sum(self.outcomes[name] for name in OUTCOMES) - self.published) if self.waited else 0

    def as_dict(self) -> dict[str, Any]:
        """The account for programs."""
        return {
            "file": self.file,
            "format": self.format,
            "rows": self.rows.total,
            "prints": self.rows.prints,
            "references": self.rows.references,
            "rejected": dict(self.rows.rejects),
            "skipped": dict(self.rows.skipped),
            "passes": self.passes,
            "published": self.published,
            "outcomes": {name: self.outcomes[name] for name in (*OUTCOMES, *EFFECTS)}
            if self.waited
            else None,
            "surplus": self.surplus,
            "faults": self.faults,
            "interrupted": self.interrupted,
            "seconds": round(self.seconds, 3),
        }

    def as_text(self) -> str:
        """The account for people."""
        rows = self.rows
        lines = [f"{self.file} ({self.format})"]

        def add(name: str, count: int, note: str = "") -> None:
            lines.append(f"  {name:<18}{count:>12,}{'  ' + note if note else ''}")

        add("rows", rows.total)
        add("prints", rows.prints)
        add("references", rows.references)
        add("skipped", rows.skipped.total(), _named(rows.skipped))
        add("rejected", rows.rejects.total(), _named(rows.rejects))
        rate = f"in {self.seconds:.1f} s, {self.published / max(self.seconds, 1e-3):,.0f}/s"
        add("published", self.published, rate if self.passes <= 1 else f"{rate}, {self.passes} passes")
        if self.waited:
            for name in OUTCOMES:
                add(name, self.outcomes[name])
            for name in EFFECTS[:2]:
                if self.outcomes[name]:
                    add(name.replace("_", " "), self.outcomes[name])
        if self.interrupted:
            lines.append("Stopped before the end.")
        if self.surplus:
            lines.append(
                f"{self.surplus:,} outcomes more than prints: another replay of {self.format} runs, "
                "or a batch was sent twice."
            )
        if not self.waited:
            lines.append("Indexing is left to others.")
        elif not self.faults:
            lines.append("Every row is accounted for.")
        return "\n".join(lines)


def _named(counts: Counter[str]) -> str:
    return "; ".join(f"{reason}: {count:,}" for reason, count in counts.most_common())


async def outcomes(client: redis.asyncio.Redis, settings: Settings, feed: str) -> Counter[str]:
    """How often each outcome was reached by the prints of a feed, ever."""
    found: Counter[str] = Counter()
    for p in range(settings.partitions):
        counts: dict[Any, Any] = await client.hgetall(keys.counts(p))
        for field_name, count in counts.items():
            of, _, outcome = field_name.decode().rpartition(":")
            if of == feed:
                found[outcome] += int(count)
    return found


async def acknowledged(
    client: redis.asyncio.Redis,
    settings: Settings,
    stopping: asyncio.Event,
    on_left: Callable[[int], None],
    stall_s: float = STALL_S,
) -> bool:
    """Wait until the indexer has acknowledged all that is on the prints streams now; whether it has.

    `on_left` is told how many entries are left. False where it was told to stop. Raises FlowtapeError where
    nothing at all is acknowledged for `stall_s` seconds.
    """
    ends = [await _end(client, p) for p in range(settings.partitions)]
    loop = asyncio.get_running_loop()
    place, since = None, loop.time()
    while True:
        now = [await _place(client, p, end) for p, end in enumerate(ends)]
        left = sum(entries for _, _, entries in now)
        on_left(left)
        if left == 0:
            return True
        if stopping.is_set():
            return False
        if now != place:
            place, since = now, loop.time()
        elif loop.time() - since > stall_s:
            raise FlowtapeError(
                f"Nothing was acknowledged for {stall_s:.0f} s and {left:,} prints are left.",
                "`flowtape doctor` says what is wrong; another indexer may hold the partition and hang.",
            )
        await asyncio.sleep(POLL_S)


_Id = tuple[int, int]


def _id(text: bytes) -> _Id:
    ms, _, number = text.partition(b"-")
    return int(ms), int(number or 0)


def _named_fields(reply: Any) -> dict[bytes, Any]:
    found = reply if isinstance(reply, dict) else dict(zip(reply[::2], reply[1::2], strict=True))
    return {name if isinstance(name, bytes) else str(name).encode(): value for name, value in found.items()}


async def _end(client: redis.asyncio.Redis, p: int) -> _Id:
    """The id of the last entry ever added to the prints stream."""
    if not await client.exists(keys.prints(p)):
        return 0, 0
    return _id(_named_fields(await client.xinfo_stream(keys.prints(p)))[b"last-generated-id"])


async def _place(client: redis.asyncio.Redis, p: int, end: _Id) -> tuple[_Id, int, int]:
    """How far the group has read, what it has not acknowledged, and how much up to `end` is left by that."""
    if end == (0, 0):
        return end, 0, 0
    for reply in await client.xinfo_groups(keys.prints(p)):
        group = _named_fields(reply)
        if group[b"name"] != keys.INDEXER_GROUP.encode():
            continue
        delivered, pending = _id(group[b"last-delivered-id"]), int(group[b"pending"])
        if delivered < end:
            # After a trim Redis may not know how far behind the group is: then at least one entry is.
            return delivered, pending, pending + max(1, int(group[b"lag"] or 0))
        if not pending:
            return delivered, 0, 0
        oldest = _id((await client.xpending(keys.prints(p), keys.INDEXER_GROUP))["min"] or b"0-0")
        return delivered, pending, pending if (0, 0) < oldest <= end else 0
    return (0, 0), 0, max(1, int(await client.xlen(keys.prints(p))))
