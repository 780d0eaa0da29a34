"""How far a replay is, for people with a terminal and for logs."""

from __future__ import annotations

import os
import pty
import subprocess
import sys

import pytest

from engine.replay import progress as replay_progress
from engine.replay.progress import ReplayProgress
from engine.settings import Settings
from tests.recordings import CAPTURES, ROOT


def test_without_a_terminal_it_writes_a_line_now_and_then(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(replay_progress, "LINE_S", 0.0)
    with ReplayProgress() as progress:
        progress.stage("publishing", 2_000)
        progress.advance(500)
        progress.advance(1_500)
        progress.stage("indexing", None)
        progress.left(400)
        progress.left(100)
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(",", 1)[0] for line in lines[:1]] == ["publishing: 500 of 2"]
    assert lines[1].startswith("publishing: 2,000 of 2,000, ")
    assert lines[2].startswith("indexing: 0 of 400, 0.0/s")
    assert lines[3].startswith("indexing: 300 of 400, ")
    assert lines[3].endswith("s left")


def test_within_seconds_it_writes_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with ReplayProgress() as progress:
        progress.stage("publishing", 10)
        progress.advance(10)
    assert capsys.readouterr().err == ""


def test_in_a_terminal_it_draws_a_bar_on_standard_error_alone(settings: Settings) -> None:
    assert settings.redis_url is not None
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "engine.cli",
            "replay",
            str(CAPTURES / "unusual_whales" / "recording.txt"),
            "--json",
        ],
        cwd=ROOT,
        env={**os.environ, "FLOWTAPE_REDIS_URL": settings.redis_url, "TERM": "xterm"},
        stdout=subprocess.PIPE,
        stderr=theirs,
    )
    os.close(theirs)
    drawn = b""
    try:
        while part := os.read(ours, 4_096):
            drawn += part
    except OSError:
        pass  # Linux ends a terminal without the other side this way.
    finally:
        os.close(ours)
    out, _ = process.communicate()
    assert process.returncode == 0
    assert out.startswith(b"{")
    assert b"indexing" in drawn
    assert b"\x1b[" in drawn
