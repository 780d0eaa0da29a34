"""What flowed over a window: premium and volume of calls and puts, by underlying and over time, summed in Redis.

Redis does nothing else while it sums, so a window is summed slice by slice, each of at most SLICE_TRADES trades:
other commands run in between. A slice that turns out to hold more is made shorter. Like a search, the sum is whole
or an error; cancelled trades are left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

from engine.search_command import Command, groups_of
from engine.search_question import Question, Request, newest_time
from schemas import keys
from schemas.errors import SearchError, SearchRequestError
from schemas.filter import Filter
from schemas.filter_query import Query, compile_query
from schemas.flags import Flag

WINDOW_MS: Final = 900_000
"""A quarter of an hour, unless another window is asked for."""

WINDOW_MS_LEAST: Final = 1_000
WINDOW_MS_MOST: Final = 86_400_000
"""A day: no trade is kept longer, as settings are by default."""

BUCKETS: Final = 30
"""Points of the series, unless more or fewer are asked for."""

BUCKETS_MOST: Final = 240

TOP: Final = 10
"""Underlyings that are listed, unless more or fewer are asked for."""

TOP_MOST: Final = 50

SLICE_TRADES: Final = 2_000
"""Trades that one command sums: it holds Redis for 7 ms."""

STATS_TRADES: Final = 1_000_000
"""Trades that are summed at most; they take Redis 5 s in all."""

FIRST_SLICE_MS: Final = 1_000
"""Length of the first slice, of which nothing is known."""

FILL: Final = 0.7
"""Share of SLICE_TRADES that the next slice is made for, as trades come in bursts."""

GROWTH: Final = 8
"""How many times longer than the slice before it a slice may be."""

STEPS: Final = 10_000
"""Commands of one sum at most; far more than any takes."""


@dataclass(slots=True)
class Flow:
    """Sums over some trades: premium in dollars, volume in contracts."""

    trades: int = 0
    call_premium: float = 0.0
    put_premium: float = 0.0
    calls_bought: float = 0.0
    """Premium of calls at the ask or above; no leg of a spread, as `sentiment` says."""
    calls_sold: float = 0.0
    """Premium of calls at the bid or below."""
    puts_bought: float = 0.0
    puts_sold: float = 0.0
    call_volume: int = 0
    put_volume: int = 0

    @property
    def premium(self) -> float:
        """Of calls and puts."""
        return round(self.call_premium + self.put_premium, 2)

    @property
    def net_premium(self) -> float:
        """Calls minus puts."""
        return round(self.call_premium - self.put_premium, 2)

    @property
    def net_call_premium(self) -> float:
        """Calls bought minus calls sold."""
        return round(self.calls_bought - self.calls_sold, 2)

    @property
    def net_put_premium(self) -> float:
        """Puts bought minus puts sold."""
        return round(self.puts_bought - self.puts_sold, 2)

    @property
    def bullish_premium(self) -> float:
        """Calls bought and puts sold."""
        return self.calls_bought + self.puts_sold

    @property
    def bearish_premium(self) -> float:
        """Calls sold and puts bought."""
        return self.calls_sold + self.puts_bought

    @property
    def net_bullish_premium(self) -> float:
        """Bullish minus bearish."""
        return round(self.bullish_premium - self.bearish_premium, 2)

    @property
    def put_call_premium(self) -> float | None:
        """Puts to calls by premium, four decimals; None without calls."""
        return round(self.put_premium / self.call_premium, 4) if self.call_premium else None

    @property
    def put_call_volume(self) -> float | None:
        """Puts to calls by volume, four decimals; None without calls."""
        return round(self.put_volume / self.call_volume, 4) if self.call_volume else None

    def add(self, right: str, sentiment: str, trades: int, premium: float, volume: int) -> None:
        """Take in a group of trades of one right and sentiment."""
        self.trades += trades
        if right == "C":
            self.call_premium += premium
            self.call_volume += volume
            if sentiment == "bullish":
                self.calls_bought += premium
            elif sentiment == "bearish":
                self.calls_sold += premium
        else:
            self.put_premium += premium
            self.put_volume += volume
            if sentiment == "bearish":
                self.puts_bought += premium
            elif sentiment == "bullish":
                self.puts_sold += premium


class Stats(NamedTuple):
    """The sums over `after < ts <= to` (unix ms)."""

    after: int
    to: int
    whole: Flow
    underlyings: list[tuple[str, Flow]]
    """Those with the most premium, the most first; of the same premium in the order of the alphabet."""
    series: list[Flow]
    """The window in equal parts, the oldest first."""

    def edge(self, number: int) -> int:
        """Where part `number` of the series begins, exclusive, unix ms."""
        return edge_of(self.after, self.to, number, len(self.series))


def edge_of(after: int, to: int, number: int, buckets: int) -> int:
    """The exclusive beginning of part `number` of the window `after < ts <= to`, unix ms."""
    # Part n holds `n <= (ts - after - 1) * buckets / length < n + 1`, so its first ts is the ceiling, and one more.
    return after - (-number * (to - after) // buckets)


def stats(
    wanted: Filter,
    window_ms: int,
    until: int | None,
    now: int,
    *,
    buckets: int = BUCKETS,
    top: int = TOP,
    partitions: int,
    timeout_ms: int,
) -> Question[Stats]:
    """The sums of a filter's trades over the `window_ms` up to the newest trade, or up to `until` if that is older.

    `now` (unix ms) is where the window ends if there is no trade at all. Raises SearchError, and SearchRequestError
    for a window that holds more than STATS_TRADES trades.
    """
    _check("window", window_ms, WINDOW_MS_LEAST, WINDOW_MS_MOST)
    _check("buckets", buckets, 1, BUCKETS_MOST)
    _check("top", top, 1, TOP_MOST)
    ends = []
    for partition in range(partitions):
        newest = yield from newest_time(partition, timeout_ms)
        ends += [] if newest is None else [newest]
    to = max(ends, default=now)
    if until is not None:
        to = min(to, until)
    tally = _Tally(to - window_ms, to, buckets)
    query = compile_query(wanted)
    for partition in range(partitions):
        yield from _sum(query, partition, timeout_ms, tally)
    ranked = sorted(tally.underlyings.items(), key=lambda item: (-item[1].premium, item[0]))
    return Stats(tally.after, to, tally.whole, ranked[:top], tally.series)


def _check(name: str, value: int, least: int, most: int) -> None:
    if not least <= value <= most:
        unit = " ms" if name == "window" else ""
        raise SearchRequestError(
            f"{name}: {value}{unit} is out of range.",
            f"Expected from {least} to {most}{unit}.",
            parameter=name,
        )


class _Tally:
    """The sums so far, over all partitions."""

    def __init__(self, after: int, to: int, buckets: int) -> None:
        self.after, self.to = after, to
        self.whole = Flow()
        self.underlyings: dict[str, Flow] = {}
        self.series = [Flow() for _ in range(buckets)]
        self.steps = 0

    def add(self, groups: list[dict[bytes, bytes]]) -> None:
        for group in groups:
            sums = (
                group[b"right"].decode(),
                group[b"sentiment"].decode(),
                int(group[b"trades"]),
                float(group[b"premium"]),
                int(float(group[b"volume"])),
            )
            self.whole.add(*sums)
            self.underlyings.setdefault(group[b"underlying"].decode(), Flow()).add(*sums)
            self.series[int(group[b"bucket"])].add(*sums)
        if self.whole.trades > STATS_TRADES:
            raise SearchRequestError(
                f"window: it holds more than {STATS_TRADES} trades of the filter.",
                "Ask for a shorter window, or narrow the filter.",
                parameter="window",
            )

    def step(self) -> None:
        self.steps += 1
        if self.steps > STEPS:
            raise SearchError(f"The sum took more than {STEPS} steps.", "Ask for a shorter window.")


def _sum(query: Query, partition: int, timeout_ms: int, tally: _Tally) -> Question[None]:
    """Add up a partition's trades, from the newest slice to the oldest."""
    high, length = tally.to, FIRST_SLICE_MS
    while high > tally.after:
        tally.step()
        low = max(tally.after, high - length)
        # Trades of one millisecond are not parted: they are summed at once, however many they are.
        bounded = high - low > 1
        command = _command(query, partition, timeout_ms, tally, low, high, bounded)
        groups = groups_of((yield Request(command, partition)), timeout_ms)
        found = sum(int(group[b"trades"]) for group in groups)
        if bounded and found > SLICE_TRADES:
            length = max(1, (high - low) // 2)
            continue
        tally.add(groups)
        taken, high = high - low, low
        fitting = int(FILL * SLICE_TRADES * taken / found) if found else GROWTH * taken
        length = max(1, min(GROWTH * taken, fitting))


def _command(
    query: Query, partition: int, timeout_ms: int, tally: _Tally, low: int, high: int, bounded: bool
) -> Command:
    within = query.and_between("ts", "ts", low + 1, high)
    kept = Query(f"{within.text} -@flags:{{$withdrawn}}", (*within.params, "withdrawn", Flag.CANCELLED.value))
    # Stops at one more than is summed; that one says that the slice is too long.
    bound: Command = ("LIMIT", 0, SLICE_TRADES + 1) if bounded else ()
    bucket = f"floor((@ts - {tally.after + 1}) * {len(tally.series)} / {tally.to - tally.after})"
    by = ("@underlying", "@right", "@sentiment", "@bucket")
    return (
        "FT.AGGREGATE", keys.index(partition), kept.text, *bound,
        "LOAD", 6, "@ts", "@underlying", "@right", "@sentiment", "@premium", "@size",
        "APPLY", bucket, "AS", "bucket",
        "GROUPBY", len(by), *by,
        "REDUCE", "COUNT", 0, "AS", "trades",
        "REDUCE", "SUM", 1, "@premium", "AS", "premium",
        "REDUCE", "SUM", 1, "@size", "AS", "volume",
        "LIMIT", 0, STATS_TRADES,
        "TIMEOUT", timeout_ms, *kept.arguments(),
    )  # fmt: skip
