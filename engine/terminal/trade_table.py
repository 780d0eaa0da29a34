"""Found trades as a table for people: money, times and marks as traders write them. Pure: trades in, table out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

from engine.terminal import format as write
from schemas.flags import Flag
from schemas.trade import Sentiment, Side, Trade

BIG_PREMIUM = 100_000.0
"""Dollars from which a premium stands out."""

FLAGS_WIDTH = 24
"""Columns of text that flags need at least where they are many; they go on in a second line."""

GAP = 2
"""Columns of text between two columns of the table."""

_SENTIMENTS = {
    Sentiment.BULLISH.value: ("+bull", "green"),
    Sentiment.BEARISH.value: ("-bear", "red"),
    Sentiment.NEUTRAL.value: ("neutral", "dim"),
}
_SIDES = {
    Side.ABOVE_ASK.value: "bold green", Side.ASK.value: "green", Side.BID.value: "red",
    Side.BELOW_BID.value: "bold red",
}  # fmt: skip


def _plain(_: Trade) -> str:
    return ""


@dataclass(frozen=True, slots=True)
class Column:
    """One column; where the terminal is narrow, the one of the highest rank gives way first."""

    title: str
    rank: int
    cell: Callable[[Trade], str]
    style: Callable[[Trade], str] = _plain
    right: bool = True
    width: int = 0
    """Columns of text that nearly every trade fits, for rows that come one by one."""


TIME = Column("Time", 0, lambda t: write.clock(t.ts, millis=True), lambda _: "dim", width=12)
DAY_TIME = Column(
    "Day Time", 0, lambda t: f"{write.day(t.ts)} {write.clock(t.ts, millis=True)}", lambda _: "dim"
)

COLUMNS = (
    Column("Ticker", 0, lambda t: t.underlying, lambda _: "bold", right=False, width=6),
    Column("Expiry", 0, lambda t: write.expiry(t.expiry), width=8),
    Column("Strike", 0, lambda t: write.strike(t.strike), width=7),
    Column("C/P", 0, lambda t: t.right, lambda t: "green" if t.right == "C" else "red", right=False, width=3),
    Column("DTE", 2, lambda t: str(t.dte), width=3),
    Column("OTM", 4, lambda t: write.percent(t.otm_pct), width=7),
    Column("Price", 0, lambda t: write.price(t.price), width=7),
    Column("Size", 0, lambda t: write.count(t.size), width=6),
    Column("Premium", 0, lambda t: write.money(t.premium), lambda t: _big(t.premium), width=7),
    Column("Side", 1, lambda t: write.side(t.side), lambda t: _SIDES.get(t.side, "dim"), right=False, width=4),
    Column("View", 3, lambda t: _sentiment(t)[0], lambda t: _sentiment(t)[1], right=False, width=7),
    Column("Bid x Ask", 8, lambda t: f"{write.price(t.bid)} x {write.price(t.ask)}", width=15),
    Column("Spot", 7, lambda t: write.price(t.underlying_price), width=8),
    Column("Volume", 6, lambda t: write.count(t.volume), width=7),
    Column("OI", 6, lambda t: write.count(t.open_interest), width=7),
    Column("Vol/OI", 5, lambda t: write.UNKNOWN if t.vol_oi is None else f"{t.vol_oi:.2f}", width=6),
    Column("IV", 9, lambda t: write.UNKNOWN if t.iv is None else f"{t.iv * 100:.1f}%", width=6),
    Column("Delta", 10, lambda t: write.UNKNOWN if t.delta is None else f"{t.delta:+.2f}", width=5),
    Column("Exch", 11, lambda t: t.exchange or write.UNKNOWN, lambda _: "dim", right=False, width=4),
    Column("Flags", 0, lambda t: write.flags(t.flags), lambda _: "cyan", right=False),
)  # fmt: skip


def _sentiment(trade: Trade) -> tuple[str, str]:
    return _SENTIMENTS.get(trade.sentiment, (trade.sentiment, ""))


def _big(premium: float) -> str:
    return "bold yellow" if premium >= BIG_PREMIUM else ""


def row_style(trade: Trade) -> str:
    """The style of a whole row: withdrawn trades are struck through."""
    return "strike dim" if Flag.CANCELLED in trade.flags else ""


def trade_table(trades: Sequence[Trade], title: str, width: int | None) -> tuple[Table, int]:
    """A table of at least one trade, and the width it needs at least.

    `width` is that of the terminal: columns that do not fit are left out, and the caption names them. None is
    for a file or pipe: nothing is left out.
    """
    one_day = write.day(trades[0].ts) == write.day(trades[-1].ts)
    columns = [TIME if one_day else DAY_TIME, *COLUMNS]
    widths = {c.title: max(cell_len(c.title), *(cell_len(c.cell(t)) for t in trades)) for c in columns}
    if width is not None:
        widths["Flags"] = min(widths["Flags"], FLAGS_WIDTH)
    left_out = [] if width is None else leave_out(columns, widths, width)
    needed = room_for(columns, widths)

    where = f"{write.day(trades[0].ts)}, " if one_day else ""
    synthetic = ", SYNTHETIC, not a real market" if any(Flag.SYNTHETIC in t.flags for t in trades) else ""
    table = Table(
        title=f"{title} · {where}New York time ({write.zone(trades[0].ts)}){synthetic}",
        caption=f"left out for want of width: {', '.join(c.title for c in left_out)}" if left_out else None,
        box=None,
        padding=(0, GAP, 0, 0),
        title_justify="left",
        caption_justify="left",
        title_style="bold",
        header_style="bold",
    )
    for column in columns:
        # Flags are last and may take a second line; nothing is ever cut off.
        table.add_column(
            column.title,
            justify="right" if column.right else "left",
            overflow="fold",
            no_wrap=column.title != "Flags",
        )
    for trade in trades:
        table.add_row(*(Text(c.cell(trade), c.style(trade)) for c in columns), style=row_style(trade))
    return table, needed if width is not None else max(needed, cell_len(str(table.title)))


def room_for(columns: Iterable[Column], widths: Mapping[str, int]) -> int:
    """Columns of text that these columns take, each of the width under its title."""
    return sum(widths[column.title] + GAP for column in columns)


def leave_out(columns: list[Column], widths: Mapping[str, int], room: int) -> list[Column]:
    """Take columns out until the others fit, those of the highest rank first; gives what was taken out."""
    left_out: list[Column] = []
    while room_for(columns, widths) > room and any(column.rank for column in columns):
        last = max(columns, key=lambda column: column.rank)
        columns.remove(last)
        left_out.insert(0, last)
    return left_out
