"""`flowtape bench NAME`: the benchmarks, each in a module of `engine/bench`."""

from __future__ import annotations

import importlib
import inspect
from typing import Annotated, Any, Final

import msgspec
import typer

from schemas.errors import FlowtapeError

BENCHES: Final = ("fanout", "ingest", "live", "match", "page", "search")
"""Modules of `engine/bench` with a function `run`; the others are parts of these."""


def bench(
    name: Annotated[str, typer.Argument(help=f"Which one: {', '.join(BENCHES)}.", show_default=False)],
    trades: Annotated[int | None, typer.Option(help="Trades to measure with.", min=1_000)] = None,
    rounds: Annotated[int | None, typer.Option(help="Rounds of which the medians are shown.", min=1)] = None,
    seconds: Annotated[float | None, typer.Option(help="Length of the measured part.", min=1)] = None,
    clients: Annotated[int | None, typer.Option(help="Clients that are connected at once.", min=1)] = None,
    rate: Annotated[float | None, typer.Option(help="Trades a second.", min=1)] = None,
    idle: Annotated[
        int | None, typer.Option(help="Clients that hardly get anything; 0 leaves them out.", min=0)
    ] = None,
    highest: Annotated[
        float | None, typer.Option(help="Trades a second tried at most; 0 tries no other rate.", min=0)
    ] = None,
    rows: Annotated[int | None, typer.Option(help="Rows of the page's table.", min=1)] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the figures as one JSON object too.")
    ] = False,
) -> None:
    """Measure a part of Flowtape beside its baseline, in the same run, on a Redis started for it."""
    if name not in BENCHES:
        raise FlowtapeError(f"There is no benchmark {name!r}.", f"Known are: {', '.join(BENCHES)}.")
    run = importlib.import_module(f"engine.bench.{name}").run
    given: dict[str, Any] = {
        "trades": trades,
        "rounds": rounds,
        "seconds": seconds,
        "clients": clients,
        "rate": rate,
        "idle": idle,
        "highest": highest,
        "rows": rows,
    }
    options = {option: value for option, value in given.items() if value is not None}
    takes = inspect.signature(run).parameters
    for option in options:
        if option not in takes:
            raise FlowtapeError(f"`bench {name}` has no --{option}.", f"It takes: {', '.join(takes)}.")
    figures = run(**options)
    if as_json:
        typer.echo(msgspec.json.encode(figures).decode())
