"""Pushed, polled, resumed and searched: each way gives exactly the same trades for every filter, rewritten or not."""

from __future__ import annotations

import asyncio
from copy import copy
from typing import Any, NamedTuple

import msgspec
import redis
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from engine.access.tokens import Identity
from engine.client.view import View
from engine.gateway.frames import Frame
from engine.gateway.hub import Hub
from engine.gateway.session import Session
from engine.metrics import GatewayMetrics
from engine.search import Search
from engine.search_async import AsyncSearch
from engine.search_index import ensure_index
from engine.settings import Settings
from engine.store.connect import connect_async
from engine.tracing import Tracing
from schemas import keys
from schemas.filter import CHOICES, FLAGS, Filter
from schemas.filter_predicate import predicate
from schemas.messages import ENCODINGS, JSON, MSGPACK, Batch, Snapshot
from schemas.trade import Trade
from tests.gateways import run
from tests.trade_strategies import filters, trades

SETTLED_S = 20.0
"""How long the ways may take to agree; they need milliseconds."""

QUICK = {"premium": {"interval_ms": 1, "rows": 1_000}, "pro": {"interval_ms": 10, "rows": 1_000}}

encode = msgspec.msgpack.encode


class Written(NamedTuple):
    """One write: a new trade, or a former one as it is now."""

    trade: Trade
    was: Trade | None


@st.composite
def writes(draw: st.DrawFn) -> list[list[Written]]:
    """Batches of writes in the order of the tape."""
    held: list[Trade] = []
    seq = 0
    batches: list[list[Written]] = []
    for _ in range(draw(st.integers(1, 4))):
        batch = []
        for _ in range(draw(st.integers(0, 6))):
            seq += 1
            if held and draw(st.booleans()):
                place = draw(st.integers(0, len(held) - 1))
                was, now = held[place], copy(held[place])
                more = set(was.flags) | set(draw(st.lists(st.sampled_from(FLAGS), max_size=2)))
                now.flags = tuple(flag for flag in FLAGS if flag in more)
                now.side = draw(st.sampled_from((was.side, *CHOICES["side"])))
                now.sentiment = draw(st.sampled_from((was.sentiment, "neutral")))
                held[place] = now
            else:
                was, now = None, draw(trades(number=len(held) + 1))
                held.append(now)
            now.seq = seq
            batch.append(Written(now, was))
        batches.append(batch)
    return batches


class Sink:
    """A socket that takes everything, and shows it."""

    clogged = False

    def __init__(self, encoding: str) -> None:
        self._decode = ENCODINGS[encoding].server_message
        self.views: dict[str, View] = {}

    def write(self, frame: Frame) -> None:
        message = self._decode(frame.payload)
        if isinstance(message, Snapshot | Batch):
            self.views.setdefault(message.sub, View(keep=None)).apply(message)
            assert isinstance(message, Snapshot) or message.skipped == 0

    def close(self, code: int, reason: str) -> None:
        raise AssertionError((code, reason))

    def ids(self, sub: str) -> set[str]:
        return {row[0] for row in self.views[sub].rows()} if sub in self.views else set()


def write(client: redis.Redis, batch: list[Written], partitions: int) -> None:
    """What the indexer's script does with a batch."""
    with client.pipeline(transaction=True) as pipe:
        for trade, was in batch:
            p = keys.partition_of(trade.underlying, partitions)
            pipe.execute_command("JSON.SET", keys.trade(p, trade.id), "$", msgspec.json.encode(trade))
            former = {} if was is None else {"w": encode((was.side, was.sentiment, was.flags))}
            pipe.xadd(keys.tape(p), {"d": encode(trade), **former})
            pipe.hset(keys.clock(p), mapping={"seq": trade.seq, "ts": 1_700_000_000_003})
        pipe.execute()


@examples(max_examples=30)
@given(
    writes(), st.lists(filters(), min_size=1, max_size=6), st.integers(1, 3), st.sampled_from((MSGPACK, JSON))
)
def test_push_poll_resumption_and_search_agree(
    client: redis.Redis,
    settings: Settings,
    batches: list[list[Written]],
    wanted: list[Filter],
    partitions: int,
    encoding: str,
) -> None:
    client.flushdb()
    own = Settings.load(redis_url=settings.redis_url, partitions=partitions, tiers=QUICK)
    ensure_index(client, partitions)
    if batches:
        write(client, batches[0], partitions)

    async def scenario() -> None:
        reader, aside = connect_async(own), connect_async(own)
        search = AsyncSearch(aside, partitions, own.query_timeout_ms)
        hub = Hub(own, reader, aside, search, GatewayMetrics(), Tracing())
        hub.start()
        tiers = own.tier_table()
        sinks = {name: Sink(encoding) for name in ("premium", "pro", "late")}

        def session(name: str, tier: str) -> Session:
            identity = Identity(name, tiers[tier], 2**40)
            clock = asyncio.get_running_loop().time
            opened = Session(name, identity, ENCODINGS[encoding], sinks[name], own, hub.meter, clock)
            hub.enter(opened)
            return opened

        opened = [session("premium", "premium"), session("pro", "pro")]
        for one in opened:
            for number, one_filter in enumerate(wanted):
                hub.subscribe(one, str(number), one_filter, 1_000)
        names = [str(number) for number in range(len(wanted))]
        await settle(lambda: all(name in sinks[s].views for s in ("premium", "pro") for name in names))
        # Whoever leaves now and comes back at the end.
        stood = {name: (set_of(sinks["premium"], name), sinks["premium"].views[name].pos) for name in names}
        for batch in batches[1:]:
            write(client, batch, partitions)
            await asyncio.sleep(0.005)
        back = session("late", "premium")
        for name, one_filter in zip(names, wanted, strict=True):
            view, pos = stood[name]
            sinks["late"].views[name] = view
            hub.subscribe(back, name, one_filter, 1_000, pos)

        latest = {trade.id: trade for batch in batches for trade, _ in batch}
        whole = Search(client, partitions, own.query_timeout_ms)
        for name, one_filter in zip(names, wanted, strict=True):
            passes = predicate(one_filter)
            expected = {trade.id for trade in latest.values() if passes(trade)}
            assert {row.trade().id for row in whole.page(one_filter, 1_000).rows} == expected
            for which, sink in sinks.items():
                await settle(
                    lambda sink=sink, name=name, expected=expected: sink.ids(name) == expected,
                    f"{which}: {one_filter.key}",
                )
        for one in (*opened, back):
            hub.leave(one)
        await hub.stop()
        await reader.aclose()
        await aside.aclose()

    run(scenario())


def set_of(sink: Sink, name: str) -> View:
    """A view of its own with the rows that one has now."""
    view = View(keep=None)
    held = sink.views[name]
    view.apply(Snapshot(name, held.rows(), held.pos or "", False, None, False))
    return view


async def settle(agrees: Any, what: str = "") -> None:
    """Wait until it is so."""
    deadline = asyncio.get_running_loop().time() + SETTLED_S
    while not agrees():
        assert asyncio.get_running_loop().time() < deadline, f"does not settle: {what}"
        await asyncio.sleep(0.005)
