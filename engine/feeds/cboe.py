"""Cboe DataShop's Option Trades files: one CSV row a trade, with the quotes at that moment.

Columns are found by the names in the header, so that the optional `trade_iv` and `trade_delta` may be there
or not. Behind `number_of_exchanges` come groups of five fields, one group an exchange, which the header names
only once: what is behind that column is not read. Times are New York's, money is dollars.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from engine.feeds.decoder import reject
from engine.feeds.fields import LARGEST_SEQUENCE, LATEST_MS
from engine.feeds.file_format import FileFormat, Row, Skipped
from engine.feeds.text_file import count_lines, dollars, header, lines, number, price, split, whole
from engine.settings import Settings
from schemas.calendar import new_york_ms
from schemas.conditions import BY_THETA
from schemas.contract import Contract
from schemas.errors import ContractError, DecodeError, FileFormatError
from schemas.exchanges import CBOE
from schemas.print import Print
from schemas.spelling import from_cboe

NAME = "cboe"

REQUIRED = (
    "quote_datetime", "sequence_number", "root", "expiration", "strike", "option_type", "exchange_id",
    "trade_size", "trade_price", "trade_condition_id", "best_bid", "best_ask",
)  # fmt: skip
"""Columns that a file must have; the two of the underlying, `trade_iv` and `trade_delta` may be absent."""

_TIME = re.compile(r"(\d{4})-(\d\d)-(\d\d)[ T](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?\Z", re.ASCII)

ROW_CONTRACTS = 65_536
"""Contracts remembered by their four columns."""


@dataclass(frozen=True, slots=True)
class Columns:
    """Where each column is in a row; -1 for an optional one that the file does not have."""

    quote_datetime: int
    sequence_number: int
    root: int
    expiration: int
    strike: int
    option_type: int
    exchange_id: int
    trade_size: int
    trade_price: int
    trade_condition_id: int
    best_bid: int
    best_ask: int
    underlying_bid: int = -1
    underlying_ask: int = -1
    trade_iv: int = -1
    trade_delta: int = -1

    @property
    def needed(self) -> int:
        """Fields that a row must have at least."""
        return 1 + max(int(getattr(self, name)) for name in REQUIRED)


def columns(names: Sequence[str]) -> Columns:
    """Where a header in lower case has the columns. Raises FileFormatError naming those that are missing."""
    places = {name: place for place, name in enumerate(names)}
    missing = [name for name in REQUIRED if name not in places]
    if missing:
        raise FileFormatError(
            f"The header has no column {', '.join(missing)}: this is no Cboe DataShop Option Trades file.",
            "Check --format.",
        )
    return Columns(**{name: places[name] for name in Columns.__dataclass_fields__ if name in places})


@lru_cache(maxsize=ROW_CONTRACTS)
def _contract(root: str, expiration: str, strike: str, option_type: str) -> Contract:
    return from_cboe(root, expiration, strike, option_type)


def time_ms(text: str) -> int:
    """`2016-06-01 13:57:58.175` in New York as unix ms; a finer fraction is cut off. Raises DecodeError."""
    if match := _TIME.match(text):
        year, month, day, hour, minute, second = map(int, match.groups()[:6])
        fraction = int((match[7] or "").ljust(3, "0")[:3])
        try:
            found = new_york_ms(
                (year * 100 + month) * 100 + day, ((hour * 60 + minute) * 60 + second) * 1000 + fraction
            )
        except ValueError:
            found = -1
        if 0 <= found <= LATEST_MS and minute < 60 and second < 60:
            return found
    raise DecodeError(f"quote_datetime {text[:40]!r} is no time in New York (yyyy-mm-dd hh:mm:ss.fff).")


def _field(row: Sequence[str], place: int) -> str:
    return row[place] if 0 <= place < len(row) else ""


def _condition(number: int) -> tuple[str, ...]:
    # A condition that is not known must not cost the trade: its price and size are good.
    letter = BY_THETA.get(number)
    return () if letter is None else (letter,)


def print_of(row: Sequence[str], at: Columns, needed: int, received: int) -> Print:
    """The print of a row of at least `needed` fields; `received` is unix ms.

    Raises DecodeError or ContractError with what is wrong. A condition id that is not known is left out.
    """
    if len(row) < needed:
        raise DecodeError(f"The row has {len(row)} fields, expected at least {needed}.")
    contract = _contract(row[at.root], row[at.expiration], row[at.strike], row[at.option_type])
    sequence = whole(row[at.sequence_number], "sequence_number", 0, LARGEST_SEQUENCE)
    moment = row[at.quote_datetime].strip()
    underlying_bid = dollars(_field(row, at.underlying_bid), "underlying_bid")
    underlying_ask = dollars(_field(row, at.underlying_ask), "underlying_ask")
    underlying = None
    if underlying_bid and underlying_ask:
        underlying = round((underlying_bid + underlying_ask) / 2, 6)
    # A volatility of zero says that none could be computed, and then the delta means nothing either.
    iv = number(_field(row, at.trade_iv), "trade_iv") or None
    return Print(
        id=f"cb_{contract.symbol}_{moment[2:4]}{moment[5:7]}{moment[8:10]}_{sequence}",
        feed=NAME,
        ts=time_ms(moment),
        received=received,
        symbol=contract.symbol,
        price=price(row[at.trade_price], "trade_price"),
        size=whole(row[at.trade_size], "trade_size", 1),
        exchange=CBOE.get(whole(row[at.exchange_id], "exchange_id"), ""),
        conditions=_condition(whole(row[at.trade_condition_id], "trade_condition_id")),
        bid=dollars(row[at.best_bid], "best_bid"),
        ask=dollars(row[at.best_ask], "best_ask"),
        underlying_price=underlying,
        iv=iv,
        delta=None if iv is None else number(_field(row, at.trade_delta), "trade_delta"),
    )


def read(path: Path, settings: Settings) -> Iterator[Row]:
    """The rows of a file. Raises FileFormatError as `lines` does, and where the header is another one."""
    del settings
    rows = lines(path)
    at = columns(header(next(rows), path))
    needed, received = at.needed, time.time_ns() // 1_000_000
    yield Skipped("header")
    for line in rows:
        if not line.strip():
            yield Skipped("blank line")
            continue
        try:
            yield print_of(split(line), at, needed, received)
        except (DecodeError, ContractError) as error:
            yield reject(NAME, str(error), line)


def recognise(path: Path, head: bytes) -> bool:
    """Whether the first line has the columns."""
    del path
    return b"quote_datetime," in head and b",trade_condition_id," in head


FORMAT = FileFormat(
    name=NAME,
    summary="Cboe DataShop Option Trades, CSV",
    read=read,
    total=count_lines,
    recognise=recognise,
)
