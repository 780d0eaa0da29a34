"""Lean's minute bars of options: a zip a day and ticker, one headerless CSV a contract.

A bar is not a print. Each one becomes one synthetic print at the bar's close: price close, size the contracts
of the whole minute, time the bar's start and 60 seconds. Of the files that stand beside it in Lean's usual
folders the quote bars give bid and ask, the underlying's bars its price, each of the same minute, and the
open interest comes first. Times are ms since midnight in New York, prices ten-thousandths of a dollar.
"""

from __future__ import annotations

import re
import time
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from engine.feeds.decoder import reject
from engine.feeds.fields import LARGEST_COUNT
from engine.feeds.file_format import FileFormat, Row, Skipped
from engine.feeds.text_file import number, split, whole
from engine.settings import Settings
from schemas.calendar import new_york_ms
from schemas.contract import Contract
from schemas.errors import ContractError, DecodeError, FileFormatError
from schemas.print import Print, Reference
from schemas.spelling import from_lean

NAME = "lean"

BAR_MS = 60_000
"""A bar's length; its time is its start."""

SCALE = 10_000
"""Units of a price in a dollar."""

ENTRIES = 100_000
"""Contracts in one zip at most."""

MINUTES = 1_440
"""Bars of one contract, or of the stock, that are kept to look up: a day of minutes."""

EARLIEST_DAY = 19_730_426
"""The first day of listed options in the United States."""

LINE_BYTES = 4_096
"""Bytes of a line at most."""

Quotes = dict[int, tuple[float | None, float | None]]
"""Bid and ask at the close of the bar that starts at a ms of the day."""

_FILE = re.compile(r"(?P<date>\d{8})_(?P<kind>trade|quote|openinterest)(?:_(?P<style>[a-z]+))?\.zip\Z")
_UNDERLYINGS = {"option": "equity", "indexoption": "index", "futureoption": "future"}
_DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError)


@dataclass(slots=True)
class _Archive:
    """One zip: its entries' lines, and what went wrong with an entry."""

    path: Path
    zip: zipfile.ZipFile = field(init=False)
    names: list[str] = field(init=False)

    def __post_init__(self) -> None:
        try:
            self.zip = zipfile.ZipFile(self.path)
        except _DAMAGE as error:
            empty = self.path.stat().st_size == 0
            what = "is empty" if empty else f"is cut short or no zip: {error}"
            raise FileFormatError(f"{self.path} {what}.", "Download it again.") from None
        except OSError as error:
            raise FileFormatError(
                f"{self.path} cannot be read: {error.strerror or error}.",
                "Check the path and its permissions.",
            ) from None
        self.names = self.zip.namelist()
        if len(self.names) > ENTRIES:
            raise FileFormatError(f"{self.path} has {len(self.names)} entries, more than {ENTRIES}.")

    def lines(self, name: str) -> Iterator[bytes]:
        """The lines of an entry. Raises DecodeError where it is damaged, after what is before the damage."""
        try:
            with self.zip.open(name) as entry:
                while line := entry.readline(LINE_BYTES):
                    if stripped := line.strip():
                        yield stripped
        except _DAMAGE as error:
            raise DecodeError(f"The entry {name[:80]!r} is damaged: {error}.") from None
        except OSError as error:
            raise DecodeError(f"The entry {name[:80]!r} cannot be read: {error}.") from None


def _dollars(text: str, name: str) -> float | None:
    units = number(text, name)
    if units is not None and units < 0:
        raise DecodeError(f"{name} is {text[:40]!r}, not zero or more.")
    return None if units is None else units / SCALE


def _bar(line: bytes, width: int) -> tuple[int, list[str]]:
    """A bar's start in ms of the day, and its fields."""
    row = split(line)
    if len(row) < width:
        raise DecodeError(f"The bar has {len(row)} fields, expected {width}.")
    return whole(row[0], "time", 0, 86_399_999), row


