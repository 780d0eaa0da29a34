"""Which window at the end of the tape to ask next, until a page is full: decisions without I/O, for one partition.

A broad filter over a large index must never be sorted whole: that takes Redis 0.3 us a matching trade, in which
it does nothing else. So the newest trades are asked for in windows of exchange time that follow one another
backwards without overlap, each sized by how many trades the ones before it held. Windows that are apart need no
merging, and ends of windows never part trades of one millisecond.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import Final, NamedTuple

from schemas.errors import SearchError

FIRST_SPAN_MS: Final = 250
"""The first window of a filter that nothing is known of."""

EXTRA_ROWS: Final = 10
"""Rows asked for beyond those needed: they show whether the last needed one shares its millisecond."""

EXPIRED_ROWS: Final = 100_000
"""Rows asked for at most where Redis leaves expired ones out of an answer but not out of its count."""

MARGIN: Final = 1.4
"""A window is this much longer than the trades that it must hold have taken so far."""

GROWTH: Final = 8
"""How much longer the next window is after nothing at all was found."""

MOST_GROWTH: Final = 16
"""How much longer than all windows before it the next one may be, whatever their few trades promise."""

COUNT_FROM_MS: Final = 1_000
"""A longer window of a filter of which little is known is counted before it is sorted."""

EVIDENCE: Final = 10
"""Trades from which a filter's density is believed, so that a window is not counted first."""

HINT: Final = 3
"""Trades from which the density is believed for a window of up to SHORT_MS: it cannot hold too many."""

SHORT_MS: Final = 40_000

SORT_LIMIT: Final = 2_000
"""Counting stops here, after 0.2 to 0.4 ms at most; a window with more is made shorter rather than sorted."""

FEW: Final = 200
"""A filter with so many trades of all time is asked for all of them at once: it is quicker to read what little
there is than to find a part of it among all trades of a long window. Reading stops at one more, after 1 ms."""

ALL_AFTER: Final = 2
"""Counts of longer and longer windows with little in them, after which all are asked for."""

GAP: Final = 0.8
"""Share of a page's window that may be empty at its new end. Above it the window says nothing of how dense the filter
is, and remembering it would one day sort all that lies behind a gap."""

CHECK_AFTER: Final = 4
"""Windows, or counts of longer and longer ones, after which it is asked whether anything older exists at all."""

STEPS: Final = 1_000
"""Commands of one page at most; far more than any page takes."""


class Position(NamedTuple):
    """Where a trade stands in the order of pages, which is newest first; unique over all partitions."""

    ts: int
    seq: int
    partition: int


class Ask(Enum):
    """What a step wants to know."""

    NEWEST = "newest"
    """The newest rows of a window."""
    TIES = "ties"
    """The rows of one millisecond by `seq`, the highest first."""
    COUNT = "count"
    """How many trades a window holds, counted up to one more than `rows`."""
    ALL = "all"
    """All rows of all time, in no order, as long as they are no more than `rows`."""
    OLDER = "older"
    """Whether any trade at all, of whatever filter, is as old as `high`."""


class Step(NamedTuple):
    """One command to send."""

    ask: Ask
    low: int | None
    """Exchange time from which, unix ms; None is no bound."""
    high: int | None
    """Exchange time to which, inclusive."""
    seq_high: int | None = None
    """Highest `seq`, inclusive."""
    rows: int = 0


class Found(NamedTuple):
    """One row of an answer."""

    sort_key: int
    """`ts`, or `seq` where ties were asked for; known of expired trades too."""
    document: bytes | None
    """None for a trade that has expired but is still in the index."""


