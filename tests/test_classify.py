"""Classification against the definitions of the design, computed a second time in the plainest way."""

from __future__ import annotations

from collections import Counter
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.cancel import withdraw, withdrawn_by
from engine.classify import (
    RECENT_LIMIT,
    ContractState,
    classify,
    otm_pct_of,
    premium_of,
    recent_of,
    side_of,
)
from schemas.contract import parse_osi
from schemas.errors import DecodeError
from schemas.flags import Flag, Rules, Thresholds
from schemas.print import Print
from schemas.trade import Side, Trade

CONTRACT = parse_osi("SPY261218C00600000")
PUT = parse_osi("SPY261218P00600000")
NOON = 1_795_280_400_000  # 2026-11-21 12:00 in New York
TODAY = 20261121
RULES = Rules()


def a_print(number: int = 1, **fields: object) -> Print:
    values: dict[str, object] = {
        "id": f"t_{number}", "feed": "test", "ts": NOON, "received": NOON, "symbol": CONTRACT.symbol,
        "price": 2.0, "size": 10, "exchange": "XCBO", "bid": 1.9, "ask": 2.0,
    }  # fmt: skip
    return Print(**(values | fields))  # type: ignore[arg-type]


def run(prints: list[Print], rules: Rules = RULES, state: ContractState | None = None) -> dict[str, Trade]:
    """The trades as they stand after the last print, by id."""
    state = state or ContractState()
    trades: dict[str, Trade] = {}
    for print_ in prints:
        outcome = classify(print_, parse_osi(print_.symbol), state, rules)
        trades[outcome.trade.id] = outcome.trade
        trades |= {t.id: t for t in outcome.changed}
        state = outcome.state
    return trades


def only(print_: Print, state: ContractState | None = None, rules: Rules = RULES) -> Trade:
    return run([print_], rules, state)[print_.id]


# Side


@pytest.mark.parametrize(
    ("price", "side"),
    [
        (1.99, "below_bid"), (2.00, "bid"), (2.01, "bid"), (2.02, "mid"), (2.03, "ask"), (2.04, "ask"),
        (2.05, "above_ask"),
    ],
)  # fmt: skip
def test_side_follows_the_place_in_the_spread(price: float, side: str) -> None:
    assert only(a_print(price=price, bid=2.00, ask=2.04)).side == side


@pytest.mark.parametrize(
    ("bid", "ask"), [(None, 2.0), (1.9, None), (0, 2.0), (2.0, 0), (2.0, 2.0), (2.1, 2.0), (-1.0, 2.0)]
)
def test_side_is_none_without_a_quote_to_trade_against(bid: float | None, ask: float | None) -> None:
    assert only(a_print(bid=bid, ask=ask)).side == "none"


@pytest.mark.parametrize("letter", list("ACEGBDFHcdho"))
def test_side_is_none_for_cancelled_late_and_cross_prints(letter: str) -> None:
    trade = only(a_print(conditions=(letter,)))
    assert (trade.side, trade.sentiment) == ("none", "neutral")


CENTS = st.integers(1, 2_000)


@given(CENTS, CENTS, CENTS, st.sampled_from([50, 60, 75, 90, 100]))
def test_side_is_what_exact_fractions_say(price: int, low: int, spread: int, ask_from: int) -> None:
    x = Fraction(price - low, spread)
    share = Fraction(ask_from, 100)
    expected = (
        Side.ABOVE_ASK if x > 1
        else Side.BELOW_BID if x < 0
        else Side.ASK if x >= share
        else Side.BID if x <= 1 - share
        else Side.MID
    )  # fmt: skip
    assert side_of(price / 100, low / 100, (low + spread) / 100, ask_from * 10_000) == expected


# Sentiment


@pytest.mark.parametrize(
    ("symbol", "price", "sentiment"),
    [
        (CONTRACT.symbol, 2.0, "bullish"), (CONTRACT.symbol, 1.9, "bearish"), (CONTRACT.symbol, 1.95, "neutral"),
        (PUT.symbol, 2.0, "bearish"), (PUT.symbol, 1.9, "bullish"), (PUT.symbol, 1.95, "neutral"),
        (CONTRACT.symbol, 2.1, "bullish"), (PUT.symbol, 1.8, "bullish"),
    ],
)  # fmt: skip
def test_sentiment_follows_right_and_side(symbol: str, price: float, sentiment: str) -> None:
    assert only(a_print(symbol=symbol, price=price)).sentiment == sentiment


