"""The reader of the tape: what it reads, keeps, reads back, and when it says that something is missing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
import redis
from redis.exceptions import ConnectionError as RedisConnectionError

from engine.gateway import tape as module
from engine.gateway.announced import Announced
from engine.gateway.tape import Gap, Tape, TapeLostError
from engine.settings import Settings
from engine.store.connect import connect_async
from schemas import keys
from schemas.stream_position import START, Offset, StreamPosition
from tests.gateways import run
from tests.trade_strategies import a_trade


class Writer:
    """Announces trades as the indexer does."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client

    def announce(self, *numbers: int, p: int = 0) -> list[str]:
        """Trades of these numbers, whose seq is the number; their entries' ids."""
        made: list[Any] = [
            self._client.xadd(keys.tape(p), {"d": msgspec.msgpack.encode(a_trade(n, id=f"p{p}_{n}"))})
            for n in numbers
        ]
        return [entry_id.decode() for entry_id in made]

    def other(self, p: int = 0) -> None:
        """An entry that is no trade of this version."""
        self._client.xadd(keys.tape(p), {"d": b"\xc1 of another version"})


@pytest.fixture
def writer(client: redis.Redis) -> Writer:
    return Writer(client)


@asynccontextmanager
async def opened(settings: Settings, partitions: int = 1, kept: int = 100) -> AsyncIterator[Tape]:
    """A reader at the end of the tape."""
    async with connect_async(settings, retries=0) as reader, connect_async(settings) as aside:
        tape = Tape(reader, aside, partitions, kept)
        await tape.open()
        yield tape


def seqs(found: list[Announced]) -> list[int]:
    return [announced.trade.seq for announced in found]


async def drained(tape: Tape) -> list[int]:
    """All there is to read, handled."""
    found: list[int] = []
    while True:
        read, whole = await tape.read()
        found += seqs(read)
        tape.handled()
        if whole:
            return found


async def missed(tape: Tape, position: StreamPosition) -> Gap | list[int]:
    """What is behind a position."""
    with tape.keeping():
        gap = await tape.reach(position)
        return gap or seqs(tape.after(position))


def at(tape: Tape, *offsets: Offset) -> StreamPosition:
    return StreamPosition(tape.position.epoch, offsets)


def offset(entry_id: str, seq: int = 0) -> Offset:
    ms, _, n = entry_id.partition("-")
    return Offset(int(ms), int(n), seq)


def test_it_begins_at_the_end_and_reads_what_is_announced_from_there(
    settings: Settings, writer: Writer
) -> None:
    async def scenario() -> None:
        writer.announce(1, 2)
        async with opened(settings) as tape:
            assert tape.position.offsets[0].seq == 2
            (third,) = writer.announce(3)
            found, whole = await tape.read()
            assert (seqs(found), whole) == ([3], True)
            # Read is not handled.
            assert tape.position.offsets[0].seq == 2
            assert tape.read_to.offsets == (offset(third, 3),)
            tape.handled()
            assert tape.position == tape.read_to

    run(scenario())


def test_more_than_one_read_holds_is_read_in_several(
    settings: Settings, writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "READ_COUNT", 3)

    async def scenario() -> None:
        async with opened(settings) as tape:
            writer.announce(*range(1, 9))
            found, whole = await tape.read()
            assert (seqs(found), whole) == ([1, 2, 3], False)
            assert await drained(tape) == [4, 5, 6, 7, 8]

    run(scenario())


