"""Recordings of Unusual Whales' WebSocket."""

from __future__ import annotations

import tempfile
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.feeds.file_format import Row, Skipped
from engine.feeds.recognise import recognise
from engine.feeds.text_file import LINE_BYTES
from engine.feeds.unusual_whales_file import FORMAT
from engine.settings import Settings
from schemas.errors import FileFormatError
from schemas.print import Print, Reject
from tests.recordings import CAPTURES, becomes, prints_of, rows_of, told

RECORDING = CAPTURES / "unusual_whales" / "recording.txt"
FRAMES = "unusual_whales/demo_optiontrades_20250516_131951.txt"
ALERTS = "unusual_whales/demo_flowalerts_20250516_131951.txt"
A_FRAME = RECORDING.read_text().splitlines()[2]


def test_rows_become_what_stands_beside_them() -> None:
    assert [told(row) for row in rows_of("unusual-whales", RECORDING)] == becomes(RECORDING)


def test_every_line_of_the_file_becomes_one_row() -> None:
    assert len(rows_of("unusual-whales", RECORDING)) == FORMAT.total(RECORDING)


def test_the_recorded_frames_give_a_print_each(data: Path) -> None:
    rows = rows_of("unusual-whales", data / FRAMES)
    prints = [row for row in rows if isinstance(row, Print)]
    assert len(prints) == len({p.id for p in prints}) == 17
    assert len(rows) == FORMAT.total(data / FRAMES)
    assert not any(isinstance(row, Reject) for row in rows)


def test_recorded_flow_alerts_are_counted_and_no_trades(data: Path) -> None:
    rows = rows_of("unusual-whales", data / ALERTS)
    assert sum(row == Skipped("flow alert, no trade") for row in rows) == 17
    assert sum(row == Skipped("control frame") for row in rows) == len(rows) - 17


def test_the_file_is_known_by_its_channels(data: Path) -> None:
    assert recognise(RECORDING).name == "unusual-whales"
    assert recognise(data / ALERTS).name == "unusual-whales"


def test_a_file_without_a_frame_is_another_file_and_not_a_thousand_rejects(tmp_path: Path) -> None:
    path = tmp_path / "prices.txt"
    path.write_text("close 149.35\n" * 1_000)
    rows: list[Row] = []
    with pytest.raises(FileFormatError, match="no line that is a frame"):
        rows.extend(FORMAT.read(path, Settings()))
    assert rows == []


def test_comments_and_wrong_lines_before_the_first_frame_are_accounted_for(tmp_path: Path) -> None:
    path = tmp_path / "recording.txt"
    path.write_text("# recorded\n" * 500 + "broken\n" * 5 + f"{A_FRAME}\n")
    found = Counter(type(row).__name__ for row in rows_of("unusual-whales", path))
    assert found == {"Skipped": 500, "Reject": 5, "Print": 1}


@pytest.mark.parametrize(
    "payload",
    [
        "[" * 5_000,
        "{" * 5_000,
        "(" * 5_000,
        "-" * 50_000 + "1",
        "{[]: 1}",
        "'\\d'",
        "9" * 6_000,
        "x" * LINE_BYTES,
    ],
    ids=lambda payload: f"{payload[:4]}x{len(payload)}",
)
def test_a_payload_made_to_hurt_the_reader_is_a_reject(payload: str, tmp_path: Path) -> None:
    path = tmp_path / "recording.txt"
    path.write_text(f"{A_FRAME}\n2026-06-12 11:30:05|option_trades:AMD|{payload}\n")
    first, second = rows_of("unusual-whales", path)
    assert isinstance(first, Print)
    assert isinstance(second, Reject)


@given(st.lists(st.binary(max_size=80).map(lambda b: b.replace(b"\n", b"")), max_size=10))
def test_damaged_lines_are_rejects_and_never_an_exception(lines: list[bytes]) -> None:
    with tempfile.NamedTemporaryFile("wb", suffix=".txt") as file:
        file.write(A_FRAME.encode() + b"\n" + b"".join(line + b"\n" for line in lines))
        file.flush()
        rows = rows_of("unusual-whales", Path(file.name))
        assert len(prints_of("unusual-whales", Path(file.name))) == 1
    assert len(rows) == 1 + len(lines)
