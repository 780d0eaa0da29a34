"""`flowtape bench match` measures what it says, on a small scale; how fast this machine is decides nothing here."""

from __future__ import annotations

import pytest

from engine.bench import match
from engine.bench.match_load import LOADS, distinct, made_trades
from engine.settings import Settings
from schemas.filter_text import parse_filter


def test_the_bench_compares_the_ways_for_each_load_and_number_of_filters(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(match, "SEARCHED", 100)
    monkeypatch.setattr(match, "SAMPLE", 50)
    monkeypatch.setattr(match, "CHURN", 20)
    figures = match.measure(trades=1_200, rounds=1, counts=(100, 300))
    rows = figures["results"]
    assert [(row["load"], row["filters"]) for row in rows] == [
        (load, count) for load in LOADS for count in (100, 300)
    ]
    for row in rows:
        # All ways named the same trades, or `measure` had raised.
        assert row["searched"] == (100 if row["filters"] == 100 else 50)
        for name in (
            "us_a_trade",
            "tick_ms",
            "searches_ms",
            "searches_redis_ms",
            "loop_ms",
            "matches_a_trade",
        ):
            assert row[name] > 0
        for verb in ("add_us", "remove_us"):
            assert 0 < row[verb]["p50"] <= row[verb]["p99"] <= row[verb]["max"]
    assert [row["matches_a_trade"] for row in rows if row["load"] == "broad"] == [100, 300]
    assert "All ways named the same trades" in " ".join(capsys.readouterr().out.split())


def test_filters_of_a_load_are_different_and_the_same_each_time() -> None:
    rows = made_trades(Settings.load(), 300)
    for maker in LOADS.values():
        wanted = distinct(maker, rows, 200)
        assert len({each.key for each in wanted}) == 200
        assert [each.key for each in distinct(maker, rows, 200)] == [each.key for each in wanted]


def test_a_difference_between_the_ways_ends_the_bench() -> None:
    wanted = parse_filter("SPY")
    match._same({"a": {4}, "b": set()}, [(4, wanted)], [{"a"}])
    with pytest.raises(RuntimeError, match="SPY"):
        match._same({"a": {4}, "b": set()}, [(4, wanted)], [{"a", "b"}])
    with pytest.raises(RuntimeError, match="SPY"):
        match._same({"a": {4}, "b": set()}, [(4, wanted)], [set()])
