"""Contracts and their OSI symbols."""

from __future__ import annotations

import math
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.contract import INDEX_ROOTS, Contract, make_contract, parse_osi, ticker, underlying_of
from schemas.errors import ContractError
from tests.contracts import CONTRACTS, EXPIRIES, ROOTS, THOUSANDTHS


@given(CONTRACTS)
def test_a_symbol_read_again_is_the_same_contract(contract: Contract) -> None:
    assert parse_osi(contract.symbol) == contract
    assert parse_osi(contract.padded) == contract
    assert len(contract.padded) == 21


@given(ROOTS, EXPIRIES, st.sampled_from("CP"), THOUSANDTHS)
def test_a_symbol_is_root_date_right_and_strike_in_thousandths(
    root: str, expiry: int, right: str, thousandths: int
) -> None:
    contract = make_contract(root, expiry, right, thousandths / 1000)
    assert contract.symbol == f"{root}{expiry - 20_000_000:06d}{right}{thousandths:08d}"
    assert (contract.root, contract.expiry, contract.right) == (root, expiry, right)
    assert round(contract.strike * 1000) == thousandths
    assert contract.expiry_date == date(expiry // 10_000, expiry // 100 % 100, expiry % 100)


@given(st.text(max_size=30))
def test_any_other_text_is_refused_and_never_misread(text: str) -> None:
    try:
        found = parse_osi(text)
    except ContractError:
        return
    assert found.symbol == text.replace(" ", "")


@pytest.mark.parametrize(
    ("root", "underlying"),
    [
        ("SPY", "SPY"), ("SPXW", "SPX"), ("SPX", "SPX"), ("VIXW", "VIX"), ("VIX", "VIX"), ("NDXP", "NDX"),
        ("RUTW", "RUT"), ("XSP", "XSP"), ("DJX", "DJX"), ("AAPL1", "AAPL"), ("AAPL7", "AAPL"), ("1SPX", "SPX"),
        ("4SPXW", "SPX"), ("2AAPL", "AAPL"), ("BRKB", "BRKB"), ("BRKB1", "BRKB"), ("C", "C"), ("W", "W"),
        ("SPCE", "SPCE"), ("VIXY", "VIXY"),
    ],
)  # fmt: skip
def test_a_root_belongs_to_its_underlying(root: str, underlying: str) -> None:
    assert underlying_of(root) == underlying
    assert make_contract(root, 20_261_218, "C", 100).underlying == underlying


def test_no_index_root_names_another_root_of_the_table() -> None:
    assert not set(INDEX_ROOTS.values()) & set(INDEX_ROOTS)


@pytest.mark.parametrize(
    ("root", "adjusted"),
    [("AAPL", False), ("AAPL1", True), ("AAPL7", True), ("1AAPL", False), ("4SPX", False), ("SPXW", False)],
)
def test_a_root_that_ends_in_a_digit_is_adjusted_and_a_flex_root_is_not(root: str, adjusted: bool) -> None:
    assert make_contract(root, 20_261_218, "P", 100).adjusted is adjusted


@pytest.mark.parametrize(
    "text",
    [
        "", "SPY", "SPY261218X00600000", "SPY261318C00600000", "SPY260231C00600000", "SPY261218C0060000",
        "SPY261218C006000000", "SPY261218C00000000", "spy261218C00600000", "TOOLONG261218C00600000",
        " SPY261218C00600000", "SPY261218C00600000\n", "SPY٢٦1218C00600000", "S.Y261218C00600000", "261218C00600000",
    ],
)  # fmt: skip
def test_what_is_no_contract_is_refused(text: str) -> None:
    with pytest.raises(ContractError):
        parse_osi(text)


@pytest.mark.parametrize(
    ("expiry", "right", "strike"),
    [
        (19_990_618, "C", 100.0), (21_000_101, "C", 100.0), (261_218, "C", 100.0), (20_261_301, "C", 100.0),
        (20_261_218, "c", 100.0), (20_261_218, "", 100.0), (20_261_218, "C", 0.0), (20_261_218, "C", -5.0),
        (20_261_218, "C", 100_000.0), (20_261_218, "C", 1.2345), (20_261_218, "C", math.nan),
        (20_261_218, "C", math.inf), (20_261_218, "C", 0.0001),
    ],
)  # fmt: skip
def test_parts_out_of_range_are_refused(expiry: int, right: str, strike: float) -> None:
    with pytest.raises(ContractError):
        make_contract("SPY", expiry, right, strike)


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("^VIX", "VIX"), ("$SPX", "SPX"), ("I:NDX", "NDX"), ("brk.b", "BRKB"), ("BRK/B", "BRKB"), (" spy ", "SPY"),
        ("AAPL", "AAPL"),
    ],
)  # fmt: skip
def test_a_ticker_loses_its_marks(text: str, plain: str) -> None:
    assert ticker(text) == plain