def trade_print(
    contract: Contract, day: int, line: bytes, quotes: Quotes, prices: dict[int, float], received: int
) -> Print:
    """The print that stands for a trade bar, with quote and price of the same minute. Raises DecodeError."""
    start, row = _bar(line, 6)
    close = _dollars(row[4], "close")
    contracts = number(row[5], "contracts")
    if (
        close is None
        or contracts is None
        or not 1 <= contracts <= LARGEST_COUNT
        or contracts != int(contracts)
    ):
        raise DecodeError(f"The bar has the close {row[4][:20]!r} and {row[5][:20]!r} contracts.")
    try:
        ts = new_york_ms(day, start) + BAR_MS
    except ValueError as error:
        raise DecodeError(f"{error}.") from None
    bid, ask = quotes.get(start, (None, None))
    minute = start // BAR_MS
    return Print(
        id=f"ln_{contract.symbol}_{day % 1_000_000:06d}_{minute // 60:02d}{minute % 60:02d}",
        feed=NAME,
        ts=ts,
        received=received,
        symbol=contract.symbol,
        price=close,
        size=int(contracts),
        bid=bid,
        ask=ask,
        underlying_price=prices.get(start),
        synthetic=True,
    )


def quote_close(line: bytes) -> tuple[int, float | None, float | None]:
    """The start of a quote bar in ms of the day, and the bid and ask at its close. Raises DecodeError."""
    start, row = _bar(line, 11)
    return start, _dollars(row[4], "bid close"), _dollars(row[9], "ask close")


def open_interest(contract: Contract, day: int, line: bytes) -> Reference:
    """The open interest of a line. Raises DecodeError."""
    _, row = _bar(line, 2)
    contracts = number(row[1], "open interest")
    if contracts is None or not 0 <= contracts <= LARGEST_COUNT:
        raise DecodeError(f"The open interest is {row[1][:40]!r}.")
    return Reference(feed=NAME, symbol=contract.symbol, date=day, open_interest=int(contracts))


def _file(path: Path) -> tuple[int, str, str]:
    """Date, kind and style of a file's name. Raises FileFormatError."""
    match = _FILE.match(path.name)
    if match is None or match["style"] is None:
        raise FileFormatError(
            f"{path.name} is not the name of a Lean option file.",
            "Expected <yyyymmdd>_trade_<style>.zip or <yyyymmdd>_openinterest_<style>.zip.",
        )
    day = int(match["date"])
    try:
        new_york_ms(day, 0)
    except ValueError:
        day = 0
    if day < EARLIEST_DAY:
        raise FileFormatError(f"{path.name} begins with {match['date']}, which is no day of listed options.")
    return day, match["kind"], match["style"]


def _beside(path: Path, day: int, kind: str, style: str) -> Path | None:
    """The option file of another kind of the same day, where it exists."""
    found = path.with_name(f"{day}_{kind}_{style}.zip")
    return found if found.is_file() else None


def _underlying(path: Path, day: int, kind: str) -> Path | None:
    """The underlying's file of a day in `<data>/equity/usa/minute/<ticker>`, where it exists."""
    parts = path.absolute().parts
    if len(parts) < 5 or parts[-5] not in _UNDERLYINGS:
        return None
    found = Path(*parts[:-5], _UNDERLYINGS[parts[-5]], *parts[-4:-1], f"{day}_{kind}.zip")
    return found if found.is_file() else None


def _stock_prices(path: Path, day: int, prices: dict[int, float]) -> Iterator[Row]:
    """Fill in the underlying's price by the start of the minute: the bar's close, else the quote's middle."""
    for kind in ("quote", "trade"):
        found = _underlying(path, day, kind)
        if found is None:
            continue
        bars = 0
        try:
            archive = _Archive(found)
            for name in archive.names:
                for line in archive.lines(name):
                    bars += 1
                    start, price = _stock_price(line, kind)
                    if price and (start in prices or len(prices) < MINUTES):
                        prices[start] = price
        except (DecodeError, FileFormatError) as error:
            yield reject(NAME, str(error), found.name)
        if bars:
            yield Skipped(f"{kind} bar of the underlying", bars)


