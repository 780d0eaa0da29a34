"""The supervisor of live feeds and its parts, with sessions that a test drives."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from typing import Self

import pytest
import redis

from engine.backoff import Backoff
from engine.feeds.live import (
    SILENCE_DOUBLINGS,
    Frame,
    LiveFeed,
    RecentIds,
    Supervisor,
    require_settings,
)
from engine.feeds.registry import live_feed
from engine.publish import Policy, Publisher
from engine.settings import Settings
from engine.store.connect import connect_async
from schemas import keys
from schemas.errors import FeedError, FeedRefusedError, SettingsError
from schemas.print import Event, Print

GUARD_S = 60


class Played:
    """A session that plays one list a connection; an exception in it is raised, its end is silence."""

    def __init__(self, *connections: Sequence[object]) -> None:
        self._connections = [list(each) for each in connections]
        self._now: list[object] = []
        self.opened = self.closed = 0

    async def __aenter__(self) -> Self:
        self._now = self._connections[min(self.opened, len(self._connections) - 1)].copy()
        self.opened += 1
        if self._now and isinstance(self._now[0], FeedRefusedError):
            raise self._now[0]
        return self

    async def __aexit__(self, *exc: object) -> None:
        self.closed += 1

    async def receive(self) -> Frame | list[Event]:
        if not self._now:
            await asyncio.Event().wait()
        item = self._now.pop(0)
        if isinstance(item, Exception):
            raise item
        return item  # type: ignore[return-value]


class Breaking:
    """A decoder that breaks its promise."""

    def __init__(self) -> None:
        self.connections = 0

    def connected(self) -> None:
        self.connections += 1

    def decode(self, frame: bytes | str, received: int) -> list[Event]:
        if frame == b"break":
            raise KeyError("no such field")
        return [a_print(int(frame))]


def a_print(n: int) -> Print:
    return Print(id=f"t_{n}", feed="played", ts=1_781_278_205_000, received=1_781_278_205_000,
                 symbol="SPY261218C00600000", price=1.0, size=1)  # fmt: skip


def run(
    settings: Settings,
    session: Played,
    until: Callable[[Supervisor], bool],
    decoder: Breaking | None = None,
    **changes: object,
) -> Supervisor:
    """Run a supervisor until its status says so, and stop it."""
    brief = {"feed_backoff_s": 0.001, "feed_backoff_max_s": 0.005, **changes}
    settings = settings.model_copy(update=brief)
    feed = LiveFeed("played", "", lambda _: session, (lambda _: decoder) if decoder else None)

    async def scenario() -> Supervisor:
        client = connect_async(settings)
        try:
            async with asyncio.timeout(GUARD_S), Publisher(client, settings, Policy.DROP_OLDEST) as publisher:
                supervisor = Supervisor(feed, settings, publisher)
                task = asyncio.create_task(supervisor.run())
                while not until(supervisor) and not task.done():  # noqa: ASYNC110 - counters have no event
                    await asyncio.sleep(0.001)
                supervisor.stop()
                await task
                return supervisor
        finally:
            await client.aclose()

    return asyncio.run(scenario())


def ids(client: redis.Redis) -> int:
    return int(client.xlen(keys.prints(0)))


def test_events_of_a_session_without_a_decoder_are_published(settings: Settings, client: redis.Redis) -> None:
    session = Played([[a_print(1), a_print(2)], [], [a_print(3)]])
    status = run(settings, session, lambda s: s.status.frames == 3).status
    assert (status.prints, status.frames, ids(client)) == (3, 3, 3)
    assert (session.opened, session.closed) == (1, 1)


def test_a_decoder_that_raises_rejects_the_frame_and_the_feed_goes_on(
    settings: Settings, client: redis.Redis
) -> None:
    decoder = Breaking()
    status = run(settings, Played([b"1", b"break", b"2"]), lambda s: s.status.frames == 3, decoder).status
    assert (status.prints, status.rejects, status.reconnects, decoder.connections) == (2, 1, 0, 1)
    ((_, dead),) = client.xrange(keys.dead(0))
    assert dead[b"raw"] == b"break"
    assert b"KeyError" in dead[b"reason"]


@pytest.mark.parametrize(
    "lost", [FeedError("gone"), OSError("reset"), EOFError(), ValueError("nonsense"), KeyError("x")]
)
def test_whatever_ends_a_connection_is_followed_by_another(
    settings: Settings, client: redis.Redis, lost: Exception
) -> None:
    session = Played([[a_print(1)], lost], [[a_print(1), a_print(2)]])
    status = run(settings, session, lambda s: s.status.frames == 2).status
    assert (status.reconnects, status.prints, status.repeated, ids(client)) == (1, 2, 1, 2)
    assert status.last_error
    assert (session.opened, session.closed) == (2, 2)


def test_a_refusal_in_the_middle_of_a_connection_ends_the_feed(settings: Settings) -> None:
    session = Played([[a_print(1)], FeedRefusedError("The plan ended.", "Renew it.")])
    with pytest.raises(FeedRefusedError, match="plan ended"):
        run(settings, session, lambda s: False)
    assert (session.opened, session.closed) == (1, 1)


def test_silence_is_allowed_to_last_longer_while_nothing_comes(settings: Settings) -> None:
    session = Played([])
    status = run(settings, session, lambda s: s.status.reconnects == 3, feed_silence_s=0.01).status
    assert "silent for 0.04 s" in status.last_error
    assert SILENCE_DOUBLINGS > 2


def test_pauses_are_uniform_below_a_ceiling_that_doubles_up_to_the_longest() -> None:
    class Highest(random.Random):
        def uniform(self, a: float, b: float) -> float:
            assert a == 0
            return b

    backoff = Backoff(0.5, 30.0, Highest())
    assert [backoff.next() for _ in range(8)] == [0.5, 1, 2, 4, 8, 16, 30, 30]
    backoff.reset()
    assert backoff.next() == 0.5
    spread = [Backoff(8.0, 30.0, random.Random(seed)).next() for seed in range(200)]
    assert min(spread) < 1
    assert max(spread) > 7


def test_recent_ids_are_remembered_within_their_bound() -> None:
    recent = RecentIds(100)
    assert all(recent.add(str(n)) for n in range(1_000))
    assert not any(recent.add(str(n)) for n in range(901, 1_000))
    assert recent.add("0")
    assert len(recent) <= 200


def test_a_missing_key_is_named_as_the_variable_that_sets_it() -> None:
    with pytest.raises(SettingsError, match="FLOWTAPE_ALPACA_SECRET is not set"):
        require_settings(live_feed("alpaca"), Settings.load(alpaca_key="k"))
    require_settings(live_feed("alpaca"), Settings.load(alpaca_key="k", alpaca_secret="s"))  # noqa: S106
