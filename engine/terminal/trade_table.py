"""Found trades as a table for people: money, times and marks as traders write them. Pure: trades in, table out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
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

_GAP = 2
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


COLUMNS = (
    Column("Ticker", 0, lambda t: t.underlying, lambda _: "bold", right=False),
    Column("Expiry", 0, lambda t: write.expiry(t.expiry)),
    Column("Strike", 0, lambda t: write.strike(t.strike)),
    Column("C/P", 0, lambda t: t.right, lambda t: "green" if t.right == "C" else "red", right=False),
    Column("DTE", 2, lambda t: str(t.dte)),
    Column("OTM", 4, lambda t: write.percent(t.otm_pct)),
    Column("Price", 0, lambda t: write.price(t.price)),
    Column("Size", 0, lambda t: write.count(t.size)),
    Column("Premium", 0, lambda t: write.money(t.premium), lambda t: "bold yellow" if t.premium >= BIG_PREMIUM else ""),
    Column("Side", 1, lambda t: write.side(t.side), lambda t: _SIDES.get(t.side, "dim"), right=False),
    Column("View", 3, lambda t: _sentiment(t)[0], lambda t: _sentiment(t)[1], right=False),
    Column("Bid x Ask", 8, lambda t: f"{write.price(t.bid)} x {write.price(t.ask)}"),
    Column("Spot", 7, lambda t: write.price(t.underlying_price)),
    Column("Volume", 6, lambda t: write.count(t.volume)),
    Column("OI", 6, lambda t: write.count(t.open_interest)),
    Column("Vol/OI", 5, lambda t: write.UNKNOWN if t.vol_oi is None else f"{t.vol_oi:.2f}"),
    Column("IV", 9, lambda t: write.UNKNOWN if t.iv is None else f"{t.iv * 100:.1f}%"),
    Column("Delta", 10, lambda t: write.UNKNOWN if t.delta is None else f"{t.delta:+.2f}"),
    Column("Exch", 11, lambda t: t.exchange or write.UNKNOWN, lambda _: "dim", right=False),
    Column("Flags", 0, lambda t: write.flags(t.flags), lambda _: "cyan", right=False),
)  # fmt: skip


def _sentiment(trade: Trade) -> tuple[str, str]:
    return _SENTIMENTS.get(trade.sentiment, (trade.sentiment, ""))


def trade_table(trades: Sequence[Trade], title: str, width: int | None) -> tuple[Table, int]:
    """A table of at least one trade, and the width it needs at least.

    `width` is that of the terminal: columns that do not fit are left out, and the caption names them. None is
    for a file or pipe: nothing is left out.
    """
    one_day = write.day(trades[0].ts) == write.day(trades[-1].ts)
    day = "" if one_day else "Day "
    time = Column(f"{day}Time", 0, lambda t: _time(t, one_day), lambda _: "dim")
    columns = [time, *COLUMNS]
    widths = {c.title: max(cell_len(c.title), *(cell_len(c.cell(t)) for t in trades)) for c in columns}
    if width is not None:
        widths["Flags"] = min(widths["Flags"], FLAGS_WIDTH)
    left_out: list[Column] = []

    def needed() -> int:
        return sum(widths[c.title] + _GAP for c in columns)

    while width is not None and needed() > width and any(c.rank for c in columns):
        last = max(columns, key=lambda c: c.rank)
        columns.remove(last)
        left_out.insert(0, last)

    where = f"{write.day(trades[0].ts)}, " if one_day else ""
    synthetic = ", SYNTHETIC, not a real market" if any(Flag.SYNTHETIC in t.flags for t in trades) else ""
    table = Table(
        title=f"{title} · {where}New York time ({write.zone(trades[0].ts)}){synthetic}",
        caption=f"left out for want of width: {', '.join(c.title for c in left_out)}" if left_out else None,
        box=None,
        padding=(0, _GAP, 0, 0),
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
        style = "strike dim" if Flag.CANCELLED in trade.flags else ""
        table.add_row(*(Text(c.cell(trade), c.style(trade)) for c in columns), style=style)
    return table, needed() if width is not None else max(needed(), cell_len(str(table.title)))


def _time(trade: Trade, one_day: bool) -> str:
    clock = write.clock(trade.ts, millis=True)
    return clock if one_day else f"{write.day(trade.ts)} {clock}"
