"""The indexer on a real Redis: what it writes, once, in which order, and what it does when things go wrong."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
import pytest
import redis

from engine.indexer import Indexer
from engine.print_reader import READ_COUNT
from engine.scripts import script
from engine.settings import Settings
from engine.store.connect import connect
from schemas import keys
from schemas.errors import IndexMismatchError, NotOwnerError
from schemas.flags import Flag
from schemas.print import Print, Reference
from tests.indexing import NOON, a_print, append, contract, counts, dump, index, tape, trades, unprocessed

SPY = "SPY261218C00600000"


def test_a_print_becomes_a_document_an_announcement_and_day_volume(
    client: redis.Redis, settings: Settings
) -> None:
    append(client, [a_print(1, underlying_price=590.0, open_interest=1_000, iv=0.2, conditions=("I",))])
    index(client, settings)
    trade = trades(client)["t_1"]
    assert msgspec.structs.asdict(trade) == {
        "id": "t_1", "seq": 1, "ts": NOON, "received": NOON, "underlying": "SPY", "symbol": SPY, "right": "C",
        "expiry": 20261218, "strike": 600, "price": 2.0, "size": 10, "premium": 2000, "bid": 1.9, "ask": 2.0,
        "underlying_price": 590.0, "dte": 27, "otm_pct": 1.6949, "volume": 10, "open_interest": 1_000,
        "vol_oi": 0.01, "iv": 0.2, "delta": None, "side": "ask", "sentiment": "bullish", "flags": (),
        "conditions": ("I",), "exchange": "XCBO",
    }  # fmt: skip
    assert tape(client) == [trade]
    assert contract(client, SPY) == {"date": 20261121, "volume": 10, "open_interest": 1_000}
    assert counts(client) == {"test:indexed": 1}
    assert client.hgetall(keys.clock(0)) == {b"seq": b"1", b"ts": str(NOON).encode()}
    assert unprocessed(client) == 0


def test_a_document_has_every_field_even_where_it_is_unknown(client: redis.Redis, settings: Settings) -> None:
    append(client, [a_print(1, bid=None, ask=None)])
    index(client, settings)
    document = msgspec.json.decode(client.execute_command("JSON.GET", keys.trade(0, "t_1")))
    assert document["bid"] is None
    assert document["iv"] is None
    assert list(document) == list(trades(client)["t_1"].__struct_fields__)


def test_the_index_finds_what_was_written_under_its_alias(client: redis.Redis, settings: Settings) -> None:
    append(client, [a_print(n, size=n) for n in range(1, 21)])
    index(client, settings)
    found: Any = client.execute_command("FT.SEARCH", "trades", "@size:[11 +inf] @side:{ask}", "NOCONTENT")
    assert found[b"total_results"] == 10


def test_notable_trades_are_kept_longer(client: redis.Redis, settings: Settings) -> None:
    append(client, [a_print(1), a_print(2, size=600, ts=NOON + 5_000)])
    index(client, settings)
    ordinary, notable = settings.ttl_ordinary * 1000, settings.ttl_notable * 1000
    assert ordinary - 60_000 < client.pttl(keys.trade(0, "t_1")) <= ordinary
    assert notable - 60_000 < client.pttl(keys.trade(0, "t_2")) <= notable


def test_a_print_that_comes_again_changes_nothing(client: redis.Redis, settings: Settings) -> None:
    prints = [a_print(n, ts=NOON + n, exchange=("XCBO", "XPHL")[n % 2]) for n in range(300)]
    append(client, prints)
    index(client, settings)
    before = dump(client)
    append(client, prints[:150])
    append(client, prints)
    append(client, [prints[0], prints[0]])
    index(client, settings, "two")
    assert dump(client) == before
    assert counts(client)["test:indexed"] == 300
    assert counts(client)["test:duplicates"] == 452
    assert contract(client, SPY)["volume"] == 3_000


def test_new_prints_among_duplicates_are_counted_right(client: redis.Redis, settings: Settings) -> None:
    append(client, [a_print(n) for n in range(0, 200, 3)])
    index(client, settings)
    append(client, [a_print(n) for n in range(200)])
    index(client, settings)
    found = trades(client)
    assert len(found) == 200
    assert contract(client, SPY)["volume"] == 2_000
    assert sorted(t.volume or 0 for t in found.values()) == list(range(10, 2_001, 10))
    assert len({t.seq for t in tape(client)}) == len(tape(client))


def test_seq_rises_strictly_along_the_tape(client: redis.Redis, settings: Settings) -> None:
    append(client, [a_print(n, ts=NOON + 40 * n, exchange="ABC"[n % 3]) for n in range(500)])
    index(client, settings)
    seqs = [trade.seq for trade in tape(client)]
    assert seqs == sorted(set(seqs))


def test_a_later_leg_rewrites_the_earlier_one_and_announces_it_again(
    client: redis.Redis, settings: Settings
) -> None:
    append(client, [a_print(1, size=400)])
    index(client, settings)
    # The first leg was written by another indexer, long gone: its last moments come from the tape.
    append(client, [a_print(2, exchange="XPHL", ts=NOON + 200, size=400)])
    index(client, settings, "two")
    found = trades(client)
    assert [Flag.SWEEP in found[i].flags for i in ("t_1", "t_2")] == [True, True]
    assert [(t.id, t.seq) for t in tape(client)] == [("t_1", 1), ("t_2", 2), ("t_1", 3)]
    assert found["t_1"].seq == 3
    assert said_before(client) == [None, None, ["ask", "bullish", []]]
    assert client.pttl(keys.trade(0, "t_1")) > settings.ttl_ordinary * 1000
    assert contract(client, SPY)["volume"] == 800
    assert counts(client) == {"test:indexed": 2, "test:rewritten": 1}


def said_before(client: redis.Redis) -> list[Any]:
    """What each announcement says of the trade's former version."""
    entries: Any = client.xrange(keys.tape(0))
    return [msgspec.msgpack.decode(fields[b"w"]) if b"w" in fields else None for _, fields in entries]