def _stock_price(line: bytes, kind: str) -> tuple[int, float | None]:
    if kind == "trade":
        start, row = _bar(line, 6)
        return start, _dollars(row[4], "close")
    start, bid, ask = quote_close(line)
    return start, round((bid + ask) / 2, 6) if bid and ask else None


def _quotes(archive: _Archive, name: str, quotes: Quotes) -> Iterator[Row]:
    """Fill in bid and ask of one contract by the start of the minute."""
    bars = 0
    try:
        for line in archive.lines(name):
            bars += 1
            start, bid, ask = quote_close(line)
            if len(quotes) < MINUTES:
                quotes[start] = bid, ask
    except DecodeError as error:
        yield reject(NAME, str(error), name)
    if bars:
        yield Skipped("quote bar", bars)


def _trades(path: Path, day: int, style: str, received: int) -> Iterator[Row]:
    archive = _Archive(path)
    prices: dict[int, float] = {}
    # What stands beside the file is welcome, but not what was asked for: damage there costs no bar.
    if found := _beside(path, day, "openinterest", style):
        try:
            yield from _open_interests(found, day)
        except FileFormatError as error:
            yield reject(NAME, str(error), found.name)
    quote_archive = None
    if found := _beside(path, day, "quote", style):
        try:
            quote_archive = _Archive(found)
        except FileFormatError as error:
            yield reject(NAME, str(error), found.name)
    yield from _stock_prices(path, day, prices)
    quote_names = set(quote_archive.names) if quote_archive else set()
    for name in archive.names:
        quotes: Quotes = {}
        quote_name = name.replace("_minute_trade_", "_minute_quote_")
        if quote_archive is not None and quote_name in quote_names:
            yield from _quotes(quote_archive, quote_name, quotes)
        for contract, line in _contract_lines(archive, name):
            if contract is None:
                yield reject(NAME, line.decode(), name)
                continue
            try:
                yield trade_print(contract, day, line, quotes, prices, received)
            except DecodeError as error:
                yield reject(NAME, str(error), line)


def _contract_lines(archive: _Archive, name: str) -> Iterator[tuple[Contract | None, bytes]]:
    """The lines of one contract; None and the reason where the entry is no contract's, or is damaged."""
    try:
        contract = from_lean(name)
        for line in archive.lines(name):
            yield contract, line
    except (ContractError, DecodeError) as error:
        yield None, str(error).encode()


def _open_interests(path: Path, day: int) -> Iterator[Row]:
    archive = _Archive(path)
    for name in archive.names:
        for contract, line in _contract_lines(archive, name):
            if contract is None:
                yield reject(NAME, line.decode(), name)
                continue
            try:
                yield open_interest(contract, day, line)
            except DecodeError as error:
                yield reject(NAME, str(error), line)


def read(path: Path, settings: Settings) -> Iterator[Row]:
    """The rows of a file, and of what stands beside a file of trade bars. Raises FileFormatError."""
    del settings
    day, kind, style = _file(path)
    if kind == "openinterest":
        yield from _open_interests(path, day)
    elif kind == "trade":
        yield from _trades(path, day, style, time.time_ns() // 1_000_000)
    else:
        raise FileFormatError(
            f"{path.name} holds quote bars and no trades.",
            "Open the trade file: quotes beside it are read with it.",
        )


def recognise(path: Path, head: bytes) -> bool:
    """Whether it is a zip with a Lean option file's name."""
    match = _FILE.match(path.name)
    return head.startswith(b"PK") and match is not None and match["style"] is not None


def total(path: Path) -> None:
    """Unknown: only reading a zip whole would tell."""
    del path


FORMAT = FileFormat(
    name=NAME,
    summary="Lean (QuantConnect) minute bars of options and open interest, zip",
    read=read,
    total=total,
    recognise=recognise,
)
