"""Chaos: whatever is killed, cut or left hanging, every client ends with exactly what a search for its filter finds."""

from __future__ import annotations

import asyncio
import os
import random
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest

from engine.access.tokens import Access
from engine.client import Disconnected, Reconnected, StreamClient, Subscription
from engine.search import Search
from engine.settings import Settings
from engine.store.connect import connect
from engine.store.embedded import EmbeddedRedis
from schemas import keys
from schemas.filter_predicate import predicate
from schemas.filter_text import parse_filter
from schemas.messages import JSON, MSGPACK, Batch, Error, Snapshot
from tests.balancer import Balancer
from tests.gateways import ID, SEQ
from tests.http_gateway import SECRET
from tests.indexing import trades, unprocessed

PATIENCE_S: Final = 90.0
"""For what follows when nothing is killed any more; no measure of speed."""

ROWS: Final = 10_000
"""Rows of a batch, more than there are trades: nothing need be skipped."""

SMALL_ROWS: Final = 10
"""Of the tier whose batches skip, and whose clients ask for what was left out."""

TIERS: Final = {
    "premium": {"interval_ms": 20, "rows": ROWS},
    "pro": {"interval_ms": 250, "rows": ROWS},
    "free": {"interval_ms": 300, "rows": ROWS, "delay_s": 1},
    "small": {"delivery": "push", "interval_ms": 300, "delay_s": 0, "rows": SMALL_ROWS, "subscriptions": 2,
              "channels": 0, "alerts": 0},
}  # fmt: skip

CLIENTS: Final = ("premium",) * 4 + ("pro",) * 3 + ("free",) * 2 + ("small",)

SILENCE_S: Final = 3.0
"""After which the clients of every trade take a connection for dead: only theirs are left hanging."""

PARTS: Final = (
    ("SPY", "QQQ,TSLA", "-SPY", "-NVDA,TSLA"),
    ("calls", "puts", "side:ask,above_ask", "side:bid", "side:mid,bid", "bullish"),
    ("-sweep", "sweep", "-cancelled", "cancelled", "-sweep -cancelled"),
    ("size>=300", "premium>=20k", "size<100"),
)
"""Filters have one of each of two of them."""

KINDS: Final = (
    "redis",
    "gateway one",
    "gateway two",
    "indexer one",
    "indexer two",
    "feed",
    "cut",
    "cut",
    "stall",
)
"""What goes wrong, each as often as the other; between, the tape begins anew once."""


class Follower:
    """One client: what it was told, and what it may not have been told."""

    def __init__(self, name: str, tier: str, text: str, balancer: Balancer, stream: StreamClient) -> None:
        self.name, self.tier, self.text = name, tier, text
        self.balancer = balancer
        self.stream = stream
        self.counts: Counter[str] = Counter()
        self.faults: list[str] = []
        self.subscription: Subscription
        self._live: dict[str, int] = {}
        """The newest version of each trade in the batches since it connected or got a snapshot."""

    async def follow(self) -> None:
        """Read events for ever."""
        async for event in self.subscription:
            self._take(event)

    def ids(self) -> set[str]:
        """The trades that it shows."""
        return {row[ID] for row in self.subscription.view.rows()}

    def versions(self) -> dict[str, int]:
        """The `seq` of each."""
        return {row[ID]: row[SEQ] for row in self.subscription.view.rows()}

    def _take(self, event: Any) -> None:
        self.counts[type(event).__name__] += 1
        if isinstance(event, Reconnected):
            self.counts["recovered" if event.recovered else "began anew"] += 1
        if isinstance(event, Disconnected | Reconnected | Snapshot):
            self._live.clear()
        elif isinstance(event, Batch):
            self.counts["rows"] += len(event.rows)
            self.counts["gone"] += len(event.gone)
            self.counts["skipped"] += event.skipped
            if event.skipped and self.tier != "small":
                self.faults.append(f"{event.skipped} were skipped")
            if event.recovered:
                # What is sent meanwhile may be in the batches that follow, too.
                return
            for row in event.rows:
                if self._live.get(row[ID], 0) >= row[SEQ]:
                    self.faults.append(f"{row[ID]} came as {row[SEQ]} after {self._live[row[ID]]}")
                self._live[row[ID]] = row[SEQ]

    async def fetch_all(self) -> set[str]:
        """The ids of all history, as whoever was skipped rows asks for them: from the newest on, page by page."""
        found: set[str] = set()
        beside = await self.stream.subscribe(self.text, snapshot=0, keep=0)
        more = True
        while more:
            page = await self.stream.history(beside, limit=SMALL_ROWS)
            found |= {row[ID] for row in page.rows}
            more = page.more
        await beside.close()
        return found