@pytest.mark.parametrize("letter", list("fgijlmtknpqrs"))
def test_sentiment_is_neutral_for_legs_of_spreads_and_stock_trades(letter: str) -> None:
    trade = only(a_print(conditions=(letter,)))
    assert (trade.side, trade.sentiment) == ("ask", "neutral")


# Amounts


@given(st.integers(0, 10_000_000), st.integers(1, 100_000))
def test_premium_is_the_exact_product_rounded_to_cents(tenths_of_mills: int, size: int) -> None:
    price = tenths_of_mills / 10_000
    exact = Decimal(tenths_of_mills) / 10_000 * size * 100
    assert premium_of(price, size, 100) == float(exact.quantize(Decimal("0.01"), ROUND_HALF_UP))


def test_otm_is_positive_out_of_the_money_and_negative_in_it() -> None:
    assert otm_pct_of(110, "C", 100.0) == 10.0
    assert otm_pct_of(90, "C", 100.0) == -10.0
    assert otm_pct_of(90, "P", 100.0) == 10.0
    assert otm_pct_of(110, "P", 100.0) == -10.0
    assert otm_pct_of(110, "P", None) is None
    assert otm_pct_of(110, "P", 0.0) is None


def test_days_to_expiry_count_from_the_new_york_date() -> None:
    late_evening = 1_795_323_000_000  # 2026-11-21 23:50 in New York, the 22nd in UTC
    assert only(a_print(ts=late_evening)).dte == 27
    assert only(a_print(symbol="SPY261121C00600000", ts=late_evening)).dte == 0


# Day volume


def test_volume_counts_the_day_and_begins_again_on_the_next() -> None:
    trades = run([a_print(1, size=10), a_print(2, size=5), a_print(3, size=7, ts=NOON + 86_400_000)])
    assert [t.volume for t in trades.values()] == [10, 15, 7]


def test_a_print_of_a_day_that_is_over_leaves_the_newer_day_as_it_is() -> None:
    state = ContractState(date=TODAY, volume=50, open_interest=100)
    outcome = classify(a_print(ts=NOON - 86_400_000), CONTRACT, state, RULES)
    assert outcome.state == state
    assert (outcome.trade.volume, outcome.trade.vol_oi) == (None, None)


def test_the_vendors_count_of_the_day_wins_when_it_is_larger() -> None:
    assert only(a_print(size=10, volume=5_000, open_interest=100)).vol_oi == 50.0
    assert only(a_print(size=10, volume=3), ContractState(TODAY, 20)).volume == 30


def test_compression_and_cancels_add_no_volume_and_raise_no_derived_flag() -> None:
    state = ContractState(date=TODAY, volume=5_000, open_interest=1_000)
    for letter in "uACEG":
        outcome = classify(a_print(size=9_000, conditions=(letter,)), CONTRACT, state, RULES)
        assert outcome.state.volume == 5_000
        assert not {Flag.BLOCK, Flag.LARGE_PREMIUM, Flag.UNUSUAL, Flag.OPENING} & set(outcome.trade.flags)


# Flags by size


def test_block_and_large_premium_begin_at_their_thresholds() -> None:
    assert Flag.BLOCK in only(a_print(size=500)).flags
    assert Flag.BLOCK not in only(a_print(size=499)).flags
    assert Flag.LARGE_PREMIUM in only(a_print(size=500, price=2.0)).flags
    assert Flag.LARGE_PREMIUM not in only(a_print(size=500, price=1.99)).flags


def test_an_underlying_may_have_thresholds_of_its_own() -> None:
    rules = Rules(overrides={"SPY": Thresholds(block_size=2_000, large_premium=1_000_000)})
    trade = only(a_print(size=600), rules=rules)
    assert not {Flag.BLOCK, Flag.LARGE_PREMIUM} & set(trade.flags)
    assert Flag.BLOCK in only(a_print(symbol="QQQ261218C00600000", size=600), rules=rules).flags


@pytest.mark.parametrize(
    ("volume", "interest", "size", "opening", "outrun", "unusual"),
    [
        (0, 1_000, 1_001, True, True, False),  # 1001 of 1000: ratio below 1.25
        (0, 1_000, 1_000, False, False, False),
        (600, 1_000, 500, True, True, False),  # 500 > 1000 - 600
        (750, 1_000, 500, True, True, True),  # 1250 of 1000
        (749, 1_000, 500, True, True, False),
        (0, 100, 501, True, True, False),  # open interest must be above 100
        (0, 101, 501, True, True, True),
        (0, 101, 500, True, True, False),  # volume must be above 500
        (0, 0, 1, True, True, False),
    ],
)
def test_flags_of_volume_against_open_interest(
    volume: int, interest: int, size: int, opening: bool, outrun: bool, unusual: bool
) -> None:
    flags = only(a_print(size=size, price=0.01), ContractState(TODAY, volume, interest)).flags
    assert (Flag.OPENING in flags, Flag.VOLUME_GT_OI in flags, Flag.UNUSUAL in flags) == (
        opening,
        outrun,
        unusual,
    )


