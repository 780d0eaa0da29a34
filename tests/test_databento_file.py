"""Databento's DBN files."""

from __future__ import annotations

from collections import Counter
from datetime import date
from pathlib import Path

import databento_dbn as dbn
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from engine.feeds.databento_file import FORMAT
from engine.feeds.file_format import Row, Skipped
from engine.feeds.recognise import recognise
from engine.settings import Settings
from schemas.errors import FileFormatError
from schemas.print import Print, Reference, Reject
from tests.recordings import prints_of, rows_of
from tests.vendors.databento_bytes import OPENING_NS, SPY, SPY_SYMBOL, consolidated, trade


def metadata(schema: dbn.Schema, dataset: str = "OPRA.PILLAR") -> bytes:
    """The metadata of a file of one day that names SPY's contract."""
    return dbn.Metadata(
        dataset=dataset, start=OPENING_NS, stype_in=dbn.SType.RAW_SYMBOL, stype_out=dbn.SType.INSTRUMENT_ID,
        schema=schema, symbols=[SPY_SYMBOL],
        mappings=[_Mapping(SPY_SYMBOL, [_Interval(date(2026, 6, 12), date(2026, 6, 13), str(SPY))])],
    ).encode()  # fmt: skip


class _Interval:
    def __init__(self, start_date: date, end_date: date, symbol: str) -> None:
        self.start_date, self.end_date, self.symbol = start_date, end_date, symbol


class _Mapping:
    def __init__(self, raw_symbol: str, intervals: list[_Interval]) -> None:
        self.raw_symbol, self.intervals = raw_symbol, intervals


@pytest.fixture
def trades(tmp_path: Path) -> Path:
    """A file of three trades, two of them in one nanosecond."""
    path = tmp_path / "day.trades.dbn"
    path.write_bytes(metadata(dbn.Schema.TRADES) + trade(0) + trade(0, sequence=2) + trade(7))
    return path