def test_the_announcement_of_a_withdrawn_trade_says_what_it_was(
    client: redis.Redis, settings: Settings
) -> None:
    for print_ in (a_print(1, size=7), a_print(2, size=7, ts=NOON + 60_000, conditions=("A",))):
        append(client, [print_])
        index(client, settings)
    assert [(t.id, t.side) for t in tape(client)] == [("t_1", "ask"), ("t_2", "none"), ("t_1", "none")]
    assert said_before(client) == [None, None, ["ask", "bullish", []]]


def test_legs_in_one_batch_are_announced_once_each(client: redis.Redis, settings: Settings) -> None:
    append(client, [a_print(1), a_print(2, exchange="XPHL")])
    index(client, settings)
    assert [(t.id, Flag.SWEEP in t.flags) for t in tape(client)] == [("t_1", True), ("t_2", True)]


def test_a_trade_that_expired_is_not_brought_back_by_a_later_leg(
    client: redis.Redis, settings: Settings
) -> None:
    append(client, [a_print(1)])
    index(client, settings)
    client.delete(keys.trade(0, "t_1"))
    append(client, [a_print(2, exchange="XPHL")])
    index(client, settings)
    assert set(trades(client)) == {"t_2"}
    assert [t.id for t in tape(client)] == ["t_1", "t_2"]


@pytest.mark.parametrize("together", [True, False])
def test_a_cancel_withdraws_the_trade_and_its_volume(
    client: redis.Redis, settings: Settings, together: bool
) -> None:
    prints = [a_print(1), a_print(2, size=7), a_print(3, size=7, ts=NOON + 60_000, conditions=("A",))]
    for part in [prints] if together else [[p] for p in prints]:
        append(client, part)
        index(client, settings)
    found = trades(client)
    assert len(found) == 3
    assert (found["t_2"].side, found["t_2"].sentiment, found["t_2"].flags) == (
        "none",
        "neutral",
        ("cancelled",),
    )
    assert Flag.CANCELLED in found["t_3"].flags
    assert Flag.CANCELLED not in found["t_1"].flags
    assert contract(client, SPY)["volume"] == 10
    assert counts(client) == {"test:indexed": 2, "test:cancels": 1} | (
        {} if together else {"test:rewritten": 1}
    )
    before = dump(client)
    append(client, prints)
    index(client, settings)
    assert dump(client) == before


