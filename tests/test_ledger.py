"""The ledger: whatever is killed, and however often, every print is indexed once and every volume is exact."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import msgspec
import pytest
import redis

from engine.classify import ContractState, classify
from engine.settings import Settings
from engine.store.connect import connect
from engine.store.embedded import EmbeddedRedis
from schemas import keys
from schemas.contract import parse_osi
from schemas.trade import Trade
from tests.indexing import contract, counts, tape, trades, unprocessed
from tests.ledger_feed import ledger_print

PATIENCE_S = 90.0
"""For the end, when nothing is killed any more; no measure of speed."""


def start(*words: str, log: Path) -> subprocess.Popen[bytes]:
    """One of our processes, in this environment."""
    # Far above what is announced here: the tape is compared whole.
    environment = {**os.environ, "FLOWTAPE_TAPE_LENGTH": "5000000"}
    with log.open("ab") as out:
        return subprocess.Popen(
            [sys.executable, "-m", *words],
            stdout=out,
            stderr=out,
            env=environment,
            cwd=Path(__file__).parents[1],
        )


def expected(total: int) -> tuple[dict[str, Trade], dict[str, int]]:
    """Trades and day volumes as one classification of all prints in their order makes them, without any crash."""
    rules = Settings.load().rules()
    states: dict[str, ContractState] = {}
    found: dict[str, Trade] = {}
    for n in range(total):
        print_ = ledger_print(n)
        state = states.get(print_.symbol, ContractState())
        trade, changed, states[print_.symbol], _ = classify(print_, parse_osi(print_.symbol), state, rules)
        found |= {t.id: t for t in (trade, *changed)}
    return found, {symbol: state.volume for symbol, state in states.items()}


def without_seq(found: dict[str, Trade]) -> dict[str, Trade]:
    return {i: msgspec.structs.replace(trade, seq=0) for i, trade in found.items()}


@pytest.mark.parametrize("kills", [6, pytest.param(60, marks=pytest.mark.long)])
def test_nothing_is_lost_or_doubled_whatever_is_killed(stack: Path, tmp_path: Path, kills: int) -> None:
    chance = random.Random(kills)
    log, checkpoint, stop = tmp_path / "log", tmp_path / "checkpoint", tmp_path / "stop"
    server = EmbeddedRedis(stack, tmp_path / "redis", persistent=True)
    server.start()
    commands = {
        "feed": ("tests.ledger_feed", server.url, str(checkpoint), str(stop)),
        "indexer one": ("engine.cli", "index", "--redis-url", server.url, "--name", "one"),
        "indexer two": ("engine.cli", "index", "--redis-url", server.url, "--name", "two"),
    }
    running = {name: start(*words, log=log) for name, words in commands.items()}
    killed: Counter[str] = Counter()
    try:
        for _ in range(kills):
            # Not a wait for anything: the moment of the kill is what is random.
            time.sleep(chance.uniform(0.2, 2.0))
            victim = chance.choice([*running, "redis"])
            killed[victim] += 1
            if victim == "redis":
                server.kill()
                server.start()
            else:
                running[victim].kill()
                running[victim].wait()
                running[victim] = start(*commands[victim], log=log)
        stop.touch()
        assert running["feed"].wait(PATIENCE_S) == 0, log.read_text()
        total = int(checkpoint.read_text())
        assert total > 0
        with connect(Settings.load(redis_url=server.url)) as client:
            deadline = time.monotonic() + PATIENCE_S
            while unprocessed(client) and time.monotonic() < deadline:
                time.sleep(0.1)
            assert unprocessed(client) == 0, log.read_text()
            # A print that was published again after a crash is the same print.
            _compare(client, total)
    finally:
        for process in running.values():
            process.send_signal(signal.SIGTERM)
        for process in running.values():
            process.wait(30)
        server.stop()
    assert sum(killed.values()) == kills


def _compare(client: redis.Redis, total: int) -> None:
    wanted, volumes = expected(total)
    found = trades(client)
    assert set(found) == set(wanted)
    assert without_seq(found) == without_seq(wanted)
    assert {symbol: contract(client, symbol)["volume"] for symbol in volumes} == volumes
    announced = tape(client)
    assert {trade.id for trade in announced} == set(wanted)
    seqs = [trade.seq for trade in announced]
    assert seqs == sorted(set(seqs))
    # The last announcement of a trade is what its document says.
    assert {trade.id: trade for trade in announced} == found
    indexed = client.execute_command("FT.SEARCH", keys.INDEX_ALIAS, "*", "LIMIT", 0, 0)
    assert indexed[b"total_results"] == total
    assert counts(client)["ledger:indexed"] == total
    assert client.exists(keys.dead(0)) == 0
