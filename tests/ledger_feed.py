"""A feed of prints known beforehand, for the ledger test: killed at any moment, it goes on where it was sure.

    python -m tests.ledger_feed REDIS_URL CHECKPOINT STOP

Print number n is a function of n alone. The number of prints that Redis has for certain is kept in the file
CHECKPOINT; it goes on until the file STOP exists.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path

from engine.publish import Policy, Publisher
from engine.settings import Settings
from engine.store.connect import connect_async
from schemas.print import Print

NOON = 1_795_280_400_000
CONTRACTS = [f"{ticker}261218{right}00{strike}000" for ticker in ("SPY", "QQQ") for right in "CP"
             for strike in range(500, 510)]  # fmt: skip
EXCHANGES = ["XCBO", "XPHL", "ARCO"]
CHUNK = 100
"""Prints between two checkpoints."""

PAUSE_S = 0.05
"""Between two chunks, so that killing finds the whole chain at work."""


def ledger_print(n: int) -> Print:
    """Print number n: forty contracts in turn, near enough in time to make sweeps across batches and crashes."""
    group = n // 3
    return Print(
        id=f"led_{n}",
        feed="ledger",
        ts=NOON + 5 * n,
        received=NOON + 5 * n,
        symbol=CONTRACTS[(group * 7) % len(CONTRACTS)],
        price=(2.0, 1.9, 1.95, 2.0)[group % 4],
        size=1 + n % 900,
        exchange=EXCHANGES[(n * n) % 3],
        bid=1.9,
        ask=2.0,
        open_interest=50_000,
    )


async def publish(
    url: str, checkpoint: Path, stop: Path, pause_s: float, chunk: Callable[[int], list[Print]]
) -> None:
    """Publish the chunk from each number on until `stop` exists, and note the number up to which Redis has all."""
    settings = Settings.load(redis_url=url)
    start = int(checkpoint.read_text()) if checkpoint.exists() else 0
    async with connect_async(settings) as client, Publisher(client, settings, Policy.WAIT) as publisher:
        while True:
            prints = chunk(start)
            await publisher.put(prints)
            await publisher.drain()
            start += len(prints)
            partial = checkpoint.with_suffix(".new")
            partial.write_text(str(start))
            partial.replace(checkpoint)
            # Not before: Redis may have prints of this chunk from a feed that was killed before it could note them.
            if stop.exists():
                return
            await asyncio.sleep(pause_s)


def chunk_of(start: int) -> list[Print]:
    """The prints of one chunk."""
    return [ledger_print(n) for n in range(start, start + CHUNK)]


if __name__ == "__main__":
    asyncio.run(publish(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), PAUSE_S, chunk_of))
