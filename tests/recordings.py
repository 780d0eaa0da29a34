"""Recorded files as tests see them: what their rows become, and `flowtape replay` as a person runs it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import msgspec

from engine.feeds.file_format import Row, Skipped
from engine.feeds.registry import file_format
from engine.settings import Settings
from schemas.print import Print, Reference, Reject

ROOT = Path(__file__).parents[1]
CAPTURES = Path(__file__).parent / "captures"

REPLAY_S = 300.0
"""What has not ended by then hangs."""


def told(row: Row) -> dict[str, Any]:
    """A row as the captures tell it; when it was received is nothing that a file could say."""
    match row:
        case Print():
            fields = json.loads(msgspec.json.encode(row))
            del fields["received"]
            return {"print": fields}
        case Reference():
            return {"reference": json.loads(msgspec.json.encode(row))}
        case Reject():
            return {"reject": row.reason}
        case Skipped():
            return {"skipped": row.reason} | ({"rows": row.rows} if row.rows > 1 else {})


def rows_of(name: str, path: Path) -> list[Row]:
    """All rows of a file in a format."""
    return list(file_format(name).read(path, Settings()))


def becomes(path: Path) -> list[dict[str, Any]]:
    """What the rows of a capture must become: the lines of the file beside it."""
    text = path.with_name(f"{path.name}.becomes.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def prints_of(name: str, path: Path) -> list[Print]:
    """The prints of a file."""
    return [row for row in rows_of(name, path) if isinstance(row, Print)]


def zipped(path: Path, folder: Path) -> Path:
    """A zip of the files of a folder, which stands for one of Lean's."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for entry in sorted(folder.iterdir()):
            archive.write(entry, entry.name)
    return path


def run_replay(
    settings: Settings, *words: str | Path, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run `flowtape replay` in a process of its own against the tests' Redis."""
    assert settings.redis_url is not None
    return subprocess.run(
        [sys.executable, "-m", "engine.cli", "replay", *map(str, words)],
        cwd=ROOT,
        env={**os.environ, "FLOWTAPE_REDIS_URL": settings.redis_url, **environment},
        capture_output=True,
        text=True,
        timeout=REPLAY_S,
        check=False,
    )


def replayed(settings: Settings, *words: str | Path, **environment: str) -> dict[str, Any]:
    """Run `flowtape replay`, which must end well; its account."""
    done = run_replay(settings, *words, "--json", **environment)
    assert done.returncode == 0, done.stderr
    account: dict[str, Any] = json.loads(done.stdout)
    return account
