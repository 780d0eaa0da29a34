"""Lean's minute bars of options."""

from __future__ import annotations

import zipfile
from collections import Counter
from pathlib import Path

import pytest

from engine.feeds.file_format import Skipped
from engine.feeds.recognise import recognise
from schemas.calendar import new_york_ms
from schemas.errors import FileFormatError
from schemas.print import Print, Reference, Reject
from tests.recordings import CAPTURES, prints_of, rows_of, zipped

PARTS = CAPTURES / "lean"
AAPL = "lean/option/usa/minute/aapl/20140606_trade_american.zip"
TWX = "lean/option/usa/minute/twx/20140605_trade_american.zip"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Lean's folders with one day of AMD; the options' own folder."""
    options, stock = tmp_path / "option/usa/minute/amd", tmp_path / "equity/usa/minute/amd"
    for kind in ("trade", "quote", "openinterest"):
        zipped(options / f"20260612_{kind}_american.zip", PARTS / f"option_{kind}")
    for kind in ("trade", "quote"):
        zipped(stock / f"20260612_{kind}.zip", PARTS / f"stock_{kind}")
    return options


def test_a_bar_becomes_one_synthetic_print_at_its_close_with_the_quote_of_its_minute(folder: Path) -> None:
    first, second, third = prints_of("lean", folder / "20260612_trade_american.zip")
    assert first == Print(
        id="ln_AMD260618C00150000_260612_0930", feed="lean", ts=new_york_ms(20_260_612, 34_260_000),
        received=first.received, symbol="AMD260618C00150000", price=2.5, size=28, bid=2.45, ask=2.55,
        underlying_price=149.35, synthetic=True,
    )  # fmt: skip
    assert second.id == "ln_AMD260618C00150000_260612_1004"
    assert (second.bid, second.ask, second.underlying_price) == (None, 2.5, 149.05)
    assert third.symbol == "AMD260618P00152500"
    assert (third.bid, third.ask) == (None, None)


def test_every_row_of_the_file_and_of_those_beside_it_is_accounted_for(folder: Path) -> None:
    rows = rows_of("lean", folder / "20260612_trade_american.zip")
    skipped = Counter({row.reason: row.rows for row in rows if isinstance(row, Skipped)})
    assert skipped == {"trade bar of the underlying": 1, "quote bar of the underlying": 2, "quote bar": 2}
    assert [row.reason for row in rows if isinstance(row, Reject)] == [
        "The open interest is '-1'.",
        "The bar has the close '25500' and '0' contracts.",
        "time is '86400000', not a whole number from 0 to 86399999.",
        "The bar has 2 fields, expected 6.",
        "'readme.csv' is not the name of a Lean option file. Expected "
        "<date>_<ticker>_minute_<kind>_<style>_<call|put>_<strike x 10000>_<expiry>.csv.",
    ]


def test_open_interest_comes_before_all_prints(folder: Path) -> None:
    rows = rows_of("lean", folder / "20260612_trade_american.zip")
    assert rows[0] == Reference(
        feed="lean", symbol="AMD260618C00150000", date=20_260_612, open_interest=9_325
    )


def test_a_file_of_open_interest_can_be_read_alone(folder: Path) -> None:
    rows = rows_of("lean", folder / "20260612_openinterest_american.zip")
    assert [type(row) for row in rows] == [Reference, Reject]


def test_without_anything_beside_it_a_file_gives_prints_without_quote(folder: Path, tmp_path: Path) -> None:
    alone = tmp_path / "20260612_trade_american.zip"
    alone.write_bytes((folder / alone.name).read_bytes())
    prints = prints_of("lean", alone)
    assert len(prints) == 3
    assert all(found.bid is found.underlying_price is None for found in prints)


def test_a_damaged_file_beside_it_costs_no_bar(folder: Path) -> None:
    (folder / "20260612_quote_american.zip").write_bytes(b"PK damaged")
    rows = rows_of("lean", folder / "20260612_trade_american.zip")
    assert sum(isinstance(row, Print) for row in rows) == 3
    assert any(
        isinstance(row, Reject) and "20260612_quote_american.zip is cut short" in row.reason for row in rows
    )


def test_a_damaged_entry_is_rejected_and_the_others_are_read(folder: Path) -> None:
    path = folder / "20260612_trade_american.zip"
    with zipfile.ZipFile(path) as archive:
        at = archive.infolist()[0].header_offset
    damaged = bytearray(path.read_bytes())
    name = 30 + len("20260612_amd_minute_trade_american_call_1500000_20260618.csv")
    damaged[at + name + 2] ^= 0xFF
    path.write_bytes(damaged)
    rows = rows_of("lean", path)
    assert any(isinstance(row, Reject) and "is damaged" in row.reason for row in rows)
    assert any(isinstance(row, Print) and row.symbol == "AMD260618P00152500" for row in rows)


def test_a_cut_zip_and_a_quote_zip_say_what_is_wrong(folder: Path) -> None:
    path = folder / "20260612_trade_american.zip"
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(FileFormatError, match="is cut short or no zip"):
        rows_of("lean", path)
    with pytest.raises(FileFormatError, match="holds quote bars and no trades"):
        rows_of("lean", folder / "20260612_quote_american.zip")
    with pytest.raises(FileFormatError, match="not the name of a Lean option file"):
        rows_of("lean", folder / "prices.zip")
    for day in ("20260631", "00010101"):
        with pytest.raises(FileFormatError, match="no day of listed options"):
            rows_of("lean", folder / f"{day}_trade_american.zip")


def test_the_file_is_known_by_its_name_and_kind(folder: Path) -> None:
    assert recognise(folder / "20260612_trade_american.zip").name == "lean"


def test_the_recorded_aapl_day_is_read_whole(data: Path) -> None:
    rows = rows_of("lean", data / AAPL)
    prints = [row for row in rows if isinstance(row, Print)]
    assert len(prints) == len({p.id for p in prints}) == 22_067
    assert sum(isinstance(row, Reference) for row in rows) == 2_322
    assert not any(isinstance(row, Reject) for row in rows)
    assert all(p.synthetic and p.underlying_price for p in prints)
    with zipfile.ZipFile(data / AAPL) as archive:
        bars = [line.split(b",") for name in archive.namelist() for line in archive.read(name).split()]
    assert sum(p.size for p in prints) == sum(int(bar[5]) for bar in bars)


def test_the_recorded_quote_bars_give_the_quotes_of_their_minutes(data: Path) -> None:
    prints = prints_of("lean", data / TWX)
    assert len(prints) == 79
    (found,) = [p for p in prints if p.id == "ln_TWX150117C00057500_140605_1443"]
    name = "20140605_twx_minute_quote_american_call_575000_20150117.csv"
    with zipfile.ZipFile((data / TWX).with_name("20140605_quote_american.zip")) as archive:
        bars = {line.split(b",")[0]: line.split(b",") for line in archive.read(name).split()}
    bar = bars[b"52980000"]
    assert (found.bid, found.ask) == (int(bar[4]) / 10_000, int(bar[9]) / 10_000)
    assert found.price == 14.3
