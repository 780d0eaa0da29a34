"""What `flowtape tail` prints for each event of its stream: lines of trades, and sentences beside them. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from rich.text import Text

from engine.client.events import Disconnected, Event, Reconnected
from engine.client.view import Changes, as_trades
from engine.terminal import format as write
from engine.terminal.trade_lines import Mark, TradeLines
from schemas.flags import Flag
from schemas.messages import Batch, Error, Row, Snapshot, Welcome

SYNTHETIC: Final = "SYNTHETIC: these trades are made up, this is not a real market."


def greeting(welcome: Welcome) -> list[str]:
    """What to know about the tier before reading: its delay and its pace."""
    delay_s, interval_ms = welcome.limits.get("delay_s", 0), welcome.limits.get("interval_ms", 0)
    pace = f", every {interval_ms / 1000:g} s" if interval_ms >= 1_000 else ""
    if delay_s:
        return [f"DELAYED: the tier {welcome.tier} shows trades {write.age(delay_s * 1000)} late{pace}."]
    return [f"The tier {welcome.tier} shows new trades{pace}."] if pace else []


class TailView:
    """Turns events into what to print, oldest first. `changes` are those that the event made in the rows shown."""

    def __init__(self, title: str, width: int | None, *, as_json: bool) -> None:
        """`width` is that of the terminal, None for a file or pipe."""
        self._title = title
        self._lines = TradeLines(width)
        self._as_json = as_json
        self._synthetic = False

    def opening(self) -> list[Text]:
        """The lines above all trades."""
        if self._as_json:
            return []
        opening = [Text(self._title, style="bold")]
        if left_out := self._lines.left_out:
            names = ", ".join(column.title for column in left_out)
            opening.append(Text(f"left out for want of width: {names}", style="dim"))
        return [*opening, self._lines.header()]

    def take(self, event: Event, changes: Changes, columns: Sequence[str]) -> tuple[list[Text], list[str]]:
        """Lines for the trades of an event, and sentences about it."""
        match event:
            case Snapshot() | Batch():
                return self._rows(event, changes, columns)
            case Disconnected():
                pause = f" Connecting again in {event.pause_s:.1f} s." if event.pause_s else ""
                return [], [f"Disconnected: {event.why}{pause}"]
            case Reconnected(recovered=True):
                return [], ["Connected again; what was missed follows."]
            case Reconnected():
                return [], [
                    "Connected again, but what was missed is too much or too old: the newest trades follow."
                ]
            case Error():
                return [], [event.message]

    def _rows(
        self, event: Snapshot | Batch, changes: Changes, columns: Sequence[str]
    ) -> tuple[list[Text], list[str]]:
        sentences = []
        if isinstance(event, Batch) and event.skipped:
            trades = "trade" if event.skipped == 1 else "trades"
            sentences.append(f"{event.skipped:,} more {trades} passed the filter, too many for one batch.")
        marked = [
            (row, mark)
            for rows, mark in (
                (changes.new, Mark.NEW),
                (changes.changed, Mark.CHANGED),
                (changes.gone, Mark.GONE),
            )
            for row in rows
        ]
        ts, seq = columns.index("ts"), columns.index("seq")
        marked.sort(key=lambda item: (item[0][ts], item[0][seq]))
        shown = as_trades((row for row, _ in marked), columns)
        if not self._synthetic and any(Flag.SYNTHETIC in trade.flags for trade in shown):
            self._synthetic = True
            sentences.insert(0, SYNTHETIC)
        lines: list[Text] = []
        for (row, mark), trade in zip(marked, shown, strict=True):
            lines += [_object(row, mark, columns)] if self._as_json else self._lines.lines(trade, mark)
        return lines, sentences


def _object(row: Row, mark: Mark, columns: Sequence[str]) -> Text:
    document: dict[str, Any] = dict(zip(columns, row, strict=True))
    if mark is Mark.GONE:
        document["gone"] = True
    return Text(msgspec.json.encode(document).decode())
