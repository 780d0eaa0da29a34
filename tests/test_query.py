"""`flowtape query` as a user runs it; what `--explain` prints gives the same rows in the real redis-cli."""

from __future__ import annotations

import json
import shlex
import subprocess
from io import StringIO
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
import pytest
import redis
from rich.console import Console
from typer.testing import CliRunner, Result

from engine.cli import build_app, main
from engine.search_index import ensure_index
from engine.settings import Settings
from engine.terminal.trade_table import trade_table
from schemas import keys
from schemas.errors import FilterError, FlowtapeError
from schemas.filter_predicate import predicate
from schemas.filter_text import parse_filter
from schemas.trade import Trade
from tests.trade_strategies import a_trade

NOON = 1_795_280_400_000
"""2026-11-21 12:00 in New York."""


def run(settings: Settings, *words: str, columns: int = 200, **more: str) -> Result:
    environment = {"FLOWTAPE_REDIS_URL": settings.redis_url, "COLUMNS": str(columns), **more}
    return CliRunner().invoke(build_app("query"), ["query", *words], env=environment)


def write(client: redis.Redis, rows: list[Trade], partitions: int = 1) -> None:
    ensure_index(client, partitions)
    for row in rows:
        p = keys.partition_of(row.underlying, partitions)
        client.execute_command("JSON.SET", keys.trade(p, row.id), "$", msgspec.json.encode(row))
        newest = max(row.ts, int(client.hget(keys.clock(p), "ts") or 0))
        client.hset(keys.clock(p), "ts", newest)


def tape() -> list[Trade]:
    """Trades of three tickers, four to a millisecond."""
    return [
        a_trade(
            n,
            ts=NOON + n // 4,
            underlying=("SPY", "QQQ", "TSLA")[n % 3],
            right="CP"[n % 2],
            premium=n * 10_000,
            flags=("sweep",) if n % 5 == 0 else (),
        )
        for n in range(120)
    ]


def test_the_newest_trades_are_shown_as_traders_write_them(client: redis.Redis, settings: Settings) -> None:
    trade = a_trade(
        1, ts=NOON, price=2.45, size=1_200, premium=1_254_400.0, bid=2.4, ask=2.45, underlying_price=600.12, dte=27,
        otm_pct=-0.02, volume=5_000, open_interest=1_000, vol_oi=5.0, flags=("sweep", "golden", "synthetic"),
    )  # fmt: skip
    write(client, [trade])
    shown = run(settings, "SPY").stdout
    for text in ("12:00:00.000", "New York time (EST)", "SYNTHETIC", "SPY", "12/18/26", "600", "$1.25M", "2.45",
                 "1,200", "+bull", "GOLDEN SWEEP", "5.00", "27"):  # fmt: skip
        assert text in shown


def test_only_real_trades_are_not_called_synthetic(client: redis.Redis, settings: Settings) -> None:
    write(client, [a_trade(1)])
    assert "SYNTHETIC" not in run(settings, "SPY").stdout


def test_json_is_one_document_a_line_newest_first(client: redis.Redis, settings: Settings) -> None:
    write(client, tape())
    lines = run(settings, "SPY", "calls", "--json", "--limit", "7").stdout.splitlines()
    test = predicate(parse_filter("SPY calls"))
    expected = [row for row in reversed(tape()) if test(row)][:7]
    assert [json.loads(line) for line in lines] == [json.loads(msgspec.json.encode(row)) for row in expected]


