"""Each vendor's spelling of a contract, read and written."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import spelling
from schemas.contract import Contract, make_contract, parse_osi
from schemas.errors import ContractError
from tests.contracts import CONTRACTS

SPY = make_contract("SPY", 20_261_218, "C", 600)
VIXW = make_contract("VIXW", 20_160_608, "P", 12.5)


@given(CONTRACTS)
def test_what_is_written_is_read_again_as_the_same_contract(contract: Contract) -> None:
    assert spelling.from_massive(spelling.to_massive(contract)) == contract
    assert spelling.from_databento(spelling.to_databento(contract)) == contract
    theta = spelling.to_theta(contract)
    kind = theta.pop("security_type")
    assert kind == "OPTION"
    assert spelling.from_theta(**theta) == contract  # type: ignore[arg-type]
    assert spelling.from_cboe(*spelling.to_cboe(contract)) == contract
    assert spelling.from_lean(spelling.to_lean(contract, date(2026, 6, 12), "trade")) == contract


def test_each_vendor_writes_a_contract_in_its_own_way() -> None:
    assert spelling.to_massive(SPY) == "O:SPY261218C00600000"
    assert spelling.to_databento(SPY) == "SPY   261218C00600000"
    assert spelling.to_theta(SPY) == {
        "security_type": "OPTION", "root": "SPY", "expiration": 20261218, "strike": 600000, "right": "C",
    }  # fmt: skip
    assert spelling.to_cboe(VIXW) == ("VIXW", "2016-06-08", "12.500", "P")
    assert (
        spelling.to_lean(SPY, date(2026, 6, 12), "quote")
        == "20260612_spy_minute_quote_american_call_6000000_20261218.csv"
    )


@pytest.mark.parametrize(
    ("found", "symbol"),
    [
        (spelling.from_massive("O:AMC210827C00037000"), "AMC210827C00037000"),
        (spelling.from_databento("AAPL  250221C00250000"), "AAPL250221C00250000"),
        (spelling.from_theta("NVDA", 20_240_524, 950_000, "C"), "NVDA240524C00950000"),
        (spelling.from_theta("SPXW", 20_260_612, 5_952_500, "P"), "SPXW260612P05952500"),
        (spelling.from_cboe("VIX", "2016-06-15", "12.500", "c"), "VIX160615C00012500"),
        (
            spelling.from_lean("20140606_aapl_minute_trade_american_call_6450000_20140606.csv"),
            "AAPL140606C00645000",
        ),
        (
            spelling.from_lean("20140605_twx_minute_openinterest_american_put_675000_20141018.csv"),
            "TWX141018P00067500",
        ),
    ],
)
def test_recorded_spellings_are_read(found: Contract, symbol: str) -> None:
    assert found == parse_osi(symbol)


@pytest.mark.parametrize(
    "read",
    [
        lambda: spelling.from_massive("SPY261218C00600000"),
        lambda: spelling.from_massive("O:SPY"),
        lambda: spelling.from_databento("SPY.OPT"),
        lambda: spelling.from_theta("SPY", 20_261_218, 0, "C"),
        lambda: spelling.from_theta("SPY", 261_218, 600_000, "C"),
        lambda: spelling.from_theta("", 20_261_218, 600_000, "C"),
        lambda: spelling.from_cboe("SPY", "12/18/2026", "600.000", "C"),
        lambda: spelling.from_cboe("SPY", "2026-12-18", "nan", "C"),
        lambda: spelling.from_cboe("SPY", "2026-12-18", "1e9", "C"),
        lambda: spelling.from_cboe("SPY", "2026-12-18", "600.000", "X"),
        lambda: spelling.from_lean("20140606_aapl_minute_trade_american_straddle_6450000_20140606.csv"),
        lambda: spelling.from_lean("readme.txt"),
        lambda: spelling.from_lean("20140606_aapl_minute_trade_american_call_6450001_20140606.csv"),
    ],
)
def test_what_is_no_contract_is_refused(read) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ContractError):
        read()


@given(st.text(max_size=40), st.text(max_size=12), st.text(max_size=12), st.text(max_size=3))
def test_no_text_makes_a_reader_fail_otherwise(one: str, two: str, three: str, four: str) -> None:
    for read in (spelling.from_massive, spelling.from_databento, spelling.from_lean):
        for text in (one, "O:" + one):
            try:
                read(text)
            except ContractError:
                continue
    try:
        spelling.from_cboe(one, two, three, four)
    except ContractError:
        return