def test_what_an_error_interrupts_is_read_once_more(
    settings: Settings, writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Redis goes away between the read and the question whether something was trimmed before it."""
    monkeypatch.setattr(module, "READ_COUNT", 3)

    async def scenario() -> None:
        async with opened(settings) as tape:
            writer.announce(1)
            assert await drained(tape) == [1]
            writer.announce(2, 3, 4, 5)
            # A Redis that is gone for `aside` alone.
            async with connect_async(
                settings.model_copy(update={"redis_url": "unix:///nowhere/redis.sock"}), retries=0
            ) as gone:
                there, tape._aside = tape._aside, gone
                with pytest.raises(RedisConnectionError):
                    await tape.read()
                tape._aside = there
            assert await drained(tape) == [2, 3, 4, 5]

    run(scenario())


def test_announcements_that_were_trimmed_before_they_were_read_are_noticed(
    client: redis.Redis, settings: Settings, writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "READ_COUNT", 3)

    async def scenario() -> None:
        async with opened(settings) as tape:
            writer.announce(*range(1, 9))
            client.xtrim(keys.tape(0), maxlen=4, approximate=False)
            with pytest.raises(TapeLostError, match="trimmed"):
                await tape.read()
            assert not await tape.intact()
            await tape.open()
            assert await tape.intact()
            writer.announce(9)
            assert await drained(tape) == [9]

    run(scenario())


def test_a_tape_that_went_back_is_noticed_at_the_first_read(
    client: redis.Redis, settings: Settings, writer: Writer
) -> None:
    """Redis came back without the newest announcements, and others were announced since."""

    async def scenario() -> None:
        async with opened(settings) as tape:
            entries = writer.announce(1, 2, 3)
            assert await drained(tape) == [1, 2, 3]
            client.xdel(keys.tape(0), entries[2])
            writer.announce(3, 4)
            with pytest.raises(TapeLostError, match="went back"):
                await tape.read()

    run(scenario())


def test_a_tape_that_began_anew_is_not_intact(
    client: redis.Redis, settings: Settings, writer: Writer
) -> None:
    async def scenario() -> None:
        async with opened(settings) as tape:
            assert await tape.intact()
            writer.announce(1)
            assert await drained(tape) == [1]
            before = tape.position.epoch
            client.flushall()
            assert not await tape.intact()
            await tape.open()
            assert tape.position.epoch not in ("", before)

    run(scenario())


def test_entries_that_are_no_trades_are_passed_over_and_counted(settings: Settings, writer: Writer) -> None:
    async def scenario() -> None:
        writer.announce(1)
        writer.other()
        async with opened(settings) as tape:
            # The seq of the last that can be read: poll tiers ask for what is behind it.
            assert tape.position.offsets[0].seq == 1
            counted = tape.unreadable
            writer.other()
            writer.announce(2)
            writer.other()
            assert await drained(tape) == [2]
            assert tape.unreadable == counted + 2
            assert tape.position.offsets[0].seq == 2
            writer.other()
            assert await drained(tape) == []
            assert await tape.intact()

    run(scenario())


def test_what_was_missed_is_given_from_memory_or_read_back(settings: Settings, writer: Writer) -> None:
    async def scenario() -> None:
        entries = writer.announce(*range(1, 6))
        async with opened(settings, kept=20) as tape:
            entries += writer.announce(6, 7, 8)
            await drained(tape)
            for known in range(8, 0, -1):
                position = at(tape, offset(entries[known - 1], known))
                assert await missed(tape, position) == list(range(known + 1, 9)), known
            assert await missed(tape, at(tape, START)) == list(range(1, 9))

    run(scenario())


def test_no_more_is_read_back_than_is_kept(settings: Settings, writer: Writer) -> None:
    async def scenario() -> None:
        entries = writer.announce(*range(1, 13))
        async with opened(settings, kept=5) as tape:
            assert await missed(tape, at(tape, offset(entries[5]))) is Gap.TOO_FAR
            assert await missed(tape, at(tape, offset(entries[6]))) == [8, 9, 10, 11, 12]
            # And in memory never more than twice as many, however many come back one after the other.
            assert await missed(tape, at(tape, offset(entries[1]))) == list(range(3, 13))
            assert await missed(tape, at(tape, offset(entries[0]))) is Gap.TOO_FAR
            writer.announce(13)
            await drained(tape)
            assert len(tape._recent) == 5

    run(scenario())


def test_a_position_whose_entry_is_gone_cannot_be_honoured(
    client: redis.Redis, settings: Settings, writer: Writer
) -> None:
    async def scenario() -> None:
        entries = writer.announce(*range(1, 8))
        async with opened(settings) as tape:
            client.xtrim(keys.tape(0), maxlen=4, approximate=False)
            assert await missed(tape, at(tape, offset(entries[2]))) is Gap.TRIMMED
            assert await missed(tape, at(tape, START)) is Gap.TRIMMED
            assert await missed(tape, at(tape, offset(entries[3]))) == [5, 6, 7]

    run(scenario())


def test_a_position_of_another_epoch_or_of_other_partitions_cannot_be_honoured(
    settings: Settings, writer: Writer
) -> None:
    async def scenario() -> None:
        async with opened(settings) as tape:
            position = tape.position
            assert await missed(tape, position._replace(epoch="another")) is Gap.EPOCH
            assert await missed(tape, position._replace(offsets=(START, START))) is Gap.EPOCH

    run(scenario())


def test_a_position_ahead_of_the_reader_has_nothing_behind_it(
    client: redis.Redis, settings: Settings, writer: Writer
) -> None:
    async def scenario() -> None:
        async with opened(settings) as tape:
            entries = writer.announce(1, 2, 3)
            assert await missed(tape, at(tape, offset(entries[1]))) == []
            # What another gateway gave is no longer there: the tape went back, and has grown since.
            client.xdel(keys.tape(0), entries[1])
            assert await missed(tape, at(tape, offset(entries[1]))) is Gap.EPOCH
            beyond = offset(entries[2])._replace(ms=offset(entries[2]).ms + 60_000)
            assert await missed(tape, at(tape, beyond)) is Gap.EPOCH

    run(scenario())


def test_partitions_are_read_back_each_by_itself(
    client: redis.Redis, settings: Settings, writer: Writer
) -> None:
    """Also where the client is ahead of this gateway in one partition and far behind in another."""

    async def scenario() -> None:
        behind = writer.announce(1, 2, 3, p=0)
        async with opened(settings, partitions=3) as tape:
            ahead = writer.announce(1, 2, p=1)
            position = at(tape, offset(behind[0]), offset(ahead[1]), START)
            assert await missed(tape, position) == [2, 3]
            writer.announce(1, p=2)
            assert sorted(await drained(tape)) == [1, 1, 2]
            found = await missed(tape, position)
            assert isinstance(found, list)
            assert sorted(found) == [1, 2, 3]
            client.xtrim(keys.tape(0), maxlen=1, approximate=False)
            async with opened(settings, partitions=3) as fresh:
                assert await missed(fresh, position) is Gap.TRIMMED

    run(scenario())


def test_what_was_reached_stays_in_reach_while_it_is_asked_for(settings: Settings, writer: Writer) -> None:
    async def scenario() -> None:
        entries = writer.announce(*range(1, 6))
        async with opened(settings, kept=5) as tape:
            position = at(tape, offset(entries[0]))
            with tape.keeping():
                assert await tape.reach(position) is None
                writer.announce(6, 7, 8)
                await drained(tape)
                assert seqs(tape.after(position)) == [2, 3, 4, 5, 6, 7, 8]
            writer.announce(9)
            await drained(tape)
            assert len(tape._recent) == 5
            assert await missed(tape, position) == list(range(2, 10))

    run(scenario())


def test_reading_back_and_reading_on_at_once_lose_nothing(settings: Settings, writer: Writer) -> None:
    async def scenario() -> None:
        entries = writer.announce(*range(1, 41))
        async with opened(settings, kept=60) as tape:

            async def read_on() -> None:
                for number in range(41, 61):
                    writer.announce(number)
                    await tape.read()

            async def come_back(place: int) -> None:
                with tape.keeping():
                    position = at(tape, offset(entries[place]))
                    assert await tape.reach(position) is None
                    found = seqs(tape.after(position))
                    end = tape.read_to.offsets[0].seq
                assert found == list(range(place + 2, end + 1))

            await asyncio.gather(read_on(), *(come_back(place) for place in range(39, -1, -3)))

    run(scenario())