class Scene:
    """The processes, and what happens to them."""

    def __init__(self, stack: Path, folder: Path, seed: int, pause_s: float) -> None:
        self.chance = random.Random(seed)
        self.seed = seed
        self.log = folder / "log"
        self.server = EmbeddedRedis(stack, folder / "redis", persistent=True)
        self.server.start()
        self.checkpoint, self.stop = folder / "checkpoint", folder / "stop"
        self.ports = [_free_port(), _free_port()]
        url = self.server.url
        self._commands = {
            "feed": ("tests.chaos_feed", url, str(self.checkpoint), str(self.stop), str(pause_s)),
            "indexer one": ("engine.cli", "index", "--redis-url", url, "--name", "one"),
            "indexer two": ("engine.cli", "index", "--redis-url", url, "--name", "two"),
            "gateway one": ("engine.cli", "serve", "--redis-url", url, "--port", str(self.ports[0])),
            "gateway two": ("engine.cli", "serve", "--redis-url", url, "--port", str(self.ports[1])),
        }
        self.running = {name: self._start(name) for name in self._commands}
        self.ledger: list[str] = []
        self.done: Counter[str] = Counter()

    def _start(self, name: str) -> subprocess.Popen[bytes]:
        environment = {
            **os.environ,
            "FLOWTAPE_JWT_SECRET": SECRET,
            "FLOWTAPE_TIERS": msgspec.json.encode(TIERS).decode(),
            "FLOWTAPE_MESSAGES_PER_MINUTE": "100000",
            "FLOWTAPE_HISTORY_PER_MINUTE": "100000",
            "FLOWTAPE_QUERY_TIMEOUT_MS": "10000",
        }
        with self.log.open("ab") as out:
            return subprocess.Popen(
                [sys.executable, "-m", *self._commands[name]],
                stdout=out,
                stderr=out,
                env=environment,
                cwd=Path(__file__).parents[1],
            )

    async def act(self, kind: str, clients: list[Follower]) -> None:
        """Let one thing go wrong."""
        if kind == "cut":
            victim = self.chance.choice(clients)
            victim.balancer.cut()
            self._note(kind, victim.name)
        elif kind == "stall":
            victim = self.chance.choice([c for c in clients if not c.text])
            victim.balancer.stall()
            self._note(kind, victim.name)
        elif kind == "epoch":
            await asyncio.to_thread(self._begin_anew)
            self._note(kind)
        elif kind == "redis":
            await asyncio.to_thread(self.server.kill)
            await asyncio.sleep(self.chance.choice((0.0, 0.5, 2.0)))
            await asyncio.to_thread(self.server.start)
            self._note(kind)
        else:
            self.running[kind].kill()
            await asyncio.to_thread(self.running[kind].wait)
            self.running[kind] = self._start(kind)
            self._note(kind)

    def _begin_anew(self) -> None:
        """As where the tape was lost: no position of before can be honoured."""
        with connect(Settings.load(redis_url=self.server.url)) as client:
            client.hset(keys.clock(0), "epoch", f"chaos{self.chance.random()}")

    def _note(self, kind: str, what: str = "") -> None:
        self.done[kind] += 1
        self.ledger.append(f"{time.strftime('%H:%M:%S')} {kind} {what}")

    async def settle(self) -> int:
        """Stop the feed, and wait until all it published is indexed; how many prints that were."""
        self.stop.touch()
        assert await asyncio.to_thread(self.running["feed"].wait, PATIENCE_S) == 0, self.log.read_text()
        with connect(Settings.load(redis_url=self.server.url)) as client:
            await until(lambda: unprocessed(client) == 0, lambda: self.log.read_text()[-5_000:])
        return int(self.checkpoint.read_text())

    def close(self) -> None:
        """End everything."""
        for process in self.running.values():
            process.kill()
        for process in self.running.values():
            process.wait()
        self.server.stop()


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


async def until(fact: Callable[[], object], why: Callable[[], str]) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + PATIENCE_S
    while not fact():
        assert time.monotonic() < deadline, why()
        await asyncio.sleep(0.1)


