"""A session whose client takes nothing at the moment: what is written, what waits, and in what portions it follows."""

from __future__ import annotations

import asyncio

import pytest

from engine.access.tokens import Identity
from engine.gateway.frames import Frame
from engine.gateway.meter import Meter
from engine.gateway.session import Session, SessionEnd
from engine.metrics import GatewayMetrics
from engine.settings import Settings
from engine.tracing import Tracing
from schemas.messages import ENCODINGS, MSGPACK, CloseCode
from schemas.tier import TIERS


class Narrow:
    """A socket that is full after two frames."""

    def __init__(self) -> None:
        self.unsent: list[Frame] = []

    @property
    def clogged(self) -> bool:
        return len(self.unsent) >= 2

    def write(self, frame: Frame) -> None:
        self.unsent.append(frame)

    def close(self, code: int, reason: str) -> None:
        raise AssertionError((code, reason))


def a_session(outlet: Narrow, clock: list[float], expires: int = 2**40) -> Session:
    """A session at the time that `clock` holds."""
    meter = Meter(GatewayMetrics(), Tracing())
    identity = Identity("ann", TIERS["premium"], expires)
    return Session("s", identity, ENCODINGS[MSGPACK], outlet, Settings.load(), meter, lambda: clock[0])


def test_all_that_waits_for_the_client_does_not_follow_at_once() -> None:
    async def scenario() -> None:
        outlet = Narrow()
        session = a_session(outlet, [0.0])
        frame = Frame(b"x", True)

        async def snapshot() -> None:
            await session.writable()
            session.write(frame)

        waiting = [asyncio.create_task(snapshot()) for _ in range(7)]
        written = 0
        while written < 7:
            for _ in range(5):
                await asyncio.sleep(0)
            assert 0 < len(outlet.unsent) <= 2
            written += len(outlet.unsent)
            outlet.unsent.clear()
            session.unclog()
        await asyncio.gather(*waiting)
        assert written == 7

    asyncio.run(scenario())


def test_a_client_that_stays_behind_for_too_long_is_too_slow() -> None:
    clock = [100.0]
    outlet = Narrow()
    session = a_session(outlet, clock)
    for _ in range(2):
        session.write(Frame(b"x", True))
    limit = Settings.load().slow_client_s
    session.look(100.0 + limit - 0.1, 0, 0, 10.0)
    with pytest.raises(SessionEnd) as ended:
        session.look(100.0 + limit, 0, 0, 10.0)
    assert ended.value.code is CloseCode.TOO_SLOW
    # What counts is the time since it took anything.
    outlet.unsent.clear()
    session.unclog()
    session.look(100.0 + limit, 0, 0, 1_000.0)
    clock[0] = 200.0
    for _ in range(2):
        session.write(Frame(b"x", True))
    session.look(200.0, 0, 0, 10.0)


def test_a_heartbeat_is_due_after_silence_unless_the_client_takes_nothing() -> None:
    outlet = Narrow()
    session = a_session(outlet, [50.0])
    session.look(59.9, 0, 7, 10.0)
    assert not outlet.unsent
    session.look(60.0, 0, 7, 10.0)
    assert len(outlet.unsent) == 1
    session.write(Frame(b"x", True))
    session.look(59.9, 0, 7, 0.0)
    assert len(outlet.unsent) == 2


def test_a_token_that_has_expired_ends_the_session_also_of_a_client_that_reads_nothing() -> None:
    session = a_session(Narrow(), [0.0], expires=1_000)
    session.look(1.0, 999_999, 0, 10.0)
    with pytest.raises(SessionEnd) as ended:
        session.look(1.0, 1_000_000, 0, 10.0)
    assert ended.value.code is CloseCode.NOT_AUTHENTICATED
