"""The simulated market in Massive's form is the simulated market, as far as that form goes."""

from __future__ import annotations

import itertools

import msgspec

from engine.feeds.massive import MassiveDecoder
from engine.simulator.market import SimulatedMarket
from engine.simulator.massive_form import USUAL_RATE, massive_frames
from schemas.print import Print

START = 1_795_010_400_000

CARRIED = ("ts", "symbol", "price", "size", "exchange", "conditions", "bid", "ask", "underlying_price")
"""The fields of a print that Massive's messages have a place for."""


def carried(made: Print) -> tuple[object, ...]:
    return tuple(getattr(made, name) for name in CARRIED)


def test_massive_frames_decode_to_the_same_prints() -> None:
    decoder = MassiveDecoder()
    decoded = [event for frame in massive_frames(4, 12_000, START) for event in decoder.decode(frame, START)]
    made = SimulatedMarket(4, START, USUAL_RATE).take(float("inf"), 12_000)
    assert all(isinstance(event, Print) for event in decoded)
    assert [carried(event) for event in decoded if isinstance(event, Print)] == [carried(one) for one in made]
    assert len({event.id for event in decoded if isinstance(event, Print)}) == len(made)
    assert not decoder.unknown_conditions
    assert not decoder.unknown_exchanges


def test_frames_hold_the_number_of_trades_that_was_asked_for() -> None:
    frames = [msgspec.json.decode(frame) for frame in massive_frames(4, 130, START, per_frame=50)]
    assert [sum(message["ev"] == "T" for message in frame) for frame in frames] == [50, 50, 30]
    kinds = {message["ev"] for frame in frames for message in frame}
    assert kinds == {"A", "Q", "T", "V"}


def test_the_same_seed_makes_the_same_frames() -> None:
    first, second = (b"".join(massive_frames(8, 500, START)) for _ in range(2))
    assert first == second
    other = b"".join(itertools.islice(massive_frames(9, 500, START), 10))
    assert other != first