async def answers(port: int) -> None:
    """Wait until a gateway takes connections."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            assert time.monotonic() < deadline, f"no gateway on {port}"
            await asyncio.sleep(0.1)
        else:
            writer.close()
            await writer.wait_closed()
            return


@pytest.mark.parametrize(
    ("seed", "rounds"),
    [(3, 1), *[pytest.param(seed, 8, marks=pytest.mark.long) for seed in (11, 12, 13)]],
)
def test_every_client_ends_with_what_a_search_for_its_filter_finds(
    stack: Path, tmp_path: Path, seed: int, rounds: int
) -> None:
    # The longer it takes, the fewer at once: no more in all than a snapshot holds.
    scene = Scene(stack, tmp_path, seed, 0.08 if rounds == 1 else 0.4)
    try:
        asyncio.run(chaos(scene, rounds))
    finally:
        scene.close()


async def chaos(scene: Scene, rounds: int) -> None:
    """Clients while things go wrong, and what they have at the end."""
    chance = scene.chance
    for port in scene.ports:
        await answers(port)
    access = Access(Settings.load(jwt_secret=SECRET, tiers=TIERS), SECRET)
    async with AsyncExitStack() as opened:
        opened.push_async_callback(access.aclose)
        clients: list[Follower] = []
        for place, tier in enumerate(CLIENTS):
            # Of each kind of delivery the first one follows every trade, and notices a connection that hangs.
            alert = tier != "small" and CLIENTS.index(tier) == place
            text = "" if alert else " ".join(map(chance.choice, chance.sample(PARTS, 2)))
            balancer = await opened.enter_async_context(Balancer(scene.ports))
            stream = StreamClient(
                balancer.url,
                access.issue(f"user{place}", tier, 3_600),
                encoding=(MSGPACK, JSON)[place % 2],
                backoff_s=0.2,
                backoff_max_s=1.0,
                **({"silence_s": SILENCE_S} if alert else {}),
            )
            await opened.enter_async_context(stream)
            clients.append(Follower(f"{tier} {place} {text!r}", tier, text, balancer, stream))
        for client in clients:
            client.subscription = await client.stream.subscribe(client.text, keep=None)
        following = [asyncio.create_task(client.follow()) for client in clients]
        try:
            actions = [kind for _ in range(rounds) for kind in KINDS]
            chance.shuffle(actions)
            actions.insert(len(actions) // 2, "epoch")
            for kind in actions:
                # Not a wait for anything: the moment is what is random.
                await asyncio.sleep(chance.uniform(0.3, 2.0))
                await scene.act(kind, clients)
            await asyncio.sleep(1.0)
            published = await scene.settle()
            await compare(scene, clients, published)
            for task in following:
                if task.done():
                    task.result()
        except BaseException:
            print(f"seed {scene.seed}", *scene.ledger, sep="\n")
            for client in clients:
                print(client.name, dict(client.counts), *client.faults[:5])
            print(scene.log.read_text()[-20_000:])
            raise
        finally:
            for task in following:
                task.cancel()
            await asyncio.gather(*following, return_exceptions=True)


def difference(client: Follower, expected: dict[str, int]) -> str:
    """How a client differs from what it should have."""
    shown = client.versions()
    return (
        f"{client.name} misses {sorted(set(expected) - set(shown))[:9]}, has too many "
        f"{sorted(set(shown) - set(expected))[:9]}, and older versions of "
        f"{sorted(i for i in shown if i in expected and shown[i] != expected[i])[:9]}"
    )


async def compare(scene: Scene, clients: list[Follower], published: int) -> None:
    """Hold what each client has against what is found for its filter."""
    with connect(Settings.load(redis_url=scene.server.url)) as redis:
        documents = trades(redis)
        search = Search(redis, 1, 10_000)
        assert 0 < len(documents) <= min(published, ROWS)
        for client in clients:
            wanted = parse_filter(client.text)
            found = {row.trade().id for row in search.page(wanted, ROWS).rows}
            passes = predicate(wanted)
            expected = {trade.id: trade.seq for trade in documents.values() if passes(trade)}
            assert found == set(expected), client.name
            if client.tier == "small":
                await until(
                    lambda client=client: client.stream.connected and client.balancer.carries,
                    lambda client=client: client.name,
                )
                await until(
                    lambda client=client, expected=expected: client.ids() <= set(expected),
                    lambda client=client, expected=expected: difference(client, expected),
                )
                assert client.ids() | await client.fetch_all() == set(expected), client.name
            else:
                await until(
                    lambda client=client, expected=expected: client.versions() == expected,
                    lambda client=client, expected=expected: difference(client, expected),
                )
            assert not client.faults, (client.name, client.faults[:5])
    totals = sum((client.counts for client in clients), Counter[str]())
    assert set(scene.done) == {*KINDS, "epoch"}
    # It is about each of these.
    assert totals["Disconnected"] > 0
    assert totals["recovered"] > 0
    assert totals["Snapshot"] > len(clients)
    assert totals["gone"] > 0
    assert totals[Error.__name__] > 0
