"""`flowtape bench search` measures what it says, on a small scale; how fast this machine is decides nothing here."""

from __future__ import annotations

import pytest

from engine.bench.search import FILTERS, ROWS, run


def test_the_bench_compares_eight_filters_while_trades_arrive(capsys: pytest.CaptureFixture[str]) -> None:
    figures = run(trades=4_000, seconds=1.6)
    names = [row["filter"] for row in figures["filters"]]
    assert names[:-1] == list(FILTERS)
    assert len(names) == 8
    # Those that were loaded, and what arrived meanwhile, at the rate that was asked for.
    assert figures["trades"] > 4_000
    assert figures["arriving_per_s"] > 0
    for row in figures["filters"]:
        for kind in ("first", "again", "sorted"):
            assert 0 < row[kind]["p50"] <= row[kind]["p99"]
        # Both ways gave the same rows, or `run` had raised.
        assert 0 < row["rows"] <= ROWS
    assert "Both ways gave the same rows" in " ".join(capsys.readouterr().out.split())