@pytest.mark.parametrize(
    "words",
    [["-TSLA puts", "--limit", "5"], ["--limit", "5", "-TSLA", "puts"], ["puts", "-TSLA", "--limit=5"]],
)
def test_what_is_left_out_may_come_first_and_is_no_option(
    client: redis.Redis, settings: Settings, words: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    write(client, tape())
    with pytest.raises(SystemExit) as ended:
        main(["query", "--json", "--redis-url", str(settings.redis_url), *words])
    assert ended.value.code == 0
    test = predicate(parse_filter("-TSLA puts"))
    expected = [row.id for row in reversed(tape()) if test(row)][:5]
    assert [json.loads(line)["id"] for line in capfd.readouterr().out.splitlines()] == expected


def test_pages_go_on_with_the_cursor_that_is_named(client: redis.Redis, settings: Settings) -> None:
    write(client, tape())
    first = run(settings, "--json", "--limit", "10")
    command = shlex.split(first.stderr.partition("flowtape query ")[2])
    second = run(settings, "--json", *command)
    ids = [json.loads(line)["id"] for line in (first.stdout + second.stdout).splitlines()]
    assert ids == [f"t_{n}" for n in range(119, 99, -1)]


def test_nothing_found_says_so_and_how_many_there_are(client: redis.Redis, settings: Settings) -> None:
    ensure_index(client, 1)
    empty = run(settings, "SPY")
    assert empty.exit_code == 0
    assert "the index is empty" in empty.stdout
    write(client, tape())
    none = run(settings, "NVDA")
    assert none.exit_code == 0
    assert "No trade matches NVDA, of 120 in the index" in none.stdout
    assert run(settings, "NVDA", "--json").stdout == ""


def test_a_wrong_filter_or_cursor_is_an_error(client: redis.Redis, settings: Settings) -> None:
    ensure_index(client, 1)
    assert isinstance(run(settings, "swep").exception, FilterError)
    wrong = run(settings, "--before", "x").exception
    assert isinstance(wrong, FlowtapeError)
    assert "cursor" in str(wrong)


def test_a_missing_index_is_an_error(client: redis.Redis, settings: Settings) -> None:
    wrong = run(settings, "SPY").exception
    assert isinstance(wrong, FlowtapeError)
    assert "flowtape up" in str(wrong)


@pytest.mark.parametrize("width", [60, 80, 120, 160, 240, None])
def test_no_cell_is_cut_whatever_the_width(width: int | None) -> None:
    rows = [
        a_trade(1, ts=NOON, premium=12_345_678.0, flags=("sweep", "golden", "unusual", "opening", "repeat"))
    ]
    table, needed = trade_table(rows, "SPY", width)
    console = Console(width=max(width or 0, needed), record=True, file=StringIO())
    console.print(table)
    shown = console.export_text()
    assert "…" not in shown
    for text in ("12:00:00.000", "SPY", "$12.3M", "GOLDEN", "RPT"):
        assert text in shown
    header = next(line for line in shown.splitlines() if "Ticker" in line)
    everything = all(column in header for column in ("Exch", "Delta", "IV", "Spot"))
    assert everything is (width in (None, 240))
    assert ("left out for want of width" in " ".join(shown.split())) is not everything


def redis_cli(stack: Path, settings: Settings, *, line: str, shell: bool) -> dict[str, Any]:
    assert settings.redis_url is not None
    program = [str(stack / "bin" / "redis-cli"), "-s", urlsplit(settings.redis_url).path, "--json"]
    if shell:
        done = subprocess.run(
            ["sh", "-c", f"{shlex.join(program)} {line}"], capture_output=True, text=True, check=True
        )
    else:
        done = subprocess.run(program, input=line + "\n", capture_output=True, text=True, check=True)
    reply: dict[str, Any] = json.loads(done.stdout)
    return reply


@pytest.mark.parametrize(
    ("text", "more"),
    [
        ("", ()),
        ("", ("--limit", "10")),
        ("SPY,QQQ -sweep", ("--limit", "7")),
        ("calls premium>=100k premium<900k sweep", ()),
        ("-TSLA side:ask|", ()),
        ("SPY puts", ("--limit", "3", "second page")),
        ("", ("--limit", "10", "second page")),
        ("NVDA", ()),
    ],
)
@pytest.mark.parametrize("partitions", [1, 3])
def test_the_explained_commands_give_the_same_rows_in_redis_cli(
    client: redis.Redis, settings: Settings, stack: Path, text: str, more: tuple[str, ...], partitions: int
) -> None:
    text = text.replace("ask|", "ask,mid")
    write(client, tape(), partitions)
    options = [word for word in more if word != "second page"]
    environment = {"FLOWTAPE_PARTITIONS": str(partitions)}
    if "second page" in more:
        first = run(settings, *options, "--json", "--", text, **environment)
        options += ["--before", first.stderr.split("--before ")[1].split()[0]]
    page = run(settings, *options, "--json", "--", text, **environment)
    lines = run(settings, *options, "--explain", "--", text, **environment).stdout.splitlines()
    assert len(lines) == partitions
    for shell in (False, True):
        rows = [
            json.loads(result["extra_attributes"]["$"])
            for line in lines
            for result in redis_cli(stack, settings, line=line, shell=shell)["results"]
        ]
        rows.sort(key=lambda row: row["seq"], reverse=True)
        assert rows == [json.loads(line) for line in page.stdout.splitlines()]
