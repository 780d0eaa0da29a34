"""Cboe DataShop's Option Trades."""

from __future__ import annotations

import csv
import re
import tempfile
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.feeds.cboe import FORMAT, REQUIRED, columns, time_ms
from engine.feeds.recognise import recognise
from schemas.errors import DecodeError, FileFormatError
from schemas.print import Print, Reject
from tests.recordings import CAPTURES, becomes, prints_of, rows_of, told

TRADES = CAPTURES / "cboe" / "trades.csv"
DAY = "cboe/UnderlyingOptionsTrades_2016-06-01.csv"


def test_rows_become_what_stands_beside_them() -> None:
    assert [told(row) for row in rows_of("cboe", TRADES)] == becomes(TRADES)


def test_every_line_of_the_file_becomes_one_row() -> None:
    assert len(rows_of("cboe", TRADES)) == FORMAT.total(TRADES) == len(TRADES.read_bytes().splitlines())


def test_the_recorded_day_gives_a_print_of_its_own_for_every_trade(data: Path) -> None:
    prints = prints_of("cboe", data / DAY)
    assert len(prints) == len({p.id for p in prints}) == 2_295
    assert all(re.fullmatch(r"[A-Za-z0-9_]+", p.id) for p in prints)
    with (data / DAY).open() as file:
        rows = list(csv.reader(file))[1:]
    for found, row in zip(prints, rows, strict=True):
        moment = datetime.fromisoformat(row[1]).replace(tzinfo=ZoneInfo("America/New_York"))
        assert found.ts == round(moment.timestamp() * 1000)
        assert (found.price, found.size) == (float(row[9]), int(row[8]))
        assert (found.bid, found.ask) == (float(row[12]), float(row[13]))
        assert found.exchange == "XCBO"


def test_the_file_is_known_by_its_header() -> None:
    assert recognise(TRADES).name == "cboe"


def test_columns_may_stand_in_any_order_and_the_optional_ones_may_be_absent(tmp_path: Path) -> None:
    with TRADES.open() as file:
        rows = [row for row in csv.reader(file) if row]
    first, trade = rows[0][:14], rows[1][:14]
    turned = tmp_path / "turned.csv"
    turned.write_text("\n".join(",".join(reversed(row)) for row in (first, trade)) + "\n")
    (found,) = prints_of("cboe", turned)
    assert found.id == "cb_SPXW260612C06000000_260612_1001"
    assert (found.iv, found.delta, found.underlying_price) == (None, None, None)


def test_a_header_without_a_needed_column_is_named() -> None:
    with pytest.raises(FileFormatError, match="no column trade_price, best_ask"):
        columns([name for name in REQUIRED if name not in ("trade_price", "best_ask")])


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("2026-01-12 09:30:00.000", "2026-01-12T14:30:00+00:00"),
        ("2026-06-12 09:30:00.000", "2026-06-12T13:30:00+00:00"),
        ("2026-06-12T09:30:00.5", "2026-06-12T13:30:00.500+00:00"),
        ("2026-03-08 03:00:00", "2026-03-08T07:00:00+00:00"),
        ("2026-11-01 01:30:00.000", "2026-11-01T05:30:00+00:00"),
        ("2026-11-01 02:00:00.000", "2026-11-01T07:00:00+00:00"),
        ("2026-06-12 09:30:00.123456", "2026-06-12T13:30:00.123+00:00"),
    ],
)
def test_times_are_new_yorks_in_winter_in_summer_and_in_the_nights_between(text: str, utc: str) -> None:
    assert time_ms(text) == round(datetime.fromisoformat(utc).timestamp() * 1000)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026-06-12",
        "2026-03-08 02:59:59",
        "2026-02-30 10:00:00",
        "2026-06-12 24:00:00",
        "0026-06-12 10:00:00",
        "2026-06-12 10:60:00",
    ],
)
def test_what_is_no_time_is_rejected(text: str) -> None:
    with pytest.raises(DecodeError, match="quote_datetime"):
        time_ms(text)


@given(
    st.lists(st.text(st.characters(exclude_characters="\r\n"), max_size=40), max_size=20),
    st.integers(0, 2**64),
)
def test_a_damaged_row_is_a_reject_or_a_print_and_never_an_exception(fields: list[str], place: int) -> None:
    lines = TRADES.read_text().splitlines()
    whole = lines[1].split(",")
    if fields:
        whole[place % len(whole)] = fields[0]
    damaged = [",".join(fields), ",".join(whole)]
    for row in _rows([lines[0], *damaged])[1:]:
        assert isinstance(row, Print | Reject) or told(row) == {"skipped": "blank line"}


def _rows(lines: list[str]) -> list[object]:
    with tempfile.NamedTemporaryFile("wb", suffix=".csv") as file:
        file.write("\n".join(lines).encode("utf-8", "surrogatepass"))
        file.flush()
        return list(rows_of("cboe", Path(file.name)))