def test_without_open_interest_nothing_is_said_about_it() -> None:
    trade = only(a_print(size=9_999))
    assert not {Flag.OPENING, Flag.VOLUME_GT_OI, Flag.UNUSUAL} & set(trade.flags)
    assert trade.vol_oi is None


def test_expiry_flags() -> None:
    assert Flag.ZERO_DTE in only(a_print(symbol="SPY261121C00600000")).flags
    assert Flag.WEEKLY in only(a_print(symbol="SPY261204C00600000")).flags
    assert Flag.WEEKLY not in only(a_print()).flags


def test_synthetic_prints_say_so() -> None:
    assert Flag.SYNTHETIC in only(a_print(synthetic=True)).flags
    assert Flag.SYNTHETIC not in only(a_print()).flags


# Sweeps and repeats


def flagged(trades: dict[str, Trade], flag: Flag) -> set[str]:
    return {t.id for t in trades.values() if flag in t.flags}


def test_a_leg_on_another_exchange_makes_both_a_sweep() -> None:
    trades = run([a_print(1, exchange="XCBO"), a_print(2, exchange="XPHL", ts=NOON + 250)])
    assert flagged(trades, Flag.SWEEP) == {"t_1", "t_2"}


@pytest.mark.parametrize(
    "second",
    [
        {"exchange": "XCBO"}, {"ts": NOON + 251}, {"price": 1.9}, {"conditions": ("f",)}, {"exchange": ""},
        {"conditions": ("B",)}, {"price": 1.95}, {"bid": None},
    ],
)  # fmt: skip
def test_no_sweep_without_one_side_two_exchanges_and_a_short_time(second: dict[str, object]) -> None:
    trades = run([a_print(1), a_print(2, **({"exchange": "XPHL"} | second))])
    assert flagged(trades, Flag.SWEEP) == set()


def test_above_the_ask_and_at_the_ask_are_one_side() -> None:
    trades = run([a_print(1), a_print(2, exchange="XPHL", price=2.1)])
    assert flagged(trades, Flag.SWEEP) == {"t_1", "t_2"}


def test_a_golden_sweep_is_large_and_outruns_open_interest() -> None:
    legs = [a_print(n, exchange=e, size=6_000) for n, e in ((1, "XCBO"), (2, "XPHL"))]
    trades = run(legs, state=ContractState(TODAY, 0, 8_000))
    # The first leg's volume, 6,000, was not above the open interest.
    assert flagged(trades, Flag.GOLDEN) == {"t_2"}
    trades = run(legs, state=ContractState(TODAY, 3_000, 8_000))
    assert flagged(trades, Flag.GOLDEN) == {"t_1", "t_2"}
    assert flagged(run(legs), Flag.GOLDEN) == set()


def test_the_sixth_print_within_a_tenth_of_a_second_makes_a_repeat_of_all() -> None:
    prints = [a_print(n, ts=NOON + 20 * n) for n in range(6)]
    assert flagged(run(prints[:5]), Flag.REPEAT) == set()
    assert flagged(run(prints), Flag.REPEAT) == {p.id for p in prints}


TIMES = st.lists(st.integers(0, 40), min_size=1, max_size=40)


@given(
    TIMES,
    st.lists(st.sampled_from(["XCBO", "XPHL", "ARCO"]), min_size=40, max_size=40),
    st.lists(st.sampled_from([1.85, 1.9, 1.95, 2.0, 2.05]), min_size=40, max_size=40),
)
def test_sweeps_and_repeats_are_what_the_definitions_say(
    steps: list[int], exchanges: list[str], prices: list[float]
) -> None:
    times = [NOON + 8 * sum(steps[: n + 1]) for n in range(len(steps))]
    prints = [
        a_print(n, ts=t, exchange=x, price=p)
        for n, (t, x, p) in enumerate(zip(times, exchanges, prices, strict=False))
    ]
    trades = run(prints)
    groups = {"ask": 1, "above_ask": 1, "bid": -1, "below_bid": -1}
    sided = [(t.id, t.ts, t.exchange, groups[t.side]) for t in trades.values() if t.side in groups]
    sweeps, repeats = set(), set()
    for _, start, _, group in sided:
        near = [s for s in sided if s[3] == group and start <= s[1] <= start + 250]
        if len({s[2] for s in near}) >= 2:
            sweeps |= {s[0] for s in near}
        near = [s for s in sided if s[3] == group and start <= s[1] <= start + 100]
        if len(near) > 5:
            repeats |= {s[0] for s in near}
    assert flagged(trades, Flag.SWEEP) == sweeps
    assert flagged(trades, Flag.REPEAT) == repeats


