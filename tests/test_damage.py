"""Decoders fed with damage: no exception leaves them, what is wrong is rejected, what follows is understood.

Every live feed with a decoder and every folder of tests/captures is taken in by that alone.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.feeds.databento import DatabentoDecoder
from engine.feeds.decoder import Decoder
from engine.feeds.registry import feed_names, live_feed
from engine.settings import Settings
from schemas.contract import parse_osi
from schemas.print import RAW_BYTES, Event, Print, Reference
from tests.vendors.capture import RECEIVED, captured
from tests.vendors.harness import damaged

DAMAGE_BYTES = 10_000_000
"""Bytes of damaged messages for each decoder."""

OWN_DECODER: dict[str, Callable[[], Decoder]] = {"databento": lambda: DatabentoDecoder(1_000)}
"""Feeds whose session decodes by itself: the decoder that it uses."""

CONNECTION = 5
"""Damaged messages before a new connection begins."""

FEEDS = [name for name in feed_names() if live_feed(name).decoder is not None or name in OWN_DECODER]
_FRAMES: dict[str, list[bytes | str]] = {}


def frames(feed: str) -> list[bytes | str]:
    """The captured messages of a feed."""
    if feed not in _FRAMES:
        _FRAMES[feed] = [message.frame for message in captured(feed.replace("-", "_"))]
    return _FRAMES[feed]


def new_decoder(feed: str) -> Decoder:
    make = live_feed(feed).decoder
    return OWN_DECODER[feed]() if make is None else make(Settings.load())


def connect(decoder: Decoder) -> None:
    """Tell a decoder that a new connection begins, where it cares."""
    connected = getattr(decoder, "connected", None)
    if connected:
        connected()


def damage(feed: str, total: int, seed: int) -> Iterator[bytes | str]:
    """Captured messages cut, changed and joined, and bytes at random: `total` bytes at least."""
    rng = random.Random(seed)
    sound = frames(feed)
    spent = number = 0
    while spent < total:
        number += 1
        message = rng.choice(sound)
        match number % 8:
            case 0:
                made: bytes | str = rng.randbytes(rng.randint(0, 4_096))
            case 1:
                made = message[: rng.randint(0, len(message))]
            case 2:
                other = rng.choice(sound)
                made = damaged(message, number) + (other.encode() if isinstance(other, str) else other)
            case 3 if isinstance(message, str):
                made = message[: len(message) // 2] + "\ud800" + message[len(message) // 2 :]
            case 4 | 5:
                # One bit, so that much of it stays readable: another number, another name.
                nudged = bytearray(message.encode() if isinstance(message, str) else message)
                if nudged:
                    nudged[rng.randrange(len(nudged))] ^= 1 << rng.randrange(4)
                made = bytes(nudged)
            case _:
                made = damaged(message, seed + number)
        spent += len(made)
        yield made


def check(feed: str, event: Event) -> None:
    """What every event promises, whatever it was made of."""
    assert event.feed == feed
    if isinstance(event, Print):
        assert parse_osi(event.symbol).symbol == event.symbol
        assert event.id
        assert set(event.id) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")
        assert 0 <= event.price < float("inf")
        assert 1 <= event.size < 2**31
        assert 0 < event.ts < 2**53
        for price in (event.bid, event.ask):
            assert price is None or 0 <= price < float("inf")
        msgspec.msgpack.encode(event)
    elif isinstance(event, Reference):
        assert parse_osi(event.symbol).symbol == event.symbol
        assert event.open_interest >= 0
    else:
        assert event.reason
        event.reason.encode()
        assert len(event.raw) <= RAW_BYTES


@pytest.mark.parametrize("feed", FEEDS)
def test_ten_million_damaged_bytes_raise_nothing_and_are_counted(feed: str) -> None:
    decoder = new_decoder(feed)
    messages = prints = rejects = 0
    for frame in damage(feed, DAMAGE_BYTES, seed=20260612):
        messages += 1
        if messages % CONNECTION == 0:
            # A stream that lost its place finds it again only in a new connection.
            connect(decoder)
            for sound in frames(feed):
                decoder.decode(sound, RECEIVED)
        for event in decoder.decode(frame, RECEIVED):
            check(feed, event)
            prints += isinstance(event, Print)
            rejects += not isinstance(event, Print | Reference)
    # Most damage is seen, and some only makes another message of it.
    assert rejects > messages / 2
    assert prints > messages / 100


@pytest.mark.parametrize("feed", FEEDS)
def test_after_damage_sound_messages_are_decoded_as_ever(feed: str) -> None:
    def identities(decoder: Decoder) -> list[str]:
        connect(decoder)
        events = [event for frame in frames(feed) for event in decoder.decode(frame, RECEIVED)]
        return [event.id for event in events if isinstance(event, Print)]

    battered = new_decoder(feed)
    identities(battered)
    for frame in damage(feed, 200_000, seed=7):
        battered.decode(frame, RECEIVED)
    sound = new_decoder(feed)
    identities(sound)
    assert identities(battered) == identities(sound)


@pytest.mark.parametrize("feed", FEEDS)
@given(seed=st.integers(0, 2**32), text=st.text(max_size=200), data=st.binary(max_size=200))
def test_whatever_comes_becomes_events(feed: str, seed: int, text: str, data: bytes) -> None:
    decoder = new_decoder(feed)
    rng = random.Random(seed)
    sound = rng.choice(frames(feed))
    inside = rng.randint(0, len(sound))
    filler: bytes | str = text if isinstance(sound, str) else data
    for frame in (text, data, damaged(sound, seed), sound[:inside] + filler + sound[inside:]):  # type: ignore[operator]
        for event in decoder.decode(frame, RECEIVED):
            check(feed, event)


_json = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.parametrize("feed", ["massive"])
@given(
    message=st.fixed_dictionaries(
        {"ev": st.sampled_from(["T", "Q", "A", "AM", "V", "status", "X"])},
        optional=dict.fromkeys(("sym", "T", "x", "p", "s", "c", "t", "q", "bp", "ap", "val"), _json),
    )
)
def test_any_json_in_any_field_becomes_events(feed: str, message: dict[str, object]) -> None:
    for event in new_decoder(feed).decode(msgspec.json.encode([message]), RECEIVED):
        check(feed, event)
