"""Each question of docs/analysts.md, asked through the real redis-cli, has the answer that the documents give."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
import pytest

from engine.classify import ContractState, classify
from engine.search_index import ensure_index
from engine.settings import Settings
from engine.simulator.market import SimulatedMarket
from engine.store.connect import connect
from schemas import keys
from schemas.contract import parse_osi
from schemas.document import index_arguments
from schemas.flags import Rules
from schemas.trade import Trade

PAGE = Path(__file__).parent.parent / "docs" / "analysts.md"
START = 1_795_185_000_000
"""Friday 2026-11-20 09:30 in New York."""

PRINTS, RATE, UNDERLYINGS = 6_000, 10.0, 12
EARLIER_MS = 8 * 3_600_000
"""Some trades are older than the session that the page looks back: they must not be counted."""

Rows = list[dict[str, str]]


def blocks() -> dict[str, str]:
    """The command of each question by its heading; the setting that comes first stands under an empty one."""
    found: dict[str, str] = {}
    for part in re.split(r"^#+ ", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE):
        heading = part.partition("\n")[0]
        for block in re.findall(r"```sh\n(.*?)```", part, re.DOTALL):
            key = "" if "SINCE=" in block else heading
            assert key not in found
            found[key] = block
    return found


BLOCKS = blocks()


@pytest.fixture(scope="module")
def known(redis_url: str) -> list[Trade]:
    """The trades that are in Redis while this module runs: all of them, as the indexer would leave them."""
    states: dict[str, ContractState] = {}
    rows: dict[str, Trade] = {}
    for number, print_ in enumerate(
        SimulatedMarket(3, START, RATE, count=UNDERLYINGS).take(float("inf"), PRINTS)
    ):
        moved = print_ if number > 200 else msgspec.structs.replace(print_, ts=print_.ts - EARLIER_MS)
        state = states.get(print_.symbol, ContractState())
        outcome = classify(moved, parse_osi(print_.symbol), state, Rules())
        states[print_.symbol] = outcome.state
        for trade in (*outcome.changed, outcome.trade):
            trade.seq = len(rows) + 1
            rows[trade.id] = trade
    plant(list(rows.values()))
    with connect(Settings.load(redis_url=redis_url)) as client:
        client.flushall()
        ensure_index(client, 1)
        with client.pipeline(transaction=False) as pipe:
            for trade in rows.values():
                pipe.execute_command("JSON.SET", keys.trade(0, trade.id), "$", msgspec.json.encode(trade))
            pipe.hset(keys.clock(0), "ts", max(trade.ts for trade in rows.values()))
            pipe.execute()
    return list(rows.values())


def plant(trades: list[Trade]) -> None:
    """Add what is too rare in so short a time: withdrawn trades, golden sweeps, the condition `s`."""
    for trade in trades[::50]:
        if "cancelled" not in trade.flags:
            trade.flags = (*trade.flags, "cancelled")
    for trade in trades[7::400]:
        trade.flags = tuple(dict.fromkeys((*trade.flags, "sweep", "golden")))
    for trade in trades[11::300]:
        trade.conditions = ("s",)


@pytest.fixture
def ask(known: list[Trade], redis_url: str, stack: Path, tmp_path: Path) -> Callable[[str], Any]:
    """Run the block of a heading in a shell that finds redis-cli, and return the reply."""
    program = tmp_path / "redis-cli"
    real = f"'{stack}/bin/redis-cli' -s '{urlsplit(redis_url).path}'"
    program.write_text(
        f'#!/bin/sh\ncase "$1" in FT.*) exec {real} --json "$@";; *) exec {real} "$@";; esac\n'
    )
    program.chmod(0o755)
    environment = os.environ | {"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}

    def run(heading: str) -> Any:
        script = f"set -eu\n{BLOCKS['']}\n{BLOCKS[heading]}"
        done = subprocess.run(
            ["sh", "-c", script], capture_output=True, text=True, env=environment, check=True
        )
        assert not done.stdout.startswith("error"), done.stdout
        reply = json.loads(done.stdout)
        assert reply["warning"] == []
        return reply

    return run


def standing(trades: list[Trade], recent: bool = True) -> list[Trade]:
    """Those that were not withdrawn, and are of the last session."""
    since = max(trade.ts for trade in trades) - 23_400_000
    return [t for t in trades if "cancelled" not in t.flags and (not recent or t.ts >= since)]


def has(trade: Trade, *flags: str) -> bool:
    return set(flags) <= set(trade.flags)


def group(trades: Iterable[Trade], by: Callable[[Trade], Any]) -> dict[str, list[Trade]]:
    groups = defaultdict(list)
    for trade in trades:
        groups[str(by(trade))].append(trade)
    return groups


def money(trades: Iterable[Trade]) -> float:
    return sum(trade.premium for trade in trades)


def net(trades: Iterable[Trade]) -> float:
    return sum(t.premium * {"bullish": 1, "bearish": -1, "neutral": 0}[t.sentiment] for t in trades)


# Each question: which trades, and for a grouped one the key and the figures of a group.
SINGLE: dict[str, tuple[Callable[[list[Trade]], list[Trade]], str, int]] = {
    "The newest trades of a ticker": (
        lambda ts: [t for t in standing(ts) if t.underlying == "SPY"],
        "ts",
        20,
    ),
    "The largest trades": (lambda ts: [t for t in standing(ts) if t.premium >= 100_000], "premium", 10),
    "Sweeps above the ask in weeklies": (
        lambda ts: [
            t
            for t in standing(ts, recent=False)
            if has(t, "sweep", "weekly") and t.side == "above_ask" and not has(t, "multi_leg")
        ],
        "ts",
        50,
    ),
    "Golden sweeps": (lambda ts: [t for t in standing(ts, recent=False) if has(t, "golden")], "ts", 50),
    "Block trades in a ticker": (
        lambda ts: [t for t in standing(ts, recent=False) if t.underlying == "QQQ" and has(t, "block")],
        "ts",
        50,
    ),
    "Trades that open a position": (
        lambda ts: [
            t
            for t in standing(ts, recent=False)
            if has(t, "opening")
            and t.side in ("ask", "above_ask")
            and t.premium >= 50_000
            and not has(t, "multi_leg")
        ],
        "ts",
        50,
    ),
    "Trades with a certain sale condition": (
        lambda ts: [t for t in standing(ts, recent=False) if "S" in t.conditions and t.premium >= 50_000],
        "ts",
        20,
    ),
}

Figures = dict[str, Callable[[list[Trade]], float]]


def contracts(trades: Iterable[Trade], right: str = "CP") -> int:
    return sum(t.size for t in trades if t.right in right)


def ratio(trades: list[Trade]) -> float:
    return max(t.volume or 0 for t in trades) / max(t.open_interest or 0 for t in trades)


COUNT: Figures = {"trades": len}
GROUPED: dict[str, tuple[Callable[[list[Trade]], list[Trade]], Callable[[Trade], Any], Figures, str, int]] = {
    "Premium by ticker": (standing, lambda t: t.underlying, COUNT | {"premium": money}, "-premium", 15),
    "Bullish against bearish premium by ticker": (
        lambda ts: [t for t in standing(ts) if t.sentiment != "neutral"],
        lambda t: t.underlying,
        {
            "bullish": lambda g: money(t for t in g if t.sentiment == "bullish"),
            "bearish": lambda g: money(t for t in g if t.sentiment == "bearish"),
            "net": net,
        },
        "-net",
        15,
    ),
    "Put/call ratio by ticker": (
        lambda ts: [
            t for g in group(standing(ts), lambda t: t.underlying).values() if contracts(g, "C") >= 20 for t in g
        ],
        lambda t: t.underlying,
        {
            "by_contracts": lambda g: contracts(g, "P") / contracts(g, "C"),
            "by_premium": lambda g: money(t for t in g if t.right == "P") / money(t for t in g if t.right == "C"),
        },
        "-by_contracts",
        15,
    ),
    "Share of spreads and combinations by ticker": (
        lambda ts: [t for g in group(standing(ts), lambda t: t.underlying).values() if money(g) > 0 for t in g],
        lambda t: t.underlying,
        {"share": lambda g: money(t for t in g if has(t, "multi_leg")) / money(g), "premium": money},
        "-premium",
        15,
    ),
    "How far out of the money calls are bought": (
        lambda ts: [
            t
            for g in group(
                [
                    t
                    for t in standing(ts)
                    if t.right == "C" and t.side in ("ask", "above_ask") and t.otm_pct is not None
                ],
                lambda t: t.underlying,
            ).values()
            if len(g) >= 10
            for t in g
        ],
        lambda t: t.underlying,
        {"otm_pct": lambda g: sum(t.otm_pct or 0 for t in g) / len(g), "trades": len},
        "-otm_pct",
        15,
    ),
    "Net premium by minute": (
        lambda ts: [t for t in standing(ts) if t.underlying == "SPY"],
        lambda t: t.ts // 60_000 * 60,
        {"net": net},
        "+minute",
        400,
    ),
    "Trades, contracts and premium in ten-second buckets": (
        standing,
        lambda t: t.ts // 10_000 * 10_000,
        COUNT | {"contracts": contracts, "premium": money},
        "+bucket",
        2_400,
    ),
    "Flow by strike on the day of expiry": (
        lambda ts: [t for t in standing(ts, recent=False) if t.underlying == "SPY" and t.dte == 0],
        lambda t: t.strike,
        {
            "calls": lambda g: money(t for t in g if t.right == "C"),
            "puts": lambda g: money(t for t in g if t.right == "P"),
        },
        "+strike",
        200,
    ),
    "Premium by expiry": (
        lambda ts: [t for t in standing(ts) if t.underlying == "SPY"],
        lambda t: t.expiry,
        {"premium": money, "contracts": contracts},
        "+expiry",
        100,
    ),
    "Open interest outrun": (
        lambda ts: [t for t in standing(ts, recent=False) if has(t, "volume_gt_oi") and t.open_interest],
        lambda t: t.symbol,
        {"volume": lambda g: max(t.volume or 0 for t in g), "ratio": ratio},
        "-ratio",
        20,
    ),
    "Unusual contracts": (
        lambda ts: [t for t in standing(ts, recent=False) if has(t, "unusual")],
        lambda t: t.symbol,
        COUNT | {"premium": money, "vol_oi": lambda g: max(t.vol_oi or 0 for t in g)},
        "-premium",
        20,
    ),
    "Contracts that are hit again and again": (
        lambda ts: [t for t in standing(ts, recent=False) if has(t, "repeat")],
        lambda t: f"{t.symbol} {t.side}",
        {"hits": len, "contracts": contracts, "premium": money},
        "-hits",
        20,
    ),
    "Most active exchanges": (
        standing,
        lambda t: t.exchange,
        COUNT | {"contracts": contracts, "premium": money},
        "-contracts",
        20,
    ),
    "Share of withdrawn trades by exchange": (
        lambda ts: [t for t in ts if t.ts >= max(t.ts for t in ts) - 23_400_000],
        lambda t: t.exchange,
        COUNT | {"share": lambda g: sum("cancelled" in t.flags for t in g) / len(g)},
        "-share",
        20,
    ),
}  # fmt: skip
KEYS: dict[str, tuple[str, ...]] = {
    "Net premium by minute": ("minute",),
    "Trades, contracts and premium in ten-second buckets": ("bucket",),
    "Flow by strike on the day of expiry": ("strike",),
    "Premium by expiry": ("expiry",),
    "Open interest outrun": ("symbol",),
    "Unusual contracts": ("symbol",),
    "Contracts that are hit again and again": ("symbol", "side"),
    "Most active exchanges": ("exchange",),
    "Share of withdrawn trades by exchange": ("exchange",),
}
COUNTED = "How many trades a filter names"


def test_every_question_of_the_page_has_its_answer_checked_here() -> None:
    assert {heading for heading in BLOCKS if heading} == {*SINGLE, *GROUPED, COUNTED}
    assert len(BLOCKS) > 20


@pytest.mark.parametrize("heading", SINGLE)
def test_single_trades(heading: str, ask: Callable[[str], Any], known: list[Trade]) -> None:
    select, by, limit = SINGLE[heading]
    matching = {trade.id: trade for trade in select(known)}
    assert matching, "the data has no such trade: nothing would be proved"
    results = ask(heading)["results"]
    prefix = keys.trade_prefix(0)
    rows = [row["extra_attributes"] for row in results]
    found = [
        row["id"].removeprefix(prefix) if "id" in row else row["extra_attributes"]["id"] for row in results
    ]
    assert len(set(found)) == len(found) == min(limit, len(matching))
    # Trades of one time or one premium may stand in any order: their values are compared, not they.
    expected = sorted((getattr(trade, by) for trade in matching.values()), reverse=True)[:limit]
    assert [getattr(matching[name], by) for name in found] == expected
    for name, row in zip(found, rows, strict=True):
        for field, text in row.items():
            value = getattr(matching[name], field)
            assert (text if isinstance(value, str) else float(text)) == value, (field, row)


@pytest.mark.parametrize("heading", GROUPED)
def test_grouped_trades(heading: str, ask: Callable[[str], Any], known: list[Trade]) -> None:
    select, key, figures, by, limit = GROUPED[heading]
    groups = group(select(known), key)
    expected = {name: {f: of(trades) for f, of in figures.items()} for name, trades in groups.items()}
    assert len(expected) > 1, "the data has no such trades: nothing would be proved"
    rows = [row["extra_attributes"] for row in ask(heading)["results"]]
    names = KEYS.get(heading, ("underlying",))
    assert len(rows) == min(limit, len(expected))
    for row in rows:
        wanted = expected[" ".join(row[name] for name in names)]
        for field, value in wanted.items():
            assert float(row[field]) == pytest.approx(value, rel=1e-9, abs=1e-6), (field, row)
    sign, field = by[0], by[1:]
    order = (
        [float(name) for name in expected]
        if field in names
        else [wanted[field] for wanted in expected.values()]
    )
    order = sorted(order, reverse=sign == "-")[:limit]
    assert [float(row[field]) for row in rows] == pytest.approx(order, rel=1e-9, abs=1e-6)


def test_counting(ask: Callable[[str], Any], known: list[Trade]) -> None:
    wanted = [
        t for t in standing(known, recent=False) if t.right == "P" and 0 <= t.dte <= 7 and t.premium >= 25_000
    ]
    assert ask(COUNTED)["total_results"] == len(wanted) > 0


def test_the_data_shows_what_a_condition_that_ignored_case_would_get_wrong(known: list[Trade]) -> None:
    letters = {letter for trade in known for letter in trade.conditions}
    assert {"S", "s"} <= letters


def test_the_fields_named_as_indexed_are() -> None:
    arguments = index_arguments(0)
    indexed = {arguments[i + 1] for i, word in enumerate(arguments) if word == "AS"}
    listed = PAGE.read_text(encoding="utf-8").partition("## Fields")[2]
    named, _, kept = listed.partition("Only in the document")
    assert set(re.findall(r"`([a-z_]+)`", named)) == indexed
    others = set(re.findall(r"`([a-z_]+)`", kept.partition("[filters.md]")[0]))
    assert others == set(Trade.__struct_fields__) - indexed