@given(TIMES)
def test_what_is_remembered_can_be_made_again_from_the_tape(steps: list[int]) -> None:
    times = [NOON + 8 * sum(steps[: n + 1]) for n in range(len(steps))]
    state, tape = ContractState(), []
    for n, ts in enumerate(times):
        exchange = "XCBO" if n % 2 else "XPHL"
        outcome = classify(a_print(n, ts=ts, exchange=exchange), CONTRACT, state, RULES)
        tape += [outcome.trade, *outcome.changed]
        state = outcome.state
    again = recent_of(tape[::-1], RULES).get(CONTRACT.symbol, ())
    assert sorted((t.id, t.flags) for t in again) == sorted((t.id, t.flags) for t in state.recent)


def test_what_is_remembered_is_bounded() -> None:
    state = ContractState()
    for n in range(RECENT_LIMIT + 50):
        state = classify(a_print(n), CONTRACT, state, RULES).state
    assert len(state.recent) == RECENT_LIMIT


def test_classification_changes_nothing_that_it_was_given() -> None:
    first = classify(a_print(1), CONTRACT, ContractState(), RULES)
    second = classify(a_print(2, exchange="XPHL"), CONTRACT, first.state, RULES)
    assert Flag.SWEEP not in first.trade.flags
    assert [Flag.SWEEP in t.flags for t in second.changed] == [True]
    assert classify(a_print(2, exchange="XPHL"), CONTRACT, first.state, RULES) == second


# Cancels


def test_a_cancel_takes_back_the_newest_trade_of_its_contract_size_and_price() -> None:
    state, trades = ContractState(), []
    for number, (price, ts) in enumerate([(2.0, 0), (2.0, 10), (2.1, 20), (2.0, 400)]):
        outcome = classify(a_print(number, price=price, ts=NOON + ts), CONTRACT, state, RULES)
        trades.append(outcome.trade)
        state = outcome.state
    cancel = classify(a_print(9, ts=NOON + 300, conditions=("A",)), CONTRACT, state, RULES)
    assert cancel.cancel
    found = withdrawn_by(cancel.trade, trades)
    assert found is not None
    assert found.id == "t_1"
    after, state = withdraw(found, cancel.state)
    assert (after.side, after.sentiment, state.volume) == ("none", "neutral", 30)
    assert Flag.CANCELLED in after.flags
    assert Flag.CANCELLED not in found.flags
    assert found.id not in {t.id for t in state.recent}


def test_a_cancel_finds_nothing_of_another_size_day_or_exchange() -> None:
    cancel = only(a_print(9, conditions=("A",)))
    for fields in (
        {"size": 11},
        {"ts": NOON - 86_400_000},
        {"exchange": "XPHL"},
        {"price": 2.01},
        {"ts": NOON + 1},
    ):
        assert withdrawn_by(cancel, [only(a_print(1, **fields))]) is None
    assert withdrawn_by(cancel, [only(a_print(1, conditions=("A",)))]) is None


# What cannot be a trade


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"price": float("nan")}, "price"), ({"price": -0.01}, "price"), ({"price": 1e9}, "price"),
        ({"size": 0}, "size"), ({"size": -5}, "size"), ({"size": 10**9}, "size"), ({"ts": 0}, "ts"),
        ({"ts": 10**15}, "ts"), ({"bid": float("inf")}, "bid"), ({"iv": float("nan")}, "iv"),
        ({"open_interest": -1}, "open_interest"), ({"id": "a b"}, "id"), ({"id": ""}, "id"),
    ],
)  # fmt: skip
def test_a_print_out_of_range_is_refused_by_name(fields: dict[str, object], named: str) -> None:
    with pytest.raises(DecodeError, match=f"^{named} "):
        only(a_print(**fields))


def test_flags_stand_in_the_order_of_their_definition() -> None:
    order = list(Flag)
    prints = [
        a_print(n, ts=NOON + n, exchange=e, size=6_000, conditions=("S",)) for n, e in enumerate("AB" * 4)
    ]
    for trade in run(prints, state=ContractState(TODAY, 0, 200)).values():
        places = [order.index(Flag(flag)) for flag in trade.flags]
        assert all(a < b for a, b in pairwise(places))
        assert Counter(trade.flags).most_common(1)[0][1] == 1
