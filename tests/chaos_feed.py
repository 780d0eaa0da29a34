"""A feed for the chaos test: trades of now, of which many are rewritten as sweeps or cancelled later.

    python -m tests.chaos_feed REDIS_URL CHECKPOINT STOP PAUSE_S

Print number n is a function of n alone, but for its time. The number of prints that Redis has for certain is kept
in the file CHECKPOINT, from which a killed feed goes on; it ends when the file STOP exists. PAUSE_S is between chunks.
"""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

from schemas.print import Print
from tests.ledger_feed import publish

CONTRACTS = [f"{ticker}270115{right}00{strike}000" for ticker in ("SPY", "QQQ", "TSLA", "NVDA") for right in "CP"
             for strike in (500, 510, 520)]  # fmt: skip
EXCHANGES = ["XCBO", "XPHL", "ARCO"]
CHUNK = 12
"""Prints between two checkpoints."""

CANCELS = 7
"""Each so many prints one takes back another."""

BEFORE = 9 * CHUNK
"""So many prints ago was what a cancel takes back."""


def chaos_print(n: int, ts: int) -> Print:
    """Print number n at a time, unix ms: groups of three on one contract make sweeps, and some cancel an older one."""
    cancels = n % CANCELS == 0 and n >= BEFORE
    of = n - BEFORE if cancels else n
    group = of // 3
    return Print(
        id=f"ch_{n}",
        feed="chaos",
        ts=ts,
        received=ts,
        symbol=CONTRACTS[(group * 7) % len(CONTRACTS)],
        price=(2.0, 1.9, 1.95, 2.0)[group % 4],
        size=1 + of % 900,
        exchange=EXCHANGES[(of * of + of // 5) % 3],
        bid=1.9,
        ask=2.0,
        open_interest=50_000,
        conditions=("A",) if cancels else (),
    )


def chunk_of(start: int) -> list[Print]:
    """The prints of one chunk, made now."""
    now = time.time_ns() // 1_000_000
    return [chaos_print(n, now) for n in range(start, start + CHUNK)]


if __name__ == "__main__":
    asyncio.run(publish(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), float(sys.argv[4]), chunk_of))