def test_a_cancel_of_an_unknown_trade_is_kept_and_counted(client: redis.Redis, settings: Settings) -> None:
    append(client, [a_print(1), a_print(2, price=9.0, conditions=("A",))])
    index(client, settings)
    assert contract(client, SPY)["volume"] == 10
    assert counts(client) == {"test:indexed": 1, "test:cancels": 1, "test:cancels_unmatched": 1}


def test_open_interest_of_the_morning_is_used_by_the_prints_after_it(
    client: redis.Redis, settings: Settings
) -> None:
    append(client, [Reference(feed="test", symbol=SPY, date=20261121, open_interest=5), a_print(1)])
    index(client, settings)
    assert (trades(client)["t_1"].open_interest, trades(client)["t_1"].vol_oi) == (5, 2.0)
    append(client, [Reference(feed="test", symbol=SPY, date=20261120, open_interest=99), a_print(2)])
    index(client, settings)
    assert trades(client)["t_2"].open_interest == 5


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ({"d": b"\xc1"}, "malformed"),
        ({"d": msgspec.msgpack.encode({"id": "x", "feed": "test"})}, "missing required field `ts`"),
        (
            {"d": msgspec.msgpack.encode({**msgspec.structs.asdict(a_print(3)), "size": "many"})},
            "Expected `int`",
        ),
        ({"d": msgspec.msgpack.encode(a_print(3, price=float("nan")))}, "price nan"),
        ({"d": msgspec.msgpack.encode(a_print(3, symbol="SPY"))}, "'SPY' is not an OSI symbol"),
        ({"x": b"1"}, "neither a field d nor a field r"),
    ],
)
def test_what_cannot_be_processed_goes_to_the_dead_stream_and_stops_nothing(
    client: redis.Redis, settings: Settings, entry: dict[Any, Any], reason: str
) -> None:
    append(client, [a_print(1)])
    client.xadd(keys.prints(0), entry)
    append(client, [a_print(2)])
    index(client, settings)
    assert set(trades(client)) == {"t_1", "t_2"}
    assert unprocessed(client) == 0
    dead: Any = client.xrange(keys.dead(0))
    assert len(dead) == 1
    fields = dead[0][1]
    assert reason.lower() in fields[b"reason"].decode().lower()
    assert fields[b"raw"] == entry.get("d", b"")


def test_a_contract_whose_state_is_damaged_does_not_stop_the_others(
    client: redis.Redis, settings: Settings
) -> None:
    client.set(keys.contract(0, SPY), "not a hash")
    append(client, [a_print(1), a_print(2, symbol="QQQ261218C00600000")])
    index(client, settings)
    assert set(trades(client)) == {"t_2"}
    assert client.xlen(keys.dead(0)) == 1
    assert counts(client)["test:dead"] == 1


