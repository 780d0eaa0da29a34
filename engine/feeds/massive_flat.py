"""Massive's (Polygon's) option trade files, `us_options_opra/trades_v1`: one CSV row a trade, a day a file.

Columns are found by the names in the header: `ticker, conditions, correction, exchange, price,
sip_timestamp, size`, in some files `participant_timestamp` too. Times are unix ns, money is dollars. The rows
have no sequence number: a print is known by contract, time, price, size, exchange and conditions, and by its
place among rows that have all of these in common. So it has one id in every replay, but not its live one.
"""

from __future__ import annotations

import re
import time
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from hashlib import blake2b
from pathlib import Path

from engine.feeds.decoder import reject
from engine.feeds.fields import LATEST_MS
from engine.feeds.file_format import FileFormat, Row, Skipped
from engine.feeds.text_file import count_lines, header, lines, price, split, whole
from engine.settings import Settings
from schemas.conditions import BY_MASSIVE
from schemas.errors import ContractError, DecodeError, FileFormatError
from schemas.exchanges import MASSIVE
from schemas.print import Print
from schemas.spelling import from_massive

NAME = "massive-flat"

REQUIRED = ("ticker", "conditions", "exchange", "price", "sip_timestamp", "size")
"""Columns that a file must have; `correction` and `participant_timestamp` may be absent."""

WITHDRAWN = frozenset({7, 8, 10, 11})
"""Correction codes of the consolidated tape for rows that are no trade: 7 the original of an error, 8 the
original of a cancel, 10 the cancel itself, 11 the error itself. 0 is regular, 1 and 12 are corrected rows."""

CORRECTIONS = frozenset({0, 1, 12}) | WITHDRAWN

RECENT_ROWS = 100_000
"""Rows remembered to number equal ones; equal rows have the same nanosecond, and stand close together."""

_NS_PER_MS = 1_000_000
LATEST_NS = LATEST_MS * _NS_PER_MS
_SEPARATORS = re.compile(r"[;, ]+")


class Rows:
    """Makes prints of rows, and numbers equal ones. Raises FileFormatError where a column is missing."""

    def __init__(self, names: Sequence[str]) -> None:
        places = {name: place for place, name in enumerate(names)}
        missing = [name for name in REQUIRED if name not in places]
        if missing:
            raise FileFormatError(
                f"The header has no column {', '.join(missing)}: this is no Massive option trade file.",
                "Check --format.",
            )
        self._ticker, self._conditions, self._exchange, self._price, self._sip, self._size = (
            places[name] for name in REQUIRED
        )
        self._correction = places.get("correction", -1)
        self._participant = places.get("participant_timestamp", -1)
        self._needed = 1 + max(places[name] for name in REQUIRED)
        self._recent: OrderedDict[bytes, int] = OrderedDict()

    def row(self, row: Sequence[str], received: int) -> Print | Skipped:
        """The print of a row; `received` is unix ms. Raises DecodeError or ContractError."""
        if len(row) < self._needed:
            raise DecodeError(f"The row has {len(row)} fields, expected at least {self._needed}.")
        correction = whole(_optional(row, self._correction) or "0", "correction")
        if correction in WITHDRAWN:
            return Skipped(f"withdrawn by correction {correction}")
        if correction not in CORRECTIONS:
            raise DecodeError(f"correction {correction} is not known.")
        contract = from_massive(row[self._ticker])
        sip = whole(row[self._sip], "sip_timestamp", 1, LATEST_NS)
        size = whole(row[self._size], "size", 1)
        dollars = price(row[self._price], "price")
        exchange = whole(row[self._exchange], "exchange")
        texts = _SEPARATORS.split(row[self._conditions].strip())
        numbers = [whole(text, "conditions") for text in texts if text]
        participant = whole(_optional(row, self._participant) or "0", "participant_timestamp", 0, LATEST_NS)
        return Print(
            id=self._id(contract.symbol, sip, dollars, size, exchange, numbers),
            feed=NAME,
            ts=(participant or sip) // _NS_PER_MS,
            received=received,
            symbol=contract.symbol,
            price=dollars,
            size=size,
            exchange=MASSIVE.get(exchange, ""),
            # 0 and ids that are not known have no letter; they must not cost the trade.
            conditions=tuple(BY_MASSIVE[number] for number in numbers if number in BY_MASSIVE),
        )

    def _id(self, symbol: str, sip: int, dollars: float, size: int, exchange: int, numbers: list[int]) -> str:
        conditions = ",".join(map(str, numbers))
        key = blake2b(
            f"{symbol} {sip} {dollars!r} {size} {exchange} {conditions}".encode(), digest_size=10
        ).digest()
        recent = self._recent
        place = recent.get(key, 0) + 1
        recent[key] = place
        if place == 1 and len(recent) > RECENT_ROWS:
            recent.popitem(last=False)
        return f"mf_{symbol}_{key.hex()}" + (f"_{place}" if place > 1 else "")


def _optional(row: Sequence[str], place: int) -> str:
    return row[place] if 0 <= place < len(row) else ""


def read(path: Path, settings: Settings) -> Iterator[Row]:
    """The rows of a file. Raises FileFormatError as `lines` does, and where the header is another one."""
    del settings
    text = lines(path)
    rows = Rows(header(next(text), path))
    received = time.time_ns() // _NS_PER_MS
    yield Skipped("header")
    for line in text:
        if not line.strip():
            yield Skipped("blank line")
            continue
        try:
            yield rows.row(split(line), received)
        except (DecodeError, ContractError) as error:
            yield reject(NAME, str(error), line)


def recognise(path: Path, head: bytes) -> bool:
    """Whether the first line has the columns and the first ticker is an option's."""
    del path
    first, _, rest = head.partition(b"\n")
    return b"sip_timestamp" in first and b"ticker" in first and (b"O:" in rest or not rest)


FORMAT = FileFormat(
    name=NAME,
    summary="Massive (Polygon) us_options_opra/trades_v1, CSV, plain or gzip",
    read=read,
    total=count_lines,
    recognise=recognise,
)
