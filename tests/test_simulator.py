"""The simulated market: the same for the same seed, and shaped like a market."""

from __future__ import annotations

import asyncio
import hashlib
from collections import Counter, defaultdict
from itertools import islice

import msgspec
import pytest

from engine.feeds.simulator import CATCH_UP_MS, FEED, SimulatorSession
from engine.settings import Settings
from engine.simulator.chain import is_trading_day, listed
from engine.simulator.market import OPENING_MS, SimulatedMarket
from engine.simulator.underlyings import underlyings
from schemas.calendar import as_date, days_to_expiry, is_monthly, new_york_date
from schemas.conditions import FLAG_LETTERS, flags_of
from schemas.contract import parse_osi
from schemas.exchanges import NAMES
from schemas.flags import Flag
from schemas.print import Print

START = 1_795_010_400_000
"""2026-11-18 09:20 New York, a Wednesday."""

SAMPLE = 150_000

AFTERWARDS = {Flag.LATE, Flag.CANCELLED}
"""Of prints that do not belong to the moment they are printed in."""


def digest(prints: list[Print]) -> str:
    return hashlib.sha256(b"".join(msgspec.msgpack.encode(made) for made in prints)).hexdigest()[:16]


@pytest.fixture(scope="module")
def sample() -> list[Print]:
    """The first prints of a market that trades 1,000 times a second, opening burst included."""
    return SimulatedMarket(seed=7, start=START, rate=1_000).take(float("inf"), SAMPLE)


def having(prints: list[Print], flag: Flag) -> list[Print]:
    return [made for made in prints if set(made.conditions) & FLAG_LETTERS[flag]]


def test_the_first_prints_of_a_seed_are_the_same_on_every_machine() -> None:
    assert digest(SimulatedMarket(seed=1, start=START).take(float("inf"), 3_000)) == "eb79f9f180491d52"


def test_how_prints_are_fetched_changes_nothing() -> None:
    at_once = SimulatedMarket(seed=5, start=START).take(float("inf"), 5_000)
    assert list(islice(SimulatedMarket(seed=5, start=START).prints(), 5_000)) == at_once
    paced = SimulatedMarket(seed=5, start=START)
    found: list[Print] = []
    now = START
    while len(found) < 5_000:
        now += 37
        while part := paced.take(now, 11):
            assert all(made.received <= now for made in part)
            found += part
    assert found[:5_000] == at_once


def test_another_seed_makes_another_market() -> None:
    first, second = (SimulatedMarket(seed, START).take(float("inf"), 500) for seed in (1, 2))
    assert {made.symbol for made in first} != {made.symbol for made in second}


def test_ids_of_one_run_and_of_two_never_meet() -> None:
    runs = [(1, START), (1, START + 1), (2, START), (-1, START)]
    ids = [made.id for seed, start in runs for made in SimulatedMarket(seed, start).take(float("inf"), 400)]
    assert len(set(ids)) == len(ids) == 1_600
    assert all(name.replace("_", "").isalnum() and name.startswith("sim_") for name in ids)


def test_every_print_says_that_it_is_synthetic(sample: list[Print]) -> None:
    assert all(made.synthetic and made.feed == "simulator" for made in sample)
    assert FEED.synthetic


def test_activity_is_concentrated_and_reaches_thousands_of_underlyings(sample: list[Print]) -> None:
    counts = Counter(parse_osi(made.symbol).underlying for made in sample)
    share = {ticker: number / len(sample) for ticker, number in counts.most_common()}
    assert next(iter(share)) == "SPY"
    assert 0.12 < share["SPY"] < 0.18
    assert sum(list(share.values())[:10]) > 0.40
    assert len(share) > 3_000
    assert len({u.ticker for u in underlyings(7)}) == 5_000


def test_contracts_are_well_formed_and_not_expired(sample: list[Print]) -> None:
    today = new_york_date(START)
    for symbol in {made.symbol for made in sample}:
        contract = parse_osi(symbol)
        assert contract.symbol == symbol
        assert days_to_expiry(today, contract.expiry) >= 0
        assert is_trading_day(as_date(contract.expiry))


def test_index_roots_are_kept_apart(sample: list[Print]) -> None:
    contracts = {parse_osi(made.symbol) for made in sample}
    roots = {contract.root for contract in contracts}
    assert {"SPX", "SPXW", "VIX", "VIXW"} <= roots
    assert all(is_monthly(c.expiry, "VIX") == (c.root == "VIX") for c in contracts if c.underlying == "VIX")
    assert all(is_monthly(c.expiry, "SPX") for c in contracts if c.root == "SPX")


