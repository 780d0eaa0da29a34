"""What a Redis must be for Flowtape: judges the facts gathered about one and says what to change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from schemas import keys

MINIMUM_REDIS = (7, 2)
MINIMUM_SEARCH = (2, 8)
MINIMUM_JSON = (2, 6)
"""Oldest versions whose commands are all that Flowtape uses; Redis 8 numbers its modules like itself."""

SLOW_P99_MS = 5.0
"""From here a batch waits longer for the network than Redis works on it."""

FAR_P50_MS = 1.0
"""From here Redis is not in the same network."""

FULL_SHARE, CROWDED_SHARE = 0.9, 0.7
"""Shares of maxmemory from which writes will soon be refused, and from which to think about it."""


class Verdict(StrEnum):
    """What a finding asks of whoever reads it."""

    OK = "ok"
    NOTE = "note"
    CHANGE = "change"


@dataclass(frozen=True, slots=True)
class Finding:
    """One check: what was found, and what to do where it is not as it should be."""

    check: str
    verdict: Verdict
    found: str
    advice: str = ""


@dataclass(frozen=True, slots=True)
class Partition:
    """What one partition looks like."""

    number: int
    index: str
    """`fits`, `absent`, or what differs."""
    documents: int = 0
    index_failures: int = 0
    """Documents that the index could not take."""
    owner: str = ""
    """Name of the indexer that owns it, empty where none does."""
    unread: int | None = 0
    """Prints that no indexer has read; None where Redis cannot tell."""
    pending: int = 0
    """Prints read but not yet acknowledged."""
    dead: int = 0
    """Entries of the dead stream."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What a Redis says of itself; None where it does not say."""

    version: str
    cluster: bool
    replica: bool
    search: bool
    search_version: str | None
    json: bool
    json_version: str | None
    search_on_timeout: str | None
    used_memory: int
    """Bytes."""
    maxmemory: int
    """Bytes, 0 where there is no limit."""
    policy: str
    append_only: bool
    append_sync: str | None
    snapshots: str | None
    """The `save` setting, empty where snapshots are off."""
    last_write_ok: bool
    latency_ms: tuple[float, ...]
    """Round trips of pings."""
    partitions: tuple[Partition, ...] = ()
    backlog_limit: int = 500_000


def judge(facts: Facts) -> list[Finding]:
    """All findings, in the order in which things should be set right."""
    found = [
        _version(facts),
        _role(facts),
        _search(facts),
        _json(facts),
        _search_timeout(facts),
        _policy(facts),
        _memory(facts),
        _persistence(facts),
        _latency(facts),
    ]
    if facts.search:
        found.append(_index(facts.partitions))
    found += [_backlog(facts), _dead(facts.partitions)]
    return [finding for finding in found if finding is not None]


def must_change(findings: Sequence[Finding]) -> bool:
    """Whether anything has to be changed before this Redis should be used."""
    return any(finding.verdict is Verdict.CHANGE for finding in findings)


