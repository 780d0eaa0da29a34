"""Trades line by line, as they come: the columns of the table at fixed widths. Pure: trades in, lines out."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from rich.cells import cell_len
from rich.text import Text

from engine.terminal import format as write
from engine.terminal.trade_table import COLUMNS, FLAGS_WIDTH, GAP, TIME, Column, leave_out, row_style
from schemas.trade import Trade


class Mark(StrEnum):
    """What a line says of its trade; it stands before the time."""

    NEW = " "
    CHANGED = "~"
    """It was shown before and is otherwise now: part of a sweep, or withdrawn."""
    GONE = "-"
    """It was shown before and no longer passes the filter."""


_STYLES: Final = {Mark.NEW: "", Mark.CHANGED: "bold yellow", Mark.GONE: "bold red"}

_MARK_WIDTH: Final = 2
"""Columns of text for the mark."""


class TradeLines:
    """Lines of one width. A value that is wider than its column moves the rest of its line; nothing is cut off."""

    def __init__(self, width: int | None) -> None:
        """`width` is that of the terminal: columns that do not fit are left out. None leaves nothing out."""
        self._columns = [TIME, *COLUMNS]
        widths = {column.title: column.width for column in self._columns} | {"Flags": FLAGS_WIDTH}
        self.left_out: list[Column] = []
        if width is not None:
            self.left_out = leave_out(self._columns, widths, width - _MARK_WIDTH)
        self._day = ""

    def header(self) -> Text:
        """The titles of the columns."""
        line = Text(" " * _MARK_WIDTH, style="bold")
        for column in self._columns:
            line.append(_padded(column.title, column))
        line.rstrip()
        return line

    def lines(self, trade: Trade, mark: Mark = Mark.NEW) -> list[Text]:
        """The line of a trade; the day before it, where it is another one than that of the trade before."""
        line = Text(style=row_style(trade))
        line.append(str(mark).ljust(_MARK_WIDTH), _STYLES[mark])
        for column in self._columns:
            line.append(_padded(column.cell(trade), column), column.style(trade))
        line.rstrip()
        if (day := write.day(trade.ts)) == self._day:
            return [line]
        self._day = day
        return [Text(f"{day}, New York time ({write.zone(trade.ts)})", style="dim"), line]


def _padded(text: str, column: Column) -> str:
    space = " " * (column.width - cell_len(text))
    return (space + text if column.right else text + space) + " " * GAP
