"""What clients got, held against the tape: each trade that passes a client's filter, once, and how late it came."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from heapq import merge
from typing import Final, NamedTuple

import msgspec

from engine.bench.stream_receivers import Kept
from engine.gateway.announced import Announced
from schemas.filter import Filter
from schemas.filter_predicate import predicate
from schemas.trade import COLUMNS

_READ: Final = ("id", "seq", "ts", "received")
assert COLUMNS[: len(_READ)] == _READ


class _Row(msgspec.Struct, array_like=True, gc=False):
    """The first columns of a row; decoding passes over the others."""

    id: str
    seq: int
    ts: int
    received: int


class _Message(msgspec.Struct, gc=False):
    """Any message of a gateway; those without rows have none here."""

    op: str
    rows: tuple[_Row, ...] = ()
    skipped: int = 0
    gone: tuple[_Row, ...] = ()


_decode = msgspec.msgpack.Decoder(_Message).decode


class Latency(NamedTuple):
    """Percentiles of delays, ms, and of how many; all 0 where there are none."""

    rows: int
    p50: float
    p99: float
    worst: float


@dataclass(frozen=True, slots=True)
class Checked:
    """What a check found; rows are counted once a client."""

    frames: int
    """Messages of any kind."""
    silence_s: float
    """The longest time between two messages to one client."""
    rows: int
    rows_per_batch: float
    lost: int
    """Trades that pass a client's filter, that it has not, and that it was not told were skipped."""
    doubled: int
    """Versions of a trade that a client got more than once."""
    wrong: int
    """Trades that a client has at the end though they do not pass its filter, or that are not on the tape."""
    skipped: int
    """Trades of which a client was told that they were left out."""
    superseded: int
    """Versions that were rewritten within a batch, so that only the newer one was sent."""
    errors: int
    """Messages of the kind `error`."""
    latency: Latency


def check(
    kept: Iterable[Kept],
    filters: Sequence[Filter],
    tape: Sequence[Announced],
    since_ms: float,
    until_ms: float,
    every: int = 1,
) -> Checked:
    """Hold what clients got against the tape; the number of a client is the place of its filter.

    Whether all that passes has come, and nothing else, is asked of every `every`-th client; all else of all.

    Delays are of trades received within the times (unix ms), without those that were rewritten: these were received
    before what rewrote them.
    """
    rewritten = {announced.trade.seq for announced in tape if announced.was is not None}
    known = {announced.trade.seq for announced in tape}
    delays: list[float] = []
    seen: list[set[int]] = [set() for _ in filters]
    held: list[dict[str, int]] = [{} for _ in filters]
    skipped, heard = [0] * len(filters), [0.0] * len(filters)
    silence_ms = 0.0
    frames = batches = rows = doubled = wrong = errors = 0
    for client, at, content in kept:
        message = _decode(content)
        frames += 1
        batches += message.op == "batch" and bool(message.rows)
        if heard[client]:
            silence_ms = max(silence_ms, at - heard[client])
        heard[client] = at
        errors += message.op == "error"
        skipped[client] += message.skipped
        rows += len(message.rows)
        mine, has = seen[client], held[client]
        for row in message.rows:
            if row.seq in mine:
                doubled += 1
            mine.add(row.seq)
            wrong += row.seq not in known
            has[row.id] = row.seq
            if since_ms <= row.received < until_ms and row.seq not in rewritten:
                delays.append(at - row.received)
        for row in message.gone:
            has.pop(row.id, None)
    lost = superseded = 0
    for place, (should, versions) in enumerate(_expected(filters[::every], tape)):
        client = every * place
        has = held[client]
        missing = sum(has.get(trade_id) != seq for trade_id, seq in should.items())
        lost += max(0, missing - skipped[client])
        wrong += sum(trade_id not in should for trade_id in has)
        superseded += max(0, len(versions - seen[client]) - missing)
    return Checked(
        frames=frames,
        silence_s=silence_ms / 1000,
        rows=rows,
        rows_per_batch=rows / batches if batches else 0.0,
        lost=lost,
        doubled=doubled,
        wrong=wrong,
        skipped=sum(skipped),
        superseded=superseded,
        errors=errors,
        latency=latency_of(delays),
    )


def latency_of(delays: list[float]) -> Latency:
    """The percentiles of delays (nearest rank)."""
    delays.sort()
    if not delays:
        return Latency(0, 0.0, 0.0, 0.0)

    def at(share: float) -> float:
        return round(delays[math.ceil(share * len(delays)) - 1], 2)

    return Latency(len(delays), at(0.5), at(0.99), round(delays[-1], 2))


def _expected(
    filters: Sequence[Filter], tape: Sequence[Announced]
) -> Iterable[tuple[dict[str, int], set[int]]]:
    """For each filter the newest version of each trade that passes it at the end, and all versions that passed."""
    by_ticker: dict[str, list[Announced]] = defaultdict(list)
    for announced in tape:
        by_ticker[announced.trade.underlying].append(announced)
    for wanted in filters:
        passes = predicate(wanted)
        tickers = set(wanted.underlying)
        # Not what the filter says is used here but that a trade has one ticker: most filters name some.
        among: Iterable[Announced] = (
            merge(*(by_ticker[ticker] for ticker in tickers), key=_seq) if tickers else tape
        )
        should: dict[str, int] = {}
        versions: set[int] = set()
        for announced in among:
            trade = announced.trade
            if passes(trade):
                should[trade.id] = trade.seq
                versions.add(trade.seq)
            elif announced.was is not None:
                should.pop(trade.id, None)
        yield should, versions


def _seq(announced: Announced) -> int:
    return announced.trade.seq