def test_the_busiest_funds_have_contracts_that_expire_today(sample: list[Print]) -> None:
    today = new_york_date(START)
    for ticker in ("SPY", "QQQ", "SPX"):
        of_it = [parse_osi(made.symbol) for made in sample if parse_osi(made.symbol).underlying == ticker]
        assert 0.25 < sum(contract.expiry == today for contract in of_it) / len(of_it) < 0.75


def test_expiries_are_listed_on_trading_days_only() -> None:
    for today in (20261118, 20261121, 20261125, 20270325):
        for kind in ("daily", "weekly", "monthly", "wednesday"):
            dates = [expiry for expiry, _ in listed(today, kind)]
            assert dates == sorted(set(dates))
            assert len(dates) >= 4
            assert all(expiry >= today and is_trading_day(as_date(expiry)) for expiry in dates)


def test_quotes_have_a_bid_below_the_ask_in_whole_cents(sample: list[Print]) -> None:
    for made in sample:
        assert made.bid is not None
        assert made.ask is not None
        assert 0 <= made.bid < made.ask
        assert all(round(dollars, 2) == dollars for dollars in (made.bid, made.ask, made.price))
        assert made.price > 0
        assert made.size > 0


def test_prices_lie_within_the_quote_or_a_tick_beside_it(sample: list[Print]) -> None:
    on_time = [made for made in sample if not set(flags_of(made.conditions)) & AFTERWARDS]
    outside = [made for made in on_time if not made.bid <= made.price <= made.ask]  # type: ignore[operator]
    assert 0.001 < len(outside) / len(on_time) < 0.06
    for made in outside:
        assert made.bid is not None
        assert made.ask is not None
        assert made.bid - 0.101 <= made.price <= made.ask + 0.101


def test_quotes_and_underlyings_move(sample: list[Print]) -> None:
    spots = {made.underlying_price for made in sample if made.symbol.startswith("SPY2")}
    assert len(spots) > 20
    assert all(price and abs(price / 660 - 1) < 0.05 for price in spots)
    quotes: dict[str, set[tuple[float | None, float | None]]] = defaultdict(set)
    for made in sample:
        quotes[made.symbol].add((made.bid, made.ask))
    busiest = Counter(made.symbol for made in sample).most_common(50)
    assert sum(len(quotes[symbol]) >= 4 for symbol, _ in busiest) >= 45


def test_delta_has_the_sign_of_its_right_and_open_interest_stays(sample: list[Print]) -> None:
    interest: dict[str, int | None] = {}
    for made in sample:
        assert made.delta is not None
        assert made.iv is not None
        call = parse_osi(made.symbol).right == "C"
        assert (0 <= made.delta <= 1) if call else (-1 <= made.delta <= 0)
        assert 0.02 < made.iv < 6
        assert interest.setdefault(made.symbol, made.open_interest) == made.open_interest


def test_all_exchanges_print_and_an_index_prints_on_its_own_only(sample: list[Print]) -> None:
    share = Counter(made.exchange for made in sample)
    assert set(share) == set(NAMES) - {"OPRA"}
    assert {made.exchange for made in sample if parse_osi(made.symbol).underlying in ("SPX", "VIX")} == {
        "XCBO"
    }
    assert min(share.values()) / len(sample) > 0.005


