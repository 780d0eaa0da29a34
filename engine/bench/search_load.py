"""What the search bench searches: a million simulated trades, and more that arrive while it measures.

The trades are the simulator's, classified as the indexer does; they are written straight to the index, since how
fast they get there is another bench's question. Those that arrive go the real way: prints stream, indexer, script.
"""

from __future__ import annotations

import multiprocessing
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import msgspec

from engine.classify import ContractState, classify
from engine.indexer import Indexer
from engine.scripts import script
from engine.search_index import ensure_index
from engine.settings import Settings
from engine.simulator.market import SimulatedMarket
from engine.store.connect import connect
from schemas import keys
from schemas.contract import parse_osi
from schemas.flags import NOTABLE
from schemas.trade import Trade

SEED: Final = 20261121

LOADERS: Final = 2
"""Processes that make and write trades; each has a market of its own, at half the rate."""

BATCH: Final = 1_000
"""Prints that are classified and written together."""

TICK_S: Final = 0.005
"""How often new prints are appended: as the publisher does, which waits 5 ms for others (`publish_linger_ms`)."""

BACKLOG: Final = 100_000
"""Prints that may wait for the indexer; a bench that gets there has failed to keep up."""


def load(settings: Settings, trades: int, rate: float, start: int, progress: Callable[[int], None]) -> int:
    """Write `trades` trades of a market that begins at `start` (unix ms); returns the newest exchange time.

    `rate` is prints a second of the market's own time. Contracts' hashes and the tape are left out.
    """
    with connect(settings) as client:
        ensure_index(client, 1)
    context = multiprocessing.get_context("spawn")
    done: Any = context.Queue()
    workers = [
        context.Process(
            target=_write,
            args=(settings, number, trades // LOADERS, rate / LOADERS, start, done),
            daemon=True,
        )
        for number in range(LOADERS)
    ]
    for worker in workers:
        worker.start()
    newest = seq = 0
    written = finished = 0
    while finished < LOADERS:
        count, last, top = done.get(timeout=600)
        newest, seq = max(newest, last), max(seq, top)
        finished += not count
        written += count
        progress(written)
    for worker in workers:
        worker.join()
    with connect(settings) as client:
        client.hset(keys.clock(0), mapping={"ts": newest, "seq": seq})
    return newest


def _write(settings: Settings, number: int, trades: int, rate: float, start: int, done: Any) -> None:
    market = SimulatedMarket(SEED + number, start, rate)
    states: dict[str, ContractState] = {}
    unknown, rules, encode = ContractState(), settings.rules(), msgspec.json.Encoder().encode
    notable, ordinary = settings.ttl_notable * 1_000, settings.ttl_ordinary * 1_000
    seq, newest, made = number, 0, 0
    with connect(settings) as client:
        while made < trades:
            rows: dict[str, Trade] = {}
            for print_ in market.take(float("inf"), min(BATCH, trades - made)):
                outcome = classify(
                    print_, parse_osi(print_.symbol), states.get(print_.symbol, unknown), rules
                )
                states[print_.symbol] = outcome.state
                for trade in (*outcome.changed, outcome.trade):
                    # The loaders take turns, so that no `seq` is given twice.
                    seq += LOADERS
                    trade.seq = seq
                    rows[trade.id] = trade
                newest = max(newest, print_.ts)
                made += 1
            with client.pipeline(transaction=False) as pipe:
                for trade in rows.values():
                    name = keys.trade(0, trade.id)
                    pipe.execute_command("JSON.SET", name, "$", encode(trade))
                    pipe.pexpire(name, ordinary if NOTABLE.isdisjoint(trade.flags) else notable)
                pipe.execute()
            done.put((min(BATCH, trades) if made % BATCH == 0 else made % BATCH, newest, seq))
    done.put((0, newest, seq))


@contextmanager
def arriving(settings: Settings, rate: float, since: int) -> Iterator[Callable[[], float]]:
    """Let `rate` trades a second arrive, their exchange times going on from `since`.

    Yields a function that says how many a second have been indexed so far. Raises RuntimeError where the process
    ended by itself.
    """
    context = multiprocessing.get_context("spawn")
    ready, stop = context.Event(), context.Event()
    process = context.Process(target=_arrive, args=(settings, rate, since, ready, stop), daemon=True)
    process.start()
    try:
        if not ready.wait(60):
            raise RuntimeError("The process that lets trades arrive did not start; its traceback is above.")
        with connect(settings) as client:
            begun, before = time.perf_counter(), _indexed(client)

            def arrived() -> float:
                if process.exitcode is not None:
                    raise RuntimeError("The process that lets trades arrive ended; its traceback is above.")
                return (_indexed(client) - before) / (time.perf_counter() - begun)

            yield arrived
    finally:
        stop.set()
        process.join(30)


def _arrive(settings: Settings, rate: float, since: int, ready: Any, stop: Any) -> None:
    market = SimulatedMarket(SEED + LOADERS, since, rate)
    encode, append = msgspec.msgpack.Encoder().encode, script("append_prints")
    with connect(settings) as writer, connect(settings) as client:
        indexer = Indexer(client, settings, 0, "bench")
        thread = threading.Thread(target=indexer.run, args=(stop.is_set,))
        thread.start()
        begun, sent = time.perf_counter(), 0
        ready.set()
        while not stop.is_set() and thread.is_alive():
            elapsed = time.perf_counter() - begun
            if due := min(int(elapsed * rate) - sent, BATCH):
                # The simulated opening is ten times as busy: its prints are spread over the seconds of this bench.
                now = since + int(elapsed * 1_000)
                prints = [
                    msgspec.structs.replace(print_, ts=now, received=now)
                    for print_ in market.take(float("inf"), due)
                ]
                fields = [part for print_ in prints for part in ("d", encode(print_))]
                append.run(writer, [keys.prints(0)], [BACKLOG, keys.INDEXER_GROUP, *fields])
                sent += due
            time.sleep(TICK_S)
        stop.set()
        thread.join()


def _indexed(client: Any) -> int:
    counts = client.hgetall(keys.counts(0))
    return sum(int(n) for name, n in counts.items() if name.endswith((b":indexed", b":cancels")))


def rare_ticker(client: Any, near: int) -> str:
    """The ticker whose number of trades comes nearest to `near`."""
    reply = client.execute_command(
        "FT.AGGREGATE", keys.index(0), "*", "GROUPBY", 1, "@underlying", "REDUCE", "COUNT", 0, "AS", "trades",
        "LIMIT", 0, 100_000, "TIMEOUT", 60_000, "DIALECT", 2,
    )  # fmt: skip
    tickers: Counter[str] = Counter()
    for row in reply[b"results"]:
        fields = row[b"extra_attributes"]
        tickers[fields[b"underlying"].decode().upper()] = int(fields[b"trades"])
    return min(tickers, key=lambda ticker: (abs(tickers[ticker] - near), ticker))
