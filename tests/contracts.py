"""Strategies for option contracts, as hypothesis draws them."""

from __future__ import annotations

from datetime import date

from hypothesis import strategies as st

from schemas.contract import INDEX_ROOTS, Contract, make_contract

EXPIRIES = st.dates(date(2000, 1, 1), date(2099, 12, 31)).map(
    lambda d: d.year * 10_000 + d.month * 100 + d.day
)
TICKERS = st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ", min_size=1, max_size=5)
ROOTS = st.one_of(
    TICKERS,
    st.sampled_from(sorted(INDEX_ROOTS)),
    st.builds(str.__add__, TICKERS, st.sampled_from("123456789")),
    st.builds(str.__add__, st.sampled_from("1234"), TICKERS),
)
"""Plain, index, adjusted and FLEX roots."""
THOUSANDTHS = st.one_of(
    st.integers(1, 99_999_999), st.sampled_from([500, 1_000, 2_500, 12_500, 1, 99_999_999, 5_952_500])
)
CONTRACTS: st.SearchStrategy[Contract] = st.builds(
    make_contract, ROOTS, EXPIRIES, st.sampled_from("CP"), THOUSANDTHS.map(lambda n: n / 1000)
)
