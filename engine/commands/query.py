"""`flowtape query`: the newest trades of a filter, as a table, as JSON, or as the command behind it."""

from __future__ import annotations

import sys
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from engine.explain import commands, quoted
from engine.search import Search
from engine.search_page import PAGE_ROWS, Page
from engine.settings import Settings
from engine.store.connect import connect, redis_server
from engine.terminal.trade_table import trade_table
from schemas.filter import Filter
from schemas.filter_text import filter_text, parse_filter

LIMIT = 50
"""Rows where no number is given."""


def query(
    text: Annotated[
        list[str] | None,
        typer.Argument(help="The filter, as 'SPY,QQQ calls premium>=100k -multi_leg'; none is every trade."),
    ] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", help="Rows at most.", min=1, max=PAGE_ROWS)] = LIMIT,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the documents, one object a line, newest first.")
    ] = False,
    explain: Annotated[
        bool, typer.Option("--explain", help="Print the FT.SEARCH to paste into redis-cli, not the trades.")
    ] = False,
    before: Annotated[
        str | None, typer.Option(help="Go on where a page ended: the cursor that it gave.", metavar="CURSOR")
    ] = None,
    redis_url: Annotated[
        str | None, typer.Option(help="Redis to use instead of FLOWTAPE_REDIS_URL or the embedded one.")
    ] = None,
) -> None:
    """Search the trades, newest first. docs/filters.md describes the filter.

    Put a filter in quotes where it has > < | or *, and -- before one that begins with a minus.
    """
    wanted = parse_filter(" ".join(text or ()))
    with redis_server(Settings.load(redis_url=redis_url)) as settings, connect(settings) as client:
        search = Search(client, settings.partitions, settings.query_timeout_ms)
        page = search.page(wanted, limit, before)
        if explain:
            _explain(search, settings, wanted, page, limit, before)
        elif not page.rows:
            _nothing(search, wanted, before, as_json)
        elif as_json:
            # Bytes, as they are in Redis: the terminal's encoding has no say in it.
            sys.stdout.flush()
            sys.stdout.buffer.write(b"".join(row.document + b"\n" for row in page.rows))
            sys.stdout.buffer.flush()
            _go_on(wanted, limit, page)
        else:
            _show(wanted, page)
            _go_on(wanted, limit, page)


def _show(wanted: Filter, page: Page) -> None:
    trades = [row.trade() for row in page.rows]
    console = Console(highlight=False)
    table, width = trade_table(trades, filter_text(wanted), console.width if console.is_terminal else None)
    # A terminal too narrow for the least wraps the lines itself; nothing is cut off.
    Console(highlight=False, width=max(width, console.width) if console.is_terminal else width).print(table)


def _go_on(wanted: Filter, limit: int, page: Page) -> None:
    if page.before is not None:
        text = filter_text(wanted)
        _say(f"Older ones: flowtape query --limit {limit} --before {page.before} -- '{text}'")


def _nothing(search: Search, wanted: Filter, before: str | None, as_json: bool) -> None:
    total = search.total()
    which = "No older trade" if before else "No trade"
    if not total:
        sentence = f"{which}: the index is empty. Fill it with `flowtape up` or `flowtape replay`."
    else:
        sentence = f"{which} matches {filter_text(wanted)}, of {total:,} in the index."
        if not before:
            sentence += " Widen the filter; `flowtape query` alone shows the newest of all."
    if as_json:
        _say(sentence)
    else:
        typer.echo(sentence)


def _explain(
    search: Search, settings: Settings, wanted: Filter, page: Page, limit: int, before: str | None
) -> None:
    for words in commands(wanted, page, settings.partitions, limit, before, search.count):
        typer.echo(quoted(words))
    if page.before is not None:
        _say("The time in it is that of the oldest row now: over all time a broad filter would stall Redis.")


def _say(sentence: str) -> None:
    """A remark beside the answer, which may go to a file."""
    Console(stderr=True, highlight=False, soft_wrap=True).print(Text(sentence, "dim"))
