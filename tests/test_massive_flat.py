"""Massive's option trade files."""

from __future__ import annotations

import gzip
import re
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.feeds.file_format import Row
from engine.feeds.massive_flat import FORMAT
from engine.feeds.recognise import recognise
from engine.settings import Settings
from schemas.errors import FileFormatError
from schemas.print import Print
from tests.recordings import CAPTURES, becomes, prints_of, rows_of, told

TRADES = CAPTURES / "massive_flat" / "trades.csv"
PARTICIPANT = CAPTURES / "massive_flat" / "participant.csv"
HEADER = "ticker,conditions,correction,exchange,price,sip_timestamp,size\n"


@pytest.mark.parametrize("path", [TRADES, PARTICIPANT], ids=lambda path: path.stem)
def test_rows_become_what_stands_beside_them(path: Path) -> None:
    assert [told(row) for row in rows_of("massive-flat", path)] == becomes(path)


def test_every_line_of_the_file_becomes_one_row() -> None:
    assert (
        len(rows_of("massive-flat", TRADES)) == FORMAT.total(TRADES) == len(TRADES.read_bytes().splitlines())
    )


@pytest.mark.parametrize("path", [TRADES, PARTICIPANT], ids=lambda path: path.stem)
def test_the_file_is_known_by_its_header(path: Path) -> None:
    assert recognise(path).name == "massive-flat"


def test_gzip_makes_no_difference_and_its_length_is_not_known_before(tmp_path: Path) -> None:
    packed = tmp_path / "2026-06-12.csv.gz"
    packed.write_bytes(gzip.compress(TRADES.read_bytes()))
    assert [told(row) for row in rows_of("massive-flat", packed)] == becomes(TRADES)
    assert FORMAT.total(packed) is None
    assert recognise(packed).name == "massive-flat"


def test_a_gzip_cut_in_the_middle_gives_its_rows_and_then_says_so(tmp_path: Path) -> None:
    row = "O:AMD260618C00150000,209,0,312,2.5,{},10\n"
    text = HEADER + "".join(row.format(1781278205123456789 + i * 7919**2) for i in range(20_000))
    packed = tmp_path / "cut.csv.gz"
    packed.write_bytes(gzip.compress(text.encode())[:40_000])
    rows: list[Row] = []
    with pytest.raises(FileFormatError, match="in the middle of its gzip"):
        rows.extend(FORMAT.read(packed, Settings()))
    assert len(rows) > 100
    assert all(isinstance(row, Print) for row in rows[1:])


def test_rows_that_are_equal_in_everything_are_prints_of_their_own(tmp_path: Path) -> None:
    path = tmp_path / "equal.csv"
    path.write_text(HEADER + "O:AMD260618C00150000,209,0,312,2.5,1781278205123456789,10\n" * 5)
    ids = [found.id for found in prints_of("massive-flat", path)]
    assert len(set(ids)) == 5
    assert ids == [found.id for found in prints_of("massive-flat", path)]


def test_a_row_has_the_same_id_wherever_it_stands_in_the_file(tmp_path: Path) -> None:
    lines = [
        f"O:AMD260618C00150000,209,0,{exchange},{price},{1781278205123456789 + ns},{size}\n"
        for exchange in (312, 303)
        for price in ("2.5", "2.55")
        for ns in (0, 1)
        for size in (1, 10)
    ]
    path = tmp_path / "rows.csv"
    path.write_text(HEADER + "".join(lines))
    forward = {found.id for found in prints_of("massive-flat", path)}
    path.write_text(HEADER + "".join(reversed(lines)))
    assert {found.id for found in prints_of("massive-flat", path)} == forward
    assert len(forward) == len(lines)
    assert all(re.fullmatch(r"[A-Za-z0-9_]+", name) for name in forward)


def test_a_header_without_a_needed_column_is_named(tmp_path: Path) -> None:
    path = tmp_path / "bars.csv"
    path.write_text("ticker,volume,open,close,high,low,window_start,transactions\n")
    with pytest.raises(FileFormatError, match="no column conditions, exchange, price, sip_timestamp, size"):
        rows_of("massive-flat", path)


@given(st.lists(st.binary(max_size=60).map(lambda b: b.replace(b"\n", b"")), max_size=10))
def test_damaged_lines_are_rejects_and_never_an_exception(lines: list[bytes]) -> None:
    with tempfile.NamedTemporaryFile("wb", suffix=".csv") as file:
        file.write(HEADER.encode() + b"".join(line + b"\n" for line in lines))
        file.flush()
        rows = rows_of("massive-flat", Path(file.name))
    assert len(rows) == 1 + len(lines)
    assert not any(isinstance(row, Print) for row in rows)
