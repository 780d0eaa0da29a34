"""`flowtape bench NAME`: the benchmarks, each in a module of `engine/bench`."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from typing import Annotated, Any

import msgspec
import typer

from schemas.errors import FlowtapeError


def bench(
    name: Annotated[str, typer.Argument(help="Which one: ingest, match, search.", show_default=False)],
    trades: Annotated[int | None, typer.Option(help="Trades to measure with.", min=1_000)] = None,
    rounds: Annotated[int | None, typer.Option(help="Rounds of which the medians are shown.", min=1)] = None,
    seconds: Annotated[float | None, typer.Option(help="Length of the measured part.", min=1)] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the figures as one JSON object too.")
    ] = False,
) -> None:
    """Measure a part of Flowtape beside its baseline, in the same run, on a Redis started for it."""
    import engine.bench

    known = [module.name for module in pkgutil.iter_modules(engine.bench.__path__)]
    if name not in known:
        raise FlowtapeError(f"There is no benchmark {name!r}.", f"Known are: {', '.join(known)}.")
    run = importlib.import_module(f"engine.bench.{name}").run
    given: dict[str, Any] = {"trades": trades, "rounds": rounds, "seconds": seconds}
    options = {option: value for option, value in given.items() if value is not None}
    takes = inspect.signature(run).parameters
    for option in options:
        if option not in takes:
            raise FlowtapeError(f"`bench {name}` has no --{option}.", f"It takes: {', '.join(takes)}.")
    figures = run(**options)
    if as_json:
        typer.echo(msgspec.json.encode(figures).decode())