def test_a_contract_outlives_its_last_print_by_a_day_and_a_half(
    client: redis.Redis, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    append(client, [a_print(1)])
    index(client, settings)
    day_and_a_half = 36 * 3_600_000
    assert day_and_a_half - 60_000 < client.pttl(keys.contract(0, SPY)) <= day_and_a_half
    client.pexpire(keys.contract(0, SPY), 1_000_000)
    monkeypatch.setattr("engine.batch.RENEW_MS", 0)
    append(client, [a_print(2), a_print(3)])
    index(client, settings)
    assert client.pttl(keys.contract(0, SPY)) > day_and_a_half - 60_000


def test_only_one_indexer_owns_a_partition(client: redis.Redis, settings: Settings) -> None:
    client.set(keys.owner(0), "another", px=60_000)
    append(client, [a_print(1)])
    indexer = Indexer(client, settings, 0, "one")
    asked = iter([False, False, True])
    indexer.run(lambda: next(asked))
    assert trades(client) == {}
    assert client.get(keys.owner(0)) == b"another"


def test_a_batch_of_one_who_lost_the_partition_is_not_written(
    client: redis.Redis, settings: Settings
) -> None:
    client.set(keys.owner(0), "another", px=60_000)
    with pytest.raises(NotOwnerError, match="another"):
        script("index_trades").run(
            client,
            [
                keys.prints(0),
                keys.tape(0),
                keys.owner(0),
                keys.clock(0),
                keys.counts(0),
                keys.trade(0, "t_1"),
            ],
            ["one", 3000, keys.INDEXER_GROUP, 0, 1, NOON, 1000, 1, 0, 0, 0, 0, "{}", b"", 1000],
        )
    assert client.exists(keys.trade(0, "t_1"), keys.tape(0), keys.clock(0)) == 0


@contextmanager
def running(settings: Settings, name: str) -> Iterator[Indexer]:
    """An indexer in a thread, stopped in order at the end."""
    stop = threading.Event()
    with connect(settings) as own:
        indexer = Indexer(own, settings, 0, name)
        thread = threading.Thread(target=indexer.run, args=(stop.is_set,))
        thread.start()
        try:
            yield indexer
        finally:
            stop.set()
            thread.join(30)
            assert not thread.is_alive()


def wait_until(condition: Any, seconds: float = 20.0) -> None:
    """Wait for a condition; fails after a generous time."""
    pause = threading.Event()
    for _ in range(int(seconds / 0.02)):
        if condition():
            return
        pause.wait(0.02)
    raise AssertionError("waited in vain")


def test_a_standby_takes_over_what_a_dead_owner_left_unacknowledged(
    client: redis.Redis, settings: Settings
) -> None:
    quick = settings.model_copy(update={"owner_ttl_ms": 500})
    append(client, [a_print(n) for n in range(50)])
    client.xgroup_create(keys.prints(0), keys.INDEXER_GROUP, id="0")
    # The dead owner read 30 prints and never acknowledged them.
    client.xreadgroup(keys.INDEXER_GROUP, "dead", {keys.prints(0): ">"}, count=30)
    client.set(keys.owner(0), "dead", px=400)
    with running(quick, "standby"):
        wait_until(lambda: unprocessed(client) == 0)
    assert len(trades(client)) == 50
    assert contract(client, SPY)["volume"] == 500


def test_stopping_gives_the_partition_up_at_once(client: redis.Redis, settings: Settings) -> None:
    append(client, [a_print(n) for n in range(2 * READ_COUNT)])
    with running(settings, "one"):
        wait_until(lambda: client.xlen(keys.tape(0)) > 0)
    assert client.get(keys.owner(0)) is None
    # Whatever it had read was finished; the rest waits for the next one.
    pending: Any = client.xpending(keys.prints(0), keys.INDEXER_GROUP)
    assert pending["pending"] == 0
    index(client, settings)
    assert len(trades(client)) == 2 * READ_COUNT


def test_two_indexers_at_once_double_nothing(client: redis.Redis, settings: Settings) -> None:
    quick = settings.model_copy(update={"owner_ttl_ms": 500})
    with running(quick, "one"), running(quick, "two"):
        for start in range(0, 2_000, 100):
            append(client, [a_print(n) for n in range(start, start + 100)])
            if start % 500 == 0:
                # As if the owner had been away too long.
                client.delete(keys.owner(0))
        wait_until(lambda: unprocessed(client) == 0 and client.xlen(keys.prints(0)) > 0)
    assert len(trades(client)) == 2_000
    assert contract(client, SPY)["volume"] == 20_000
    assert {t.id for t in tape(client)} == set(trades(client))
    assert counts(client)["test:indexed"] == 2_000


def test_state_written_by_another_indexer_is_loaded_again(client: redis.Redis, settings: Settings) -> None:
    with running(settings, "one"):
        append(client, [a_print(1)])
        wait_until(lambda: client.xlen(keys.tape(0)) == 1)
        client.hset(keys.clock(0), "seq", 1_000)
        client.hset(keys.contract(0, SPY), "volume", 70)
        append(client, [a_print(2)])
        wait_until(lambda: client.xlen(keys.tape(0)) == 2)
    assert (trades(client)["t_2"].seq, trades(client)["t_2"].volume) == (1_001, 80)


def test_the_stream_is_trimmed_but_never_past_what_is_acknowledged(
    client: redis.Redis, settings: Settings
) -> None:
    append(client, [a_print(n) for n in range(1_000)])
    client.xgroup_create(keys.prints(0), keys.INDEXER_GROUP, id="0")
    arguments = ([keys.prints(0)], [keys.INDEXER_GROUP, 100])
    assert script("trim_prints").run(client, *arguments) == 0
    read: Any = client.xreadgroup(keys.INDEXER_GROUP, "c", {keys.prints(0): ">"}, count=600)
    ids = [entry[0] for entry in read[keys.prints(0).encode()][0]]
    client.xack(keys.prints(0), keys.INDEXER_GROUP, *ids[:300], *ids[301:])
    assert script("trim_prints").run(client, *arguments) > 0
    oldest: Any = client.xrange(keys.prints(0), count=1)
    assert oldest[0][0] <= ids[300]
    client.xack(keys.prints(0), keys.INDEXER_GROUP, ids[300])
    script("trim_prints").run(client, *arguments)
    assert 400 <= client.xlen(keys.prints(0)) <= 600
    assert unprocessed(client) == 400


def test_prints_are_trimmed_while_indexing(
    client: redis.Redis, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.tenure.TRIM_EVERY", 500)
    append(client, [a_print(n) for n in range(3_000)])
    index(client, settings.model_copy(update={"prints_length": 200}))
    assert client.xlen(keys.prints(0)) < 3_000
    assert len(trades(client)) == 3_000


def test_the_tape_is_bounded(client: redis.Redis, settings: Settings) -> None:
    append(client, [a_print(n) for n in range(3_000)])
    index(client, settings.model_copy(update={"tape_length": 1_000}))
    assert 1_000 <= client.xlen(keys.tape(0)) < 1_300


def test_each_partition_has_its_own_documents_and_no_alias(client: redis.Redis, settings: Settings) -> None:
    several = settings.model_copy(update={"partitions": 3})
    tickers = ["SPY", "QQQ", "TSLA", "NVDA", "AAPL", "IWM"]
    prints: list[Print] = [a_print(n, symbol=f"{t}261218C00600000") for n, t in enumerate(tickers)]
    append(client, prints, partitions=3)
    found = 0
    for p in range(3):
        if client.exists(keys.prints(p)):
            index(client, several, partition=p)
        for trade in trades(client, p).values():
            assert keys.partition_of(trade.underlying, 3) == p
            found += 1
    assert found == len(tickers)
    with pytest.raises(redis.ResponseError):
        client.execute_command("FT.SEARCH", "trades", "*")


def test_an_index_of_another_version_is_an_error_with_the_remedy(
    client: redis.Redis, settings: Settings
) -> None:
    client.execute_command(
        "FT.CREATE",
        keys.index(0),
        "ON",
        "JSON",
        "PREFIX",
        1,
        keys.trade_prefix(0),
        "SCHEMA",
        "$.id",
        "AS",
        "id",
        "TAG",
    )
    with pytest.raises(IndexMismatchError, match="DROPINDEX"):
        index(client, settings)


def test_an_indexer_takes_over_though_the_tape_holds_what_is_no_trade(
    client: redis.Redis, settings: Settings
) -> None:
    append(client, [a_print(1)])
    index(client, settings, "one")
    client.xadd(keys.tape(0), {"d": b"\xc1 of another version"})
    client.xadd(keys.tape(0), {"other": b""})
    # What it can read still makes sweeps.
    append(client, [a_print(2, ts=NOON + 100, exchange="XPHL")])
    index(client, settings, "two")
    assert {i: Flag.SWEEP in trade.flags for i, trade in trades(client).items()} == {"t_1": True, "t_2": True}