def percentile(values: Sequence[float], share: float) -> float:
    """The value that `share` of all are at or below; 0.0 of none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


def _number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:2] if part.isdigit())


def _text(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))


def _version(facts: Facts) -> Finding:
    if _number(facts.version) < MINIMUM_REDIS:
        return Finding(
            "version",
            Verdict.CHANGE,
            f"Redis {facts.version}",
            f"Use Redis {_text(MINIMUM_REDIS)} or newer; Redis 8 has search and JSON built in.",
        )
    return Finding("version", Verdict.OK, f"Redis {facts.version}{', cluster' if facts.cluster else ''}")


def _role(facts: Facts) -> Finding | None:
    if not facts.replica:
        return None
    return Finding(
        "role", Verdict.CHANGE, "a replica", "Name its primary in FLOWTAPE_REDIS_URL: replicas refuse writes."
    )


def _search(facts: Facts) -> Finding:
    return _module("search", facts.search, facts.search_version, MINIMUM_SEARCH, "FT.SEARCH")


def _json(facts: Facts) -> Finding:
    return _module("JSON", facts.json, facts.json_version, MINIMUM_JSON, "JSON.SET")


def _module(name: str, present: bool, version: str | None, minimum: tuple[int, ...], command: str) -> Finding:
    if not present:
        return Finding(
            name,
            Verdict.CHANGE,
            f"absent: {command} is unknown",
            "Use Redis 8, Redis Stack or Redis Enterprise with this module, or unset FLOWTAPE_REDIS_URL.",
        )
    if version is not None and _number(version) < minimum:
        return Finding(
            name, Verdict.CHANGE, version, f"Use {_text(minimum)} or newer; Redis 8 has it built in."
        )
    return Finding(name, Verdict.OK, version or "present, version not told")


def _search_timeout(facts: Facts) -> Finding | None:
    name = "search on-timeout"
    if not facts.search:
        return None
    if facts.search_on_timeout is None:
        return Finding(
            name,
            Verdict.NOTE,
            "not told",
            "See that it is `fail`: else a slow search answers in part, silently.",
        )
    if facts.search_on_timeout == "fail":
        return Finding(name, Verdict.OK, "fail")
    old = _number(facts.version) < (8,)
    command = "FT.CONFIG SET ON_TIMEOUT FAIL" if old else "CONFIG SET search-on-timeout fail"
    keep = "`ON_TIMEOUT FAIL` after its loadmodule" if old else "`search-on-timeout fail` in redis.conf"
    return Finding(
        name,
        Verdict.CHANGE,
        f"{facts.search_on_timeout}: a slow search answers in part, silently",
        f"Run `{command}`, and put {keep}.",
    )


def _policy(facts: Facts) -> Finding:
    if facts.policy == "noeviction":
        return Finding("memory policy", Verdict.OK, "noeviction")
    return Finding(
        "memory policy",
        Verdict.CHANGE,
        f"{facts.policy}: a full Redis drops streams and trades, silently",
        "Run `CONFIG SET maxmemory-policy noeviction` and `CONFIG REWRITE`.",
    )


def _memory(facts: Facts) -> Finding:
    used = f"{facts.used_memory / 1e6:,.0f} MB"
    if not facts.maxmemory:
        return Finding(
            "memory",
            Verdict.NOTE,
            f"{used} in use, no limit",
            "Set maxmemory to three quarters of the machine's memory: better a refused write than a killed Redis.",
        )
    share = facts.used_memory / facts.maxmemory
    found = f"{used} of {facts.maxmemory / 1e6:,.0f} MB ({share:.0%})"
    if share >= CROWDED_SHARE:
        return Finding(
            "memory",
            Verdict.CHANGE if share >= FULL_SHARE else Verdict.NOTE,
            found,
            "Raise maxmemory, or lower FLOWTAPE_TTL_NOTABLE and FLOWTAPE_TTL_ORDINARY.",
        )
    return Finding("memory", Verdict.OK, found)


def _persistence(facts: Facts) -> Finding:
    name = "persistence"
    if not facts.last_write_ok:
        return Finding(
            name, Verdict.CHANGE, "the last write to disk failed", "See its log and the space on its disk."
        )
    if not facts.append_only:
        lost = "all since the last snapshot" if facts.snapshots else "everything"
        return Finding(
            name,
            Verdict.CHANGE,
            f"append-only file off: a crash loses {lost}",
            "Run `CONFIG SET appendonly yes` and `CONFIG REWRITE`.",
        )
    if facts.append_sync == "no":
        return Finding(
            name,
            Verdict.CHANGE,
            "append-only file, never synced: a power cut loses about half a minute",
            "Run `CONFIG SET appendfsync everysec` and `CONFIG REWRITE`.",
        )
    lost = "nothing" if facts.append_sync == "always" else "one second at most"
    found = f"append-only file, sync {facts.append_sync or 'not told'}"
    return Finding(name, Verdict.OK, f"{found}: a crash of Redis loses nothing, one of the machine {lost}")


def _latency(facts: Facts) -> Finding:
    p50, p99 = percentile(facts.latency_ms, 0.5), percentile(facts.latency_ms, 0.99)
    found = f"ping p50 {p50:.2f} ms, p99 {p99:.2f} ms"
    if p50 >= FAR_P50_MS:
        return Finding("latency", Verdict.NOTE, found, "Run Flowtape in the same network as Redis.")
    if p99 >= SLOW_P99_MS:
        return Finding(
            "latency", Verdict.NOTE, found, "Something holds Redis or this machine up: see `SLOWLOG GET`."
        )
    return Finding("latency", Verdict.OK, found)


def _index(partitions: Sequence[Partition]) -> Finding:
    documents = sum(p.documents for p in partitions)
    for p in partitions:
        if p.index not in ("fits", "absent"):
            return Finding(
                "index",
                Verdict.CHANGE,
                f"partition {p.number}: {p.index}",
                f"Run `FT.DROPINDEX {keys.index(p.number)}` (documents stay); `flowtape index` makes it anew.",
            )
    if failures := sum(p.index_failures for p in partitions):
        return Finding(
            "index",
            Verdict.NOTE,
            f"{documents:,} documents, {failures:,} could not be indexed",
            "FT.INFO names the last one and why.",
        )
    if absent := sum(p.index == "absent" for p in partitions):
        return Finding(
            "index",
            Verdict.NOTE,
            f"absent in {absent} of {_count(partitions)}",
            "`flowtape index` makes it.",
        )
    return Finding("index", Verdict.OK, f"{documents:,} documents, {_count(partitions)}")


def _backlog(facts: Facts) -> Finding:
    waiting = {p.number: (p.unread or 0) + p.pending for p in facts.partitions}
    unread, pending = sum(p.unread or 0 for p in facts.partitions), sum(p.pending for p in facts.partitions)
    found = f"{unread:,} prints unread, {pending:,} pending"
    if any(p.unread is None for p in facts.partitions):
        found += ", some not told"
    orphans = [p.number for p in facts.partitions if not p.owner]
    if late := [number for number in orphans if waiting[number]]:
        return Finding(
            "backlog",
            Verdict.CHANGE,
            f"{found}; nobody indexes partition {late[0]}",
            "Start `flowtape index`.",
        )
    worst = max(waiting, key=lambda number: waiting[number], default=0)
    if waiting.get(worst, 0) >= facts.backlog_limit:
        return Finding(
            "backlog",
            Verdict.CHANGE,
            f"{found}; partition {worst} is at its limit of {facts.backlog_limit:,}",
            "Feeds wait or drop: use more partitions or a faster machine.",
        )
    running = len(facts.partitions) - len(orphans)
    return Finding("backlog", Verdict.OK, f"{found}; {_count(facts.partitions)}, {running} with an indexer")


def _count(partitions: Sequence[Partition]) -> str:
    return f"{len(partitions):,} partition{'' if len(partitions) == 1 else 's'}"


def _dead(partitions: Sequence[Partition]) -> Finding:
    if count := sum(p.dead for p in partitions):
        return Finding(
            "dead prints",
            Verdict.NOTE,
            f"{count:,} could not be processed",
            "`flowtape dead` lists them with their reasons and tries them again.",
        )
    return Finding("dead prints", Verdict.OK, "none")
