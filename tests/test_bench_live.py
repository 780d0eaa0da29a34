"""`flowtape bench live` measures what it says, on a small scale; how fast this machine is decides nothing here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from engine.bench import live
from engine.bench.live_check import Latency, check, latency_of
from engine.bench.stream_receivers import Kept
from engine.gateway.announced import Announced
from schemas.filter import Filter
from schemas.filter_text import parse_filter
from schemas.messages import ENCODINGS, MSGPACK, Batch
from schemas.trade import Trade
from tests.stream_server import row_of
from tests.trade_strategies import a_trade

CALLS = parse_filter("calls")
SWEEPS = parse_filter("sweep")


def test_the_bench_checks_all_clients_and_asks_the_plain_design_too(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "WARM_S", 0.5)
    figures = live.run(clients=20, rate=200, seconds=2, idle=30, highest=400)
    tried = figures["highest"]["tried"]
    assert [step["clients"] for step in tried] == [20] * len(tried)
    for part in (figures["live"], figures["idle"], *tried):
        assert (part["lost"], part["doubled"], part["wrong"], part["errors"]) == (0, 0, 0, 0)
        assert part["closed"] == {}
        assert set(part["cpu"]) == {"feed", "indexer", "redis", "gateway", "clients"}
    assert figures["idle"]["clients"] == 30
    delay = figures["live"]["latency"]
    assert 0 < delay["p50"] <= delay["p99"] <= delay["worst"]
    assert 0 < delay["rows"] <= figures["live"]["rows"]
    polled = figures["polling"]
    for way in ("each_interval", "flat_out"):
        assert polled[way]["searches"] >= 20
        assert polled[way]["rows_per_search"] > 0
    assert 0 < polled["each_interval"]["latency"]["p50"] <= polled["each_interval"]["latency"]["p99"]
    assert polled["users_sustained"] > 0
    said = " ".join(capsys.readouterr().out.split())
    assert "Highest rate held" in said
    assert "The plain design sustains" in said


def kept(client: int, *trades: Trade, at: float = 1_700_000_000_010, **more: Any) -> Kept:
    """A batch of these trades as a client got it."""
    batch = Batch("a", [row_of(trade) for trade in trades], "p1_0", **{"skipped": 0, **more})
    return Kept(client, at, ENCODINGS[MSGPACK].encode(batch))


def tape_of(*trades: Trade | tuple[Trade, Trade]) -> list[Announced]:
    """The tape with these trades; of a pair, the second is what the first was before."""
    return [
        Announced(each[0], 0, each[1]) if isinstance(each, tuple) else Announced(each, 0) for each in trades
    ]


def found(got: Sequence[Kept], filters: Sequence[Filter], tape: Sequence[Announced]) -> Any:
    return check(got, filters, tape, 0, float("inf"))


def test_what_is_whole_is_neither_lost_nor_doubled_nor_wrong() -> None:
    one, two, put = a_trade(1), a_trade(2), a_trade(3, right="P", underlying="QQQ")
    got = [kept(0, two, one), kept(1, put, two, one)]
    result = found(got, [CALLS, Filter()], tape_of(one, two, put))
    assert (result.lost, result.doubled, result.wrong, result.skipped) == (0, 0, 0, 0)
    assert (result.frames, result.rows, result.rows_per_batch) == (2, 5, 2.5)
    assert result.latency == Latency(5, 10, 10, 10)


def test_a_trade_that_did_not_come_is_lost_unless_it_was_said_to_be_skipped() -> None:
    one, two = a_trade(1), a_trade(2)
    assert found([kept(0, two)], [CALLS], tape_of(one, two)).lost == 1
    assert found([kept(0, two, skipped=1)], [CALLS], tape_of(one, two)).lost == 0
    assert found([], [CALLS, CALLS], tape_of(one, two)).lost == 4


def test_what_is_missing_may_be_asked_of_some_clients_only() -> None:
    tape = tape_of(a_trade(1))
    assert check([], [CALLS] * 10, tape, 0, float("inf"), every=5).lost == 2
    assert check([kept(5, a_trade(1))], [CALLS] * 10, tape, 0, float("inf"), every=5).lost == 1


def test_a_version_that_came_twice_is_doubled() -> None:
    one = a_trade(1)
    assert found([kept(0, one), kept(0, one)], [CALLS], tape_of(one)).doubled == 1
    assert found([kept(0, one), kept(1, one)], [CALLS, CALLS], tape_of(one)).doubled == 0


def test_a_trade_that_does_not_pass_or_is_not_on_the_tape_is_wrong() -> None:
    put, stranger = a_trade(1, right="P"), a_trade(2)
    assert found([kept(0, put)], [CALLS], tape_of(put)).wrong == 1
    # It is not there to be had, and it does not pass.
    assert found([kept(0, stranger)], [CALLS], tape_of(put)).wrong == 2


def test_a_rewritten_trade_is_due_as_it_is_now_and_its_delay_does_not_count() -> None:
    was = a_trade(1)
    now = a_trade(1, seq=2, flags=("sweep",))
    tape = tape_of(was, (now, was))
    both = found([kept(0, was), kept(0, now)], [CALLS], tape)
    assert (both.lost, both.doubled, both.wrong, both.superseded, both.latency.rows) == (0, 0, 0, 0, 1)
    newest = found([kept(0, now)], [CALLS], tape)
    assert (newest.lost, newest.superseded, newest.latency.rows) == (0, 1, 0)
    assert found([kept(0, was)], [CALLS], tape).lost == 1


def test_a_trade_that_left_a_filter_must_be_said_to_be_gone() -> None:
    was = a_trade(1, flags=("sweep",))
    now = a_trade(1, seq=2)
    tape = tape_of(was, (now, was))
    assert found([kept(0, was), kept(0, gone=[row_of(now)])], [SWEEPS], tape).wrong == 0
    assert found([kept(0, was)], [SWEEPS], tape).wrong == 1


def test_delays_are_taken_of_trades_that_were_received_within_the_time() -> None:
    early, late = a_trade(1, received=100), a_trade(2, received=200)
    result = check([kept(0, late, early, at=203)], [CALLS], tape_of(early, late), 150, 250)
    assert result.latency == Latency(1, 3, 3, 3)


def test_percentiles_are_of_the_nearest_rank() -> None:
    assert latency_of([float(n) for n in range(200, 0, -1)]) == Latency(200, 100, 198, 200)
    assert latency_of([]) == Latency(0, 0, 0, 0)


def test_errors_are_counted_and_the_longest_silence_of_one_client_is_told() -> None:
    pack = msgspec.msgpack.encode
    beat = pack({"op": "heartbeat", "t": 1, "lag_ms": 0})
    got = [
        Kept(0, 1_000.0, beat),
        Kept(1, 5_000.0, beat),
        Kept(1, 9_000.0, beat),
        Kept(0, 4_000.0, pack({"op": "error", "code": "source_unavailable", "message": "away"})),
    ]
    result = found(got, [CALLS, CALLS], [])
    assert (result.frames, result.silence_s, result.errors, result.rows) == (4, 4.0, 1, 0)


def test_rare_filters_differ_from_each_other() -> None:
    filters = live.rare(500)
    assert len({wanted.key for wanted in filters}) == 500
