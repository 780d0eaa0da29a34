"""Trades that wait for a batch: the newest version of each, the newest ones only where they are too many."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from engine.gateway.announced import Announced

SLACK: Final = 4
"""Times a batch's rows that are held before the oldest are left out."""

GONE_LIMIT: Final = 500
"""Trades that no longer pass; with more of them a new snapshot is shorter."""


class Taken(NamedTuple):
    """What one batch holds."""

    rows: list[Announced]
    """Newest first."""
    skipped: int
    gone: list[Announced]
    """Trades that passed before and no longer do, as they are now."""


class Pending:
    """Collects for one batch of at most `rows` rows."""

    def __init__(self, rows: int) -> None:
        self._rows = rows
        self._trades: dict[str, Announced] = {}
        self._gone: dict[str, Announced] = {}
        self._skipped = 0

    def __bool__(self) -> bool:
        return bool(self._trades or self._gone or self._skipped)

    @property
    def overflowed(self) -> bool:
        """Whether more trades left the filter than a batch can say."""
        return len(self._gone) > GONE_LIMIT

    def add(self, announced: Announced) -> None:
        """A trade that passes the filter; nothing where a newer version of it is known already.

        A search may find what the tape has withdrawn by the time its answer is there.
        """
        if not self._is_newest(announced):
            return
        self._gone.pop(announced.trade.id, None)
        self._trades[announced.trade.id] = announced
        if len(self._trades) > SLACK * self._rows:
            rows = self._newest()
            self._skipped += len(self._trades) - len(rows)
            self._trades = {a.trade.id: a for a in rows}

    def withdraw(self, announced: Announced) -> None:
        """A trade that passed the filter before and no longer does."""
        if self._is_newest(announced):
            self._trades.pop(announced.trade.id, None)
            self._gone[announced.trade.id] = announced

    def absorb(self, rows: Iterable[Announced], skipped: int, gone: Iterable[Announced]) -> None:
        """What another, later batch held."""
        for announced in rows:
            self.add(announced)
        for announced in gone:
            self.withdraw(announced)
        self._skipped += skipped

    def take(self) -> Taken:
        """The batch; nothing is left behind."""
        rows = self._newest()
        taken = Taken(rows, self._skipped + len(self._trades) - len(rows), list(self._gone.values()))
        self.clear()
        return taken

    def clear(self) -> None:
        """Forget everything."""
        self._trades, self._gone, self._skipped = {}, {}, 0

    def _is_newest(self, announced: Announced) -> bool:
        trade = announced.trade
        held = self._trades.get(trade.id) or self._gone.get(trade.id)
        return held is None or held.trade.seq <= trade.seq

    def _newest(self) -> list[Announced]:
        if len(self._trades) == 1:
            return list(self._trades.values())
        return sorted(self._trades.values(), key=_order, reverse=True)[: self._rows]


def _order(announced: Announced) -> tuple[int, int, int]:
    return announced.order