def test_trades_become_prints_with_ids_of_their_own(trades: Path) -> None:
    prints = prints_of("databento", trades)
    assert [p.ts for p in prints] == [OPENING_NS // 1_000_000] * 3
    assert {(p.feed, p.symbol, p.price, p.size, p.exchange) for p in prints} == {
        ("databento", "SPY260618C00600000", 2.45, 10, "EMLD")
    }
    assert len({p.id for p in prints}) == 3
    assert [p.id for p in prints] == [p.id for p in prints_of("databento", trades)]


def test_a_trade_with_the_consolidated_quote_has_it_and_a_quote_alone_is_counted(tmp_path: Path) -> None:
    path = tmp_path / "day.cmbp-1.dbn"
    quote = consolidated(1, action=dbn.Action.ADD, rtype=dbn.RType.CMBP_1)
    path.write_bytes(metadata(dbn.Schema.CMBP_1) + consolidated(0, rtype=dbn.RType.CMBP_1) + quote * 2)
    found, counted = rows_of("databento", path)
    assert isinstance(found, Print)
    assert (found.bid, found.ask, found.price) == (2.4, 2.45, 2.45)
    assert counted == Skipped("no print in cmbp-1: quote", 2)


@pytest.mark.parametrize("frames", [1, 2])
def test_zstd_in_one_frame_or_in_several_makes_no_difference(trades: Path, frames: int) -> None:
    plain = trades.read_bytes()
    packed = trades.with_suffix(".dbn.zst")
    cut = len(plain) // frames
    parts = [plain[:cut], plain[cut:]]
    packed.write_bytes(b"".join(zstandard.compress(part) for part in parts if part))
    assert [p.id for p in prints_of("databento", packed)] == [p.id for p in prints_of("databento", trades)]
    assert recognise(packed).name == recognise(trades).name == "databento"


def test_a_file_cut_in_a_record_gives_what_came_before_and_then_says_so(trades: Path) -> None:
    trades.write_bytes(trades.read_bytes()[:-10])
    rows: list[Row] = []
    with pytest.raises(FileFormatError, match="in the middle of a record"):
        rows.extend(FORMAT.read(trades, Settings()))
    assert len(rows) == 2


def test_a_zstd_cut_in_the_middle_gives_what_came_before_and_then_says_so(tmp_path: Path) -> None:
    body = metadata(dbn.Schema.TRADES) + b"".join(trade(i * 7919**2) for i in range(20_000))
    packed = tmp_path / "cut.dbn.zst"
    whole = zstandard.ZstdCompressor(write_checksum=True).compress(body)
    packed.write_bytes(whole[: len(whole) * 3 // 4])
    rows: list[Row] = []
    with pytest.raises(FileFormatError, match="in the middle of its zstd"):
        rows.extend(FORMAT.read(packed, Settings()))
    assert len(rows) > 100
    packed.write_bytes(whole[:2_000] + bytes(100) + whole[2_100:])
    with pytest.raises(FileFormatError, match="damaged"):
        rows_of("databento", packed)


def test_another_data_set_and_another_file_are_named(trades: Path) -> None:
    trades.write_bytes(metadata(dbn.Schema.TRADES, "XNAS.ITCH") + trade(0))
    with pytest.raises(FileFormatError, match=r"XNAS\.ITCH, not of OPRA\.PILLAR"):
        rows_of("databento", trades)
    trades.write_bytes(b"underlying_symbol,quote_datetime")
    with pytest.raises(FileFormatError, match="no DBN file"):
        rows_of("databento", trades)
    trades.write_bytes(b"")
    with pytest.raises(FileFormatError, match="is empty"):
        rows_of("databento", trades)


RECORDED = {
    "cbbo-1m": (0, {"no print in cbbo-1m: quote": 4}),
    "cbbo-1s": (0, {"no print in cbbo-1s: quote": 4}),
    "definition": (0, {"no print in definition: definition": 1}),
    "mbp-1": (0, {"no print in mbp-1: quote": 4}),
    "ohlcv-1m": (0, {"no print in ohlcv-1m: bar": 4}),
    "statistics": (0, {"no print in statistics: statistic": 3}),
    "tbbo": (4, {}),
    "trades": (4, {}),
}
"""Prints and what is counted of each recorded file; of the four statistics one is taken as open interest."""


@pytest.mark.parametrize("schema", RECORDED)
def test_every_recorded_file_goes_through_whole(schema: str, data: Path) -> None:
    path = data / "databento" / f"test_data.{schema}.dbn.zst"
    rows = rows_of("databento", path)
    raw = zstandard.ZstdDecompressor().stream_reader(path.read_bytes()).read()
    decoder = dbn.DBNDecoder()
    decoder.write(raw)
    records = len(decoder.decode()) - 1
    prints, counted = RECORDED[schema]
    assert sum(isinstance(row, Print) for row in rows) == prints
    assert Counter({row.reason: row.rows for row in rows if isinstance(row, Skipped)}) == counted
    assert not any(isinstance(row, Reject) for row in rows)
    assert sum(row.rows if isinstance(row, Skipped) else 1 for row in rows) == records


def test_the_recorded_open_interest_is_read(data: Path) -> None:
    rows = rows_of("databento", data / "databento" / "test_data.statistics.dbn.zst")
    assert rows[0] == Reference(
        feed="databento", symbol="AAPL250221C00250000", date=20_250_220, open_interest=57_924
    )


def test_a_trade_has_the_same_id_in_every_recorded_schema(data: Path) -> None:
    ids = [
        [p.id for p in prints_of("databento", data / "databento" / f"test_data.{schema}.dbn.zst")]
        for schema in ("trades", "tbbo")
    ]
    assert ids[0] == ids[1]


@given(st.integers(0, 2**32), st.binary(min_size=1, max_size=8))
def test_damage_is_rejects_or_one_sentence_and_never_another_exception(
    tmp_path_factory: pytest.TempPathFactory, place: int, damage: bytes
) -> None:
    body = bytearray(metadata(dbn.Schema.TRADES) + trade(0) + consolidated(1) + trade(2))
    at = place % len(body)
    body[at : at + len(damage)] = damage
    path = tmp_path_factory.getbasetemp() / "damaged.dbn"
    path.write_bytes(body)
    try:
        rows = rows_of("databento", path)
    except FileFormatError:
        return
    assert all(isinstance(row, Print | Reject | Skipped | Reference) for row in rows)