def test_sizes_have_round_lots_and_a_heavy_tail(sample: list[Print]) -> None:
    sizes = sorted(made.size for made in sample)
    counts = Counter(sizes)
    assert 0.2 < counts[1] / len(sizes) < 0.4
    assert counts[10] > 2 * counts[11]
    assert counts[100] > 20 * counts[99]
    assert sizes[len(sizes) // 2] <= 8
    assert sizes[-1] > 1_000
    assert any(size >= 500 for size in sizes[-len(sizes) // 100 :])


def test_multi_leg_shares_are_six_percent_in_spy_and_a_third_in_spx(sample: list[Print]) -> None:
    for ticker, low, high in (("SPY", 0.05, 0.07), ("SPX", 0.29, 0.35)):
        of_it = [made for made in sample if parse_osi(made.symbol).underlying == ticker]
        assert low < len(having(of_it, Flag.MULTI_LEG)) / len(of_it) < high


def test_legs_of_a_spread_print_at_one_time_on_one_exchange(sample: list[Print]) -> None:
    packages: dict[tuple[int, str, str, tuple[str, ...]], set[str]] = defaultdict(set)
    for made in having(sample, Flag.MULTI_LEG):
        ticker = parse_osi(made.symbol).underlying
        packages[made.ts, made.exchange, ticker, made.conditions].add(made.symbol)
    several = sum(len(symbols) > 1 for symbols in packages.values())
    assert several / len(packages) > 0.95


def test_sweeps_print_on_several_exchanges_within_their_window(sample: list[Print]) -> None:
    last: dict[str, Print] = {}
    followed = 0
    orders = having(sample, Flag.ISO)
    for made in orders:
        before = last.get(made.symbol)
        if before and made.ts - before.ts <= 250 and made.exchange != before.exchange:
            followed += 1
        last[made.symbol] = made
    # Many intermarket sweep orders are single prints; each other one follows a leg, but for the first of a sweep.
    assert 0.30 < followed / len(orders) < 0.70


def test_every_cancel_repeats_an_earlier_print_of_the_sample(sample: list[Print]) -> None:
    earlier: Counter[tuple[str, int, float, str]] = Counter()
    cancels = 0
    for made in sample:
        what = (made.symbol, made.size, made.price, made.exchange)
        if set(made.conditions) & FLAG_LETTERS[Flag.CANCELLED]:
            cancels += 1
            assert earlier[what] > 0
        else:
            earlier[what] += 1
    assert cancels > 30


def test_late_prints_are_out_of_order_and_nothing_else_is(sample: list[Print]) -> None:
    newest, late = 0, 0
    for made in sample:
        if set(made.conditions) & FLAG_LETTERS[Flag.LATE]:
            late += 1
            assert made.ts < made.received
        else:
            assert made.ts >= newest
            newest = made.ts
    assert 0.0005 < late / len(sample) < 0.005


def test_it_opens_with_ten_times_the_usual_rate() -> None:
    market = SimulatedMarket(seed=3, start=START, rate=100)
    opening = len(market.take(START + 5_000, 1_000_000)) / 5
    market.take(START + 8 * OPENING_MS, 1_000_000)
    usual = len(market.take(START + 8 * OPENING_MS + 120_000, 1_000_000)) / 120
    assert 90 < usual < 110
    assert 8.5 < opening / usual < 11


def test_a_new_day_lists_new_expiries_and_never_trades_expired_ones() -> None:
    market = SimulatedMarket(seed=3, start=START, rate=0.5, count=40)
    made = [p for p in market.take(float("inf"), 60_000) if not set(flags_of(p.conditions)) & AFTERWARDS]
    assert new_york_date(made[-1].ts) > new_york_date(START)
    assert all(days_to_expiry(new_york_date(p.ts), parse_osi(p.symbol).expiry) >= 0 for p in made)


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> int:
        self.now += 20
        return self.now


def test_the_feed_hands_on_the_market_of_its_seed_at_the_pace_of_the_clock() -> None:
    clock = Clock()

    async def run() -> list[Print]:
        found: list[Print] = []
        async with SimulatorSession(Settings(simulator_seed=9, simulator_rate=300), clock) as session:
            while len(found) < 600:
                turn = await session.receive()
                assert all(isinstance(made, Print) and made.received <= clock.now for made in turn)
                found += turn  # type: ignore[arg-type]
        return found

    found = asyncio.run(run())
    expected = SimulatedMarket(9, START + 20, 300).take(float("inf"), len(found))
    strip = [msgspec.structs.replace(made, received=0) for made in found]
    assert strip == [msgspec.structs.replace(made, received=0) for made in expected]


def test_the_feed_stands_still_for_what_it_cannot_catch_up_with() -> None:
    clock = Clock()

    async def run() -> tuple[list[Print], int]:
        session = SimulatorSession(Settings(simulator_seed=9, simulator_rate=50), clock)
        async with session:
            await session.receive()
            clock.now += 3_600_000
            turn = await session.receive()
            assert session.market is not None
            return turn, session.market.paused  # type: ignore[return-value]

    turn, paused = asyncio.run(run())
    assert paused > 3_500_000
    assert all(made.ts >= clock.now - CATCH_UP_MS - 1_000 for made in turn)
