"""What clients missed: matched together, cut into batches at any of which a client may stop and come back."""

from __future__ import annotations

import asyncio

import redis
from hypothesis import given
from hypothesis import strategies as st

from engine.gateway.announced import Announced
from engine.gateway.replay import Missed, Replay, batches
from engine.gateway.tape import Gap, Tape
from engine.settings import Settings
from engine.store.connect import connect_async
from schemas.filter import Filter
from schemas.filter_text import parse_filter
from schemas.stream_position import START, Offset, StreamPosition
from tests.gateways import run
from tests.test_gateway_tape import Writer, offset
from tests.trade_strategies import a_trade

entries = st.lists(
    st.tuples(st.integers(0, 2), st.integers(1, 12), st.booleans(), st.booleans()), max_size=60
)
"""Of each announcement: partition, trade, whether it concerns the filter at all, and whether it passes."""


def on_tape(drawn: list[tuple[int, int, bool, bool]]) -> list[tuple[Announced, bool]]:
    """The announcements in order, each partition with its own offsets."""
    made = []
    for at, (p, number, _, passes) in enumerate(drawn, 1):
        trade = a_trade(number, id=f"p{p}_{number}", seq=at)
        made.append((Announced(trade, p, None, Offset(1_000 + at // 3, at, at)), passes))
    return made


def follow(held: dict[str, int], rows: list[Announced], gone: list[Announced]) -> None:
    """What a client does with a batch."""
    for row in rows:
        if held.get(row.trade.id, 0) < row.trade.seq:
            held[row.trade.id] = row.trade.seq
    for row in gone:
        if held.get(row.trade.id, 0) <= row.trade.seq:
            held.pop(row.trade.id, None)


@given(entries, st.integers(1, 5), st.data())
def test_a_client_may_stop_at_any_batch_and_come_back(
    drawn: list[tuple[int, int, bool, bool]], rows: int, data: st.DataObject
) -> None:
    everything = on_tape(drawn)
    concerned = [one for one, (_, _, concerns, _) in zip(everything, drawn, strict=True) if concerns]
    since = StreamPosition("e", (START, START, START))
    ends = [START, START, START]
    for announced, _ in everything:
        assert announced.offset is not None
        ends[announced.partition] = announced.offset
    end = StreamPosition("e", tuple(ends))

    def behind(position: StreamPosition) -> Missed:
        found = [
            (a, passes)
            for a, passes in concerned
            if a.offset is not None and a.offset[:2] > position.offsets[a.partition][:2]
        ]
        return Missed(found, end)

    whole: dict[str, int] = {}
    for batch in batches(behind(since), since, rows):
        follow(whole, list(batch.rows), list(batch.gone))
    expected = {a.trade.id: a.trade.seq for a, passes in concerned if passes}
    for a, passes in concerned:
        if not passes and expected.get(a.trade.id, 0) < a.trade.seq:
            expected.pop(a.trade.id, None)
    assert whole == expected

    resumed: dict[str, int] = {}
    position, rounds = since, 0
    while position != end:
        made = batches(behind(position), position, rows)
        assert all(len(batch.rows) <= rows and batch.skipped == 0 and batch.recovered for batch in made)
        assert made[-1].pos == end.text()
        taken = data.draw(st.integers(1, len(made)))
        for batch in made[:taken]:
            follow(resumed, list(batch.rows), list(batch.gone))
        position = StreamPosition.parse(made[taken - 1].pos)
        rounds += 1
        assert rounds <= len(drawn) + 1
    assert resumed == expected


def test_where_nothing_was_missed_there_is_one_batch_without_rows() -> None:
    end = StreamPosition("e", (Offset(1, 2, 3),))
    (batch,) = batches(Missed([], end), end, 10)
    assert (list(batch.rows), batch.pos, batch.recovered) == ([], end.text(), True)


def test_all_who_come_back_together_get_each_their_own(client: redis.Redis, settings: Settings) -> None:
    writer = Writer(client)

    async def scenario() -> None:
        known = writer.announce(*range(1, 31))
        async with connect_async(settings) as reader, connect_async(settings) as aside:
            tape = Tape(reader, aside, 1, 25)
            await tape.open()
            replay = Replay(tape)

            async def come_back(wanted: Filter, place: int) -> Missed | Gap:
                return await replay.missed(wanted, tape.position._replace(offsets=(offset(known[place]),)))

            asked = [
                (parse_filter(text), place) for place in range(0, 30, 2) for text in ("SPY", "QQQ", "calls")
            ]
            tasks = [asyncio.create_task(come_back(*one)) for one in asked]
            await asyncio.sleep(0)
            tasks[7].cancel()
            found = await asyncio.gather(*tasks, return_exceptions=True)
            for number, ((wanted, place), answer) in enumerate(zip(asked, found, strict=True)):
                if number == 7:
                    assert isinstance(answer, asyncio.CancelledError)
                elif place < 4:
                    assert answer is Gap.TOO_FAR
                else:
                    assert isinstance(answer, Missed)
                    seqs = [announced.trade.seq for announced, passes in answer.found if passes]
                    assert seqs == ([] if wanted.underlying == ("QQQ",) else list(range(place + 2, 31)))
                    assert answer.position == tape.read_to
            await replay.stop()

    run(scenario())
