"""The rows of one subscription by id, as the messages of its stream make them: replaced, upserted, taken out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

import msgspec

from schemas.messages import Batch, Row, Snapshot
from schemas.trade import COLUMNS, Trade

KEPT_ROWS: Final = 1_000
"""Rows that a view keeps where no other number is given; the oldest give way."""


class Changes(NamedTuple):
    """What one message changed, each in the order of the message: newest first."""

    new: list[Row]
    """Rows that were not held."""
    changed: list[Row]
    """Rows that were held in an older version."""
    gone: list[Row]
    """Rows that were held and no longer pass the filter, as they are now."""


class View:
    """What one subscription shows. Of each trade the version with the greatest `seq` stays, however they come."""

    def __init__(self, keep: int | None = KEPT_ROWS, columns: Sequence[str] = COLUMNS) -> None:
        """`keep` is how many rows are kept, the newest by exchange time; None is all of them, 0 none.

        A view that keeps none knows of no changes: it follows `pos` and `skipped` at next to no cost.
        """
        self._keep = keep
        self._rows: dict[str, Row] = {}
        self.pos: str | None = None
        """Where the stream stands; what a later subscription goes on from."""
        self.skipped = 0
        """Matching trades that batches left out since the last snapshot."""
        self._columns: Sequence[str] = ()
        self._id = self._seq = self._ts = 0
        self.arrange(columns)

    def arrange(self, columns: Sequence[str]) -> None:
        """Rows come in this order of columns from now on; those that are held in another order are forgotten."""
        if columns == self._columns:
            return
        self._columns, self._rows = columns, {}
        self._id, self._seq, self._ts = (columns.index(name) for name in ("id", "seq", "ts"))

    def __len__(self) -> int:
        held = len(self._rows)
        return held if self._keep is None else min(held, self._keep)

    def apply(self, message: Snapshot | Batch) -> Changes:
        """Take in one message. A snapshot replaces: its changes are told against what was held before."""
        self.pos = message.pos
        self.skipped = 0 if isinstance(message, Snapshot) else self.skipped + message.skipped
        changes = Changes([], [], [])
        if self._keep == 0:
            return changes
        before = self._rows
        if isinstance(message, Snapshot):
            self._rows = {}
        rows, of_id, of_seq = self._rows, self._id, self._seq
        for row in message.rows:
            trade_id = row[of_id]
            known = before.get(trade_id)
            if known is None or known[of_seq] < row[of_seq]:
                (changes.new if known is None else changes.changed).append(row)
            elif rows is before:
                continue
            rows[trade_id] = row
        for row in () if isinstance(message, Snapshot) else message.gone:
            known = rows.get(row[of_id])
            if known is not None and known[of_seq] <= row[of_seq]:
                del rows[row[of_id]]
                changes.gone.append(row)
        # Sorting every time would cost more than all else: it is done when there are twice as many.
        if self._keep is not None and len(rows) > 2 * self._keep:
            self._rows = {row[of_id]: row for row in self._newest()}
        return changes

    def rows(self) -> list[Row]:
        """The rows that are kept, newest first by exchange time, then by `seq`."""
        of_ts, of_seq = self._ts, self._seq
        return sorted(self._newest(), key=lambda row: (row[of_ts], row[of_seq]), reverse=True)

    def _newest(self) -> list[Row]:
        # By time and id, which a rewrite leaves as they are: what gave way once would always give way again.
        of_ts, of_id = self._ts, self._id
        ordered = sorted(self._rows.values(), key=lambda row: (row[of_ts], row[of_id]), reverse=True)
        return ordered[: self._keep]


def as_trades(rows: Iterable[Row], columns: Sequence[str] = COLUMNS) -> list[Trade]:
    """The trades of rows that came in this order of columns; columns that a trade does not have are passed over."""
    return [msgspec.convert(dict(zip(columns, row, strict=True)), Trade) for row in rows]
