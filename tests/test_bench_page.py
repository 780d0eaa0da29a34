"""`flowtape bench page` measures what it says, on a small scale; how fast this machine is decides nothing here."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.bench import page
from engine.bench.page_browser import chromium_path
from engine.settings import Settings
from schemas.errors import FlowtapeError

FIGURES = {
    "opening": {"first_rows_ms": [1_900, 2_100, 1_950], "page_bytes": 599_999},
    "live": {"frames_per_s": 55.0, "longest_task_ms": 50.0},
    "heap": {"growth": 0.05},
    "paint": {"p99": 149.0},
}
"""All at their bound."""


def test_the_bench_watches_the_page_at_rest_and_while_trades_arrive(
    settings_with_chromium: Settings,
    stack: Path,
    built_page: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("FLOWTAPE_PAGE_DIR", str(built_page))
    monkeypatch.setattr(page, "OPENINGS", 2)
    figures = page.run(rate=50, seconds=3, rows=300)
    assert figures["faults"] == []
    assert figures["rows"]["start"] >= 300
    assert 0 < figures["fed_per_s"] <= 55
    for part in (figures["idle"], figures["live"]):
        assert 0 < part["frames_per_s"] <= 61
        assert 0 < part["script"] < part["busy"] <= 1.1
    paint = figures["paint"]
    assert 0 < paint["p50"] <= paint["p99"] <= paint["worst"]
    # Some of the feed's prints take others back and are no rows of their own.
    assert 100 < paint["rows"] + paint["never"] <= 150
    assert figures["heap"]["start"] > 1_000_000
    opening = figures["opening"]
    assert all(0 < ms < 60_000 for ms in opening["first_rows_ms"])
    assert 0 < opening["bytes"]["Script"] <= opening["page_bytes"] < sum(opening["bytes"].values()) + 1
    said = " ".join(capsys.readouterr().out.split())
    assert "print to paint: p50" in said
    assert said.count("reached ") + said.count("missed ") == len(page.GOALS)


def test_goals_are_reached_at_their_bound_and_missed_beyond() -> None:
    assert page.verdicts(FIGURES) == dict.fromkeys(page.GOALS, True)
    beyond = {
        "opening": {"first_rows_ms": [2_000, 1, 2_001], "page_bytes": 600_000},
        "live": {"frames_per_s": 54.9, "longest_task_ms": 50.1},
        "heap": {"growth": 0.051},
        "paint": {"p99": 150.0},
    }
    assert page.verdicts(beyond) == dict.fromkeys(page.GOALS, False)
    # Nothing was painted at all.
    assert not page.verdicts(FIGURES | {"paint": {"p99": 0}})["paint_p99_ms"]


def test_without_a_chromium_it_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(FlowtapeError, match="No Chromium was found") as caught:
        chromium_path(Settings.load())
    assert "FLOWTAPE_CHROMIUM" in str(caught.value.remedy)
    with pytest.raises(FlowtapeError, match="which is no file"):
        chromium_path(Settings.load(chromium=tmp_path / "none"))
    program = tmp_path / "chromium"
    program.touch(mode=0o755)
    assert chromium_path(Settings.load()) == program
