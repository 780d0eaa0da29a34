"""Classification: a print and its contract's state become an enriched trade, and may change earlier ones.

Pure functions. Prices are compared as whole billionths of a dollar, so that no float's last bit decides a side.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from copy import copy
from math import isfinite
from operator import attrgetter
from typing import NamedTuple

from schemas.calendar import days_to_expiry, is_monthly, new_york_date
from schemas.conditions import COMPRESSION, flags_of
from schemas.contract import Contract
from schemas.errors import DecodeError
from schemas.flags import Flag, Rules, Thresholds
from schemas.print import Print
from schemas.trade import Sentiment, Side, Trade

BILLION = 1_000_000_000
_CENT = BILLION // 100

RECENT_LIMIT = 256
"""Earlier trades of a contract that a new one is compared with; above it the oldest are left out."""

PRICE_LIMIT = 1_000_000.0
"""Dollars per share; a higher price is a fault of the message."""

SIZE_LIMIT = 10_000_000
"""Contracts; a larger print is a fault of the message."""

TS_LIMIT = 4_102_444_800_000
"""Exchange times are before the year 2100, unix ms."""

_ts = attrgetter("ts")
_BUY = frozenset({Side.ASK.value, Side.ABOVE_ASK.value})
_SELL = frozenset({Side.BID.value, Side.BELOW_BID.value})
_UNSIDED = frozenset({Flag.CANCELLED, Flag.LATE, Flag.CROSS})
_TIED = frozenset({Flag.MULTI_LEG, Flag.STOCK_TIED})
_BULLISH, _BEARISH, _NEUTRAL = Sentiment.BULLISH.value, Sentiment.BEARISH.value, Sentiment.NEUTRAL.value


class ContractState(NamedTuple):
    """What classification knows of a contract: its hash in Redis, and its trades of the last moments."""

    date: int = 0
    """New York date that `volume` counts, yyyymmdd; 0 before the first print."""
    volume: int = 0
    open_interest: int | None = None
    recent: tuple[Trade, ...] = ()
    """Sided trades of no spread within the sweep window of the newest, oldest first; at most RECENT_LIMIT."""
    renewed: int = 0
    """When the time to live of its hash was last set, unix ms; classification passes it on."""


class Outcome(NamedTuple):
    """What one print leads to. Trades in it have no `seq` yet."""

    trade: Trade
    changed: tuple[Trade, ...]
    """Earlier trades as they are now, because this one made them part of a sweep or a repeat."""
    state: ContractState
    cancel: bool
    """The print withdraws an earlier trade: `find` it and `withdraw` it."""


def check(print_: Print) -> None:
    """Raises DecodeError, naming the field and its value, where a print cannot be a trade."""
    if not (isfinite(print_.price) and 0 <= print_.price <= PRICE_LIMIT):
        raise DecodeError(f"price {print_.price!r} is not between 0 and {PRICE_LIMIT:,.0f} dollars.")
    if not 1 <= print_.size <= SIZE_LIMIT:
        raise DecodeError(f"size {print_.size!r} is not between 1 and {SIZE_LIMIT:,} contracts.")
    if not 0 < print_.ts < TS_LIMIT:
        raise DecodeError(f"ts {print_.ts!r} is not a unix time in ms before the year 2100.")
    for name, value in (
        ("bid", print_.bid),
        ("ask", print_.ask),
        ("underlying_price", print_.underlying_price),
        ("iv", print_.iv),
        ("delta", print_.delta),
    ):
        if value is not None and not isfinite(value):
            raise DecodeError(f"{name} {value!r} is not a finite number.")
    for name, number in (("open_interest", print_.open_interest), ("volume", print_.volume)):
        if number is not None and number < 0:
            raise DecodeError(f"{name} {number!r} is below 0.")
    if not print_.id.replace("_", "").isalnum():
        raise DecodeError(f"id {print_.id[:80]!r} has other characters than letters, digits and _.")


def side_of(price: float, bid: float | None, ask: float | None, ask_from_millionths: int) -> str:
    """Where in its quote a price lies (DESIGN, Side); `none` without a quote that one could trade against."""
    if bid is None or ask is None or bid <= 0 or ask <= 0:
        return Side.NONE.value
    p, b, a = round(price * BILLION), round(bid * BILLION), round(ask * BILLION)
    spread = a - b
    if spread <= 0:
        return Side.NONE.value
    if p > a:
        return Side.ABOVE_ASK.value
    if p < b:
        return Side.BELOW_BID.value
    inside = (p - b) * 1_000_000
    if inside >= ask_from_millionths * spread:
        return Side.ASK.value
    if inside <= (1_000_000 - ask_from_millionths) * spread:
        return Side.BID.value
    return Side.MID.value


def sentiment_of(side: str, right: str, tied: bool) -> str:
    """Bullish: a call bought or a put sold; bearish the reverse; neutral without a side or tied to other legs."""
    if tied:
        return _NEUTRAL
    if side in _BUY:
        return _BULLISH if right == "C" else _BEARISH
    if side in _SELL:
        return _BEARISH if right == "C" else _BULLISH
    return _NEUTRAL


def premium_of(price: float, size: int, multiplier: int) -> float:
    """price x size x multiplier in dollars, rounded half up to cents; a whole number of dollars is an integer."""
    cents = (round(price * BILLION) * size * multiplier + _CENT // 2) // _CENT
    return cents // 100 if cents % 100 == 0 else cents / 100


def otm_pct_of(strike: float, right: str, underlying_price: float | None) -> float | None:
    """Percent of the underlying by which a contract is out of the money, four decimals; negative in the money."""
    if underlying_price is None or underlying_price <= 0:
        return None
    distance = strike - underlying_price if right == "C" else underlying_price - strike
    return round(100 * distance / underlying_price, 4)


def classify(print_: Print, contract: Contract, state: ContractState, rules: Rules) -> Outcome:
    """The trade that a print is, the earlier trades that it changes, and the contract's state after it.

    Raises DecodeError where the print cannot be a trade.
    """
    check(print_)
    ts, size, right, conditions = print_.ts, print_.size, contract.right, print_.conditions
    limits = rules.of(contract.underlying)
    from_condition = flags_of(conditions)
    cancel = Flag.CANCELLED in from_condition
    unsided = not _UNSIDED.isdisjoint(from_condition)
    tied = not _TIED.isdisjoint(from_condition)
    side = (
        Side.NONE.value
        if unsided
        else side_of(print_.price, print_.bid, print_.ask, rules.ask_from_millionths)
    )
    premium = premium_of(print_.price, size, contract.multiplier)

    date = new_york_date(ts)
    counts = not cancel and COMPRESSION not in conditions
    recent: tuple[Trade, ...] = ()
    if date < state.date:
        # The day of this print is over: its volume is known no more, and the newer day's stays as it is.
        volume, open_interest = None, print_.open_interest
    else:
        before = state.volume if date == state.date else 0
        volume = before + size if counts else before
        if print_.volume is not None and print_.volume > volume:
            # The vendor counts the whole day; a feed that began in the middle of it does not.
            volume = print_.volume
        open_interest = state.open_interest if print_.open_interest is None else print_.open_interest
        if date == state.date:
            recent = state.recent

    dte = days_to_expiry(date, contract.expiry)
    trade = Trade(
        id=print_.id,
        seq=0,
        ts=ts,
        received=print_.received,
        underlying=contract.underlying,
        symbol=contract.symbol,
        right=right,
        expiry=contract.expiry,
        strike=contract.strike,
        price=print_.price,
        size=size,
        premium=premium,
        bid=print_.bid,
        ask=print_.ask,
        underlying_price=_rounded(print_.underlying_price),
        dte=dte,
        otm_pct=otm_pct_of(contract.strike, right, print_.underlying_price),
        volume=volume,
        open_interest=open_interest,
        vol_oi=round(volume / open_interest, 4) if volume is not None and open_interest else None,
        iv=_rounded(print_.iv),
        delta=_rounded(print_.delta),
        side=side,
        sentiment=sentiment_of(side, right, tied),
        flags=(),
        conditions=conditions,
        exchange=print_.exchange,
    )

    changed: tuple[Trade, ...] = ()
    sweep = repeat = False
    compares = not tied and volume is not None and (side in _BUY or side in _SELL)
    if compares:
        sweep, repeat, changed, recent = _compare(trade, recent, limits)
    trade.flags = _flags(trade, from_condition, counts, sweep, repeat, print_.synthetic, limits)
    if compares:
        recent = (*recent, trade)[-RECENT_LIMIT:]
    after = state if volume is None else ContractState(date, volume, open_interest, recent, state.renewed)
    return Outcome(trade, changed, after, cancel)


def _rounded(value: float | None) -> float | None:
    # RedisJSON may change the last bit of a number of 17 digits, and then tape and document would differ.
    return None if value is None else round(value, 9)


def _flags(
    trade: Trade,
    from_condition: tuple[Flag, ...],
    counts: bool,
    sweep: bool,
    repeat: bool,
    synthetic: bool,
    limits: Thresholds,
) -> tuple[str, ...]:
    flags: list[str] = list(from_condition)
    if counts:
        volume, interest = trade.volume, trade.open_interest
        outrun = volume is not None and interest is not None and volume > interest
        if sweep:
            flags.append(Flag.SWEEP)
        if trade.size >= limits.block_size:
            flags.append(Flag.BLOCK)
        if trade.premium >= limits.large_premium:
            flags.append(Flag.LARGE_PREMIUM)
        if sweep and outrun and trade.premium >= limits.golden_premium:
            flags.append(Flag.GOLDEN)
        if volume is not None and interest is not None and trade.size > interest - (volume - trade.size):
            flags.append(Flag.OPENING)
        if outrun:
            flags.append(Flag.VOLUME_GT_OI)
        if (
            volume is not None
            and interest is not None
            and volume > limits.unusual_volume
            and interest > limits.unusual_open_interest
            and volume >= limits.unusual_ratio * interest
        ):
            flags.append(Flag.UNUSUAL)
        if repeat:
            flags.append(Flag.REPEAT)
    if trade.dte == 0:
        flags.append(Flag.ZERO_DTE)
    if not is_monthly(trade.expiry, trade.underlying):
        flags.append(Flag.WEEKLY)
    if synthetic:
        flags.append(Flag.SYNTHETIC)
    return tuple(flags)


def _compare(
    trade: Trade, recent: tuple[Trade, ...], limits: Thresholds
) -> tuple[bool, bool, tuple[Trade, ...], tuple[Trade, ...]]:
    """Whether a trade is part of a sweep and of a repeat, the earlier trades that it changes, and `recent` after.

    A trade is part of a sweep if any other of its side on another exchange is within `sweep_ms`: that is the
    same as lying in a window of that length with two exchanges. For a repeat, windows of `repeat_ms` are tried.
    """
    window = max(limits.sweep_ms, limits.repeat_ms)
    ts, oldest = trade.ts, trade.ts - window
    if recent and recent[0].ts < oldest:
        recent = tuple(t for t in recent if t.ts >= oldest)
    if not recent:
        return False, False, (), recent
    same = _BUY if trade.side in _BUY else _SELL
    peers = [t for t in recent if t.side in same]
    legs = [
        t
        for t in peers
        if t.exchange != trade.exchange
        and t.exchange
        and trade.exchange
        and abs(t.ts - ts) <= limits.sweep_ms
    ]
    repeated = _repeated(ts, peers, limits)
    marks: dict[str, list[Flag]] = {}
    for other in legs:
        if Flag.SWEEP not in other.flags:
            marks.setdefault(other.id, []).append(Flag.SWEEP)
    for other in repeated:
        if Flag.REPEAT not in other.flags:
            marks.setdefault(other.id, []).append(Flag.REPEAT)
    if not marks:
        return bool(legs), bool(repeated), (), recent
    changed: list[Trade] = []
    kept: list[Trade] = []
    for earlier in recent:
        if earlier.id in marks:
            earlier = _mark(earlier, marks[earlier.id], limits)
            changed.append(earlier)
        kept.append(earlier)
    return bool(legs), bool(repeated), tuple(changed), tuple(kept)


def _repeated(ts: int, peers: Sequence[Trade], limits: Thresholds) -> list[Trade]:
    """The peers that share a window of `repeat_ms` with a print at `ts` and more than `repeat_count` in all."""
    window = limits.repeat_ms
    near = sorted((t for t in peers if abs(t.ts - ts) <= window), key=_ts)
    if len(near) < limits.repeat_count:
        return []
    first = last = 0
    # Windows that begin with a peer not after the print, and end with it or later; then the one it begins.
    for place, start in enumerate((*(t.ts for t in near if t.ts <= ts), ts)):
        end = bisect_right(near, start + window, key=_ts)
        if end - place >= limits.repeat_count:
            first = place if last == 0 else first
            last = end
    return near[first:last]


_ORDER = {flag: place for place, flag in enumerate(Flag)}


def with_flags(trade: Trade, more: Sequence[Flag]) -> Trade:
    """A copy of a trade with more flags, in their order."""
    changed = copy(trade)
    changed.flags = tuple(sorted({*trade.flags, *more}, key=lambda flag: _ORDER[Flag(flag)]))
    return changed


def _mark(trade: Trade, marks: Sequence[Flag], limits: Thresholds) -> Trade:
    volume, interest = trade.volume, trade.open_interest
    golden = (
        Flag.SWEEP in marks
        and trade.premium >= limits.golden_premium
        and volume is not None
        and interest is not None
        and volume > interest
    )
    return with_flags(trade, [*marks, Flag.GOLDEN] if golden else marks)


def recent_of(trades: Sequence[Trade], rules: Rules) -> dict[str, tuple[Trade, ...]]:
    """`ContractState.recent` by symbol, made again from announced trades, newest first, as the tape has them.

    An indexer that takes a partition over begins with this. Of a trade announced twice the first one counts.
    """
    seen: set[str] = set()
    found: dict[str, list[Trade]] = {}
    for trade in trades:
        if trade.id in seen:
            continue
        seen.add(trade.id)
        if (trade.side in _BUY or trade.side in _SELL) and _TIED.isdisjoint(trade.flags):
            found.setdefault(trade.symbol, []).append(trade)
    recent: dict[str, tuple[Trade, ...]] = {}
    for symbol, newest_first in found.items():
        limits = rules.of(newest_first[0].underlying)
        newest = max(t.ts for t in newest_first)
        oldest = newest - max(limits.sweep_ms, limits.repeat_ms)
        day = new_york_date(newest)
        inside = [t for t in reversed(newest_first) if t.ts >= oldest and new_york_date(t.ts) == day]
        recent[symbol] = tuple(inside[-RECENT_LIMIT:])
    return recent
