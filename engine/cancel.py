"""Cancels: which earlier trade one takes back, and what becomes of it. Pure functions, as classification is."""

from __future__ import annotations

from collections.abc import Sequence

from engine.classify import BILLION, ContractState, with_flags
from schemas.calendar import new_york_date
from schemas.conditions import COMPRESSION
from schemas.flags import Flag
from schemas.trade import Sentiment, Side, Trade


def withdrawn_by(cancel: Trade, candidates: Sequence[Trade]) -> Trade | None:
    """The trade that a cancel takes back: the newest of its contract, day, size and price, not after it.

    `candidates` are trades of the contract in any order. A trade on the cancel's own exchange goes before one
    whose exchange is not known.
    """
    day, price = new_york_date(cancel.ts), round(cancel.price * BILLION)
    fits = [
        t
        for t in candidates
        if t.symbol == cancel.symbol
        and t.size == cancel.size
        and round(t.price * BILLION) == price
        and t.ts <= cancel.ts
        and new_york_date(t.ts) == day
        and Flag.CANCELLED not in t.flags
        and (t.exchange == cancel.exchange or not t.exchange or not cancel.exchange)
    ]
    return max(fits, key=lambda t: (t.exchange == cancel.exchange, t.ts, t.seq), default=None)


def withdraw(trade: Trade, state: ContractState) -> tuple[Trade, ContractState]:
    """A trade after its cancel, and the contract's state with the size taken back out of the day volume.

    The other flags stay, so that whoever was shown the trade is shown that it is withdrawn.
    """
    after = with_flags(trade, [Flag.CANCELLED])
    after.side, after.sentiment = Side.NONE.value, Sentiment.NEUTRAL.value
    volume = state.volume
    if new_york_date(trade.ts) == state.date and COMPRESSION not in trade.conditions:
        volume = max(0, volume - trade.size)
    recent = tuple(t for t in state.recent if t.id != trade.id)
    return after, state._replace(volume=volume, recent=recent)