class Plan:
    """Asks for the newest `limit` rows of one partition.

    `newest` is the newest exchange time indexed. `until` is the newest that is wanted, None is no bound; `ties_seq`
    is the highest `seq` wanted of trades at `until`, None is all. `span_ms` is how long the first window is; None
    is all time, for a filter that is known to find little.
    """

    def __init__(
        self,
        limit: int,
        newest: int,
        until: int | None = None,
        ties_seq: int | None = None,
        *,
        span_ms: int | None,
    ) -> None:
        self.documents: list[bytes] = []
        """What was found, newest first; within one millisecond of a window in no order."""
        self.steps = 0
        self._limit = limit
        self._high = until
        self._top = newest if until is None else min(newest, until)
        self._span = span_ms
        self._trusted = True
        self._tie_seq: int | None = ties_seq
        self._tie: int | None = until if ties_seq is not None else None
        self._extra = EXTRA_ROWS
        self._covered = 0
        self._hits = 0
        self._windows = 0
        self._counts = 0
        self._bounded = until is not None
        self._begun = self._top
        self._first: int | None = None
        self._ask_all = span_ms is None and until is None
        self._few = False
        self._counted = False
        self._narrowed = False
        self._little = 0
        """Length of the longest window below `_top` that was counted and held little, ms."""
        self._too_low: int | None = None
        """Where a window began that held too many."""
        self._check: int | None = None
        self._done = False
        if self._tie is not None:
            # Trades of this very millisecond come first, one by one; then the windows begin below it.
            self._high = self._top = self._tie - 1

    @property
    def finds_little(self) -> bool:
        """Whether the filter has so few trades of all time that they may be asked for at once."""
        return self._done or self._few

    @property
    def span_of_page(self) -> int | None:
        """The window that would have held this page at once, ms; None where it is better not to have one."""
        if self._done or self._few or not self._hits or self._first is None:
            return None
        gap = self._begun - self._first
        if gap > COUNT_FROM_MS and gap > GAP * self._covered:
            return None
        return max(1, int(MARGIN * self._covered * self._limit / self._hits) + 1)

    def next(self) -> Step | None:
        """The next command, or None when the page is full or the tape ends. Raises SearchError at its bound."""
        missing = self._limit - len(self.documents)
        if missing <= 0 or self._done:
            return None
        self.steps += 1
        if self.steps > STEPS:
            raise SearchError(
                f"The search took more than {STEPS} steps.", "Narrow the filter, or ask for fewer rows."
            )
        if self._tie is not None:
            return Step(Ask.TIES, self._tie, self._tie, self._tie_seq, missing + self._extra - EXTRA_ROWS)
        if self._ask_all:
            return Step(Ask.ALL, None, None, rows=FEW + 1)
        if self._check is not None:
            return Step(Ask.OLDER, None, self._check)
        low = self._low()
        span_known = self._span is None or self._span <= COUNT_FROM_MS or self._trusted
        if not (span_known or self._counted or self._hits >= EVIDENCE):
            return Step(Ask.COUNT, low, self._high, rows=SORT_LIMIT)
        return Step(Ask.NEWEST, low, self._high, rows=missing + self._extra)

    def take(self, step: Step, total: int, rows: Sequence[Found]) -> None:
        """Take in the answer to a step: how many trades it names in all, and its rows."""
        if step.ask is Ask.COUNT:
            self._take_count(step.low, total)
        elif step.ask is Ask.ALL:
            self._take_all(step, rows)
        elif step.ask is Ask.OLDER:
            self._take_older(total)
        elif total and not rows and self._extra < EXPIRED_ROWS:
            # Redis 8 leaves expired rows out: all that were asked for had expired, others have not.
            self._extra *= GROWTH
        elif step.ask is Ask.NEWEST:
            self._take_newest(step, total, rows)
        else:
            self._take_ties(total, rows)

    def _low(self) -> int | None:
        if self._span is None or self._span > self._top:
            return None
        return self._top - self._span + 1

    def _take_count(self, low: int | None, total: int) -> None:
        """Size the window that will be sorted, or count a longer one, or a shorter one."""
        length = self._top - (0 if low is None else low) + 1
        known = self._hits + total
        if total > SORT_LIMIT and length > 1:
            self._narrowed = True
            self._too_low = 0 if low is None else low
            self._span = max(1, length // GROWTH)
            if self._span <= self._little:
                self._span = self._halfway()
        elif not total:
            self._cover(low)
            self._count_up(None)
        elif known >= HINT and low is not None:
            missing = self._limit - len(self.documents)
            wanted = int(MARGIN * missing * (self._covered + length) / known) + 1
            # Below a gap the trades lie denser than counted: then no more than the counted window is sorted.
            most = 1 if self._narrowed else GROWTH if known < EVIDENCE else MOST_GROWTH
            self._span = min(wanted, most * length)
            self._counted = known >= EVIDENCE or (self._span <= SHORT_MS and not self._narrowed)
            if not self._counted:
                self._lengthen(length, max(self._span, 2 * length), low)
        elif low is None:
            self._counted = True
        else:
            self._lengthen(length, length * (2 if self._narrowed else GROWTH), low)

    def _lengthen(self, length: int, wanted: int, low: int) -> None:
        """Count a longer window next, after one with little in it; halfway to one that is known to hold too many."""
        self._little = length
        self._span = wanted
        if self._too_low is not None and wanted > self._top - self._too_low:
            self._span = self._halfway()
        self._count_up(low)

    def _halfway(self) -> int:
        """A length between one that holds little and one that holds too many; the latter where none is between."""
        assert self._too_low is not None
        too_long = self._top - self._too_low + 1
        if too_long - self._little <= 1:
            # One millisecond holds too many: no window is better.
            self._counted = True
            return too_long
        return (self._little + too_long) // 2

    def _count_up(self, low: int | None) -> None:
        """Note a window with little in it: after some, ask for all there is, or whether there is more below it."""
        self._counts += 1
        self._ask_all = self._counts == ALL_AFTER and not self._bounded
        if low is not None and self._counts >= CHECK_AFTER and self._too_low is None:
            self._check = low - 1

    def _take_all(self, step: Step, rows: Sequence[Found]) -> None:
        self._ask_all = False
        if len(rows) < step.rows:
            self._few = self._done = True
            # Also what the windows so far have found.
            self.documents = [row.document for row in rows if row.document is not None]
        elif self._span is None:
            self._span = FIRST_SPAN_MS

    def _take_older(self, total: int) -> None:
        nothing_left = self._check == self._high
        self._check = None
        if total:
            return
        if nothing_left:
            self._done = True
        else:
            # The window that was counted last holds all there is.
            self._span, self._counted = None, True

    def _take_newest(self, step: Step, total: int, rows: Sequence[Found]) -> None:
        self._counted = False
        if rows and self._first is None:
            self._first = rows[0].sort_key
        if total <= len(rows) or not rows:
            self._hits += total
            self.documents += [row.document for row in rows if row.document is not None]
            self._cover(step.low)
            return
        # More are there than were sent: of the last millisecond, some may be missing.
        last = rows[-1].sort_key
        whole = [row for row in rows if row.sort_key > last]
        self.documents += [row.document for row in whole if row.document is not None]
        self._hits += len(whole)
        self._covered += max(0, self._top - last)
        self._top = self._high = last - 1
        self._tie, self._tie_seq = last, None
        self._little, self._too_low = 0, None

    def _take_ties(self, total: int, rows: Sequence[Found]) -> None:
        self.documents += [row.document for row in rows if row.document is not None]
        self._hits += len(rows)
        if rows and self._first is None:
            self._first = self._tie
        if total > len(rows) and rows:
            self._tie_seq = rows[-1].sort_key - 1
            return
        self._tie = self._tie_seq = None
        self._covered += 1

    def _cover(self, low: int | None) -> None:
        """Go on below a window that held all it could: size the next one by what the ones so far held."""
        self._windows += 1
        self._trusted = False
        if low is None:
            self._done = True
            return
        self._covered += max(0, self._top - low + 1)
        self._top = self._high = low - 1
        self._little = 0
        if self._hits or (self._too_low is not None and self._too_low >= low):
            self._too_low = None
        missing = self._limit - len(self.documents)
        # Where a longer window held too many, they are just below.
        most = 2 * self._last_span() if self._narrowed else MOST_GROWTH * self._covered
        if self._hits:
            wanted = int(MARGIN * missing * self._covered / self._hits) + 1
            self._span = min(most, max(wanted, self._covered // 4, 1))
        elif self._too_low is not None:
            self._span = max(1, (self._top - self._too_low + 1) // 2)
        else:
            self._span = (1 if self._narrowed else GROWTH) * self._covered
        self._check = self._high if self._windows >= CHECK_AFTER else None

    def _last_span(self) -> int:
        return 1 if self._span is None else self._span
