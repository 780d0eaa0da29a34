"""`flowtape dead`: what could not be processed, listed by newest, and tried again."""

from __future__ import annotations

import base64
from itertools import islice
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from engine.dead import DeadEntry, Retry, count, entries, retry
from engine.settings import Settings
from engine.store.connect import connect, redis_server
from engine.terminal.format import clock
from schemas.errors import FlowtapeError

SHOWN_BYTES = 60
"""Of the original bytes, in the table."""


def dead(
    limit: Annotated[int, typer.Option(help="Entries to show or to try again at most.", min=1)] = 50,
    again: Annotated[bool, typer.Option("--retry", help="Put them back on their way.")] = False,
    entry_id: Annotated[
        list[str] | None, typer.Option("--id", help="Only this entry; may be repeated.", show_default=False)
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="One object a line; `raw` is the original in base64.")
    ] = False,
    redis_url: Annotated[
        str | None, typer.Option(help="Redis to use instead of FLOWTAPE_REDIS_URL or the embedded one.")
    ] = None,
) -> None:
    """List prints and vendors' messages that could not be processed, each with its reason; or try them again."""
    with redis_server(Settings.load(redis_url=redis_url)) as settings, connect(settings) as client:
        wanted = set(entry_id or ())
        chosen = list(islice((e for e in entries(client, settings) if not wanted or e.id in wanted), limit))
        if missing := wanted - {entry.id for entry in chosen}:
            raise FlowtapeError(
                f"There is no dead entry {min(missing)}.", "`flowtape dead` lists them with their ids."
            )
        if again:
            # Oldest first, as they came.
            _report([retry(client, settings, entry) for entry in reversed(chosen)], as_json)
        elif as_json:
            for entry in chosen:
                typer.echo(msgspec.json.encode(_plain(entry)).decode())
        else:
            _show(chosen, count(client, settings))


def _plain(entry: DeadEntry) -> dict[str, object]:
    return {
        "id": entry.id, "partition": entry.partition, "kind": entry.kind, "feed": entry.feed,
        "reason": entry.reason, "at": entry.at, "raw": base64.b64encode(entry.raw).decode(),
    }  # fmt: skip


def _show(chosen: list[DeadEntry], total: int) -> None:
    console = Console()
    if not chosen:
        console.print("Nothing is dead: every print and message was processed.")
        return
    table = Table(title=f"{len(chosen)} of {total} dead entries, newest first", title_justify="left")
    for column in ("id", "time", "feed", "kind", "reason", "original"):
        table.add_column(column, overflow="fold", ratio=3 if column in ("reason", "original") else None)
    for entry in chosen:
        original = repr(entry.raw[:SHOWN_BYTES])[2:-1] + ("…" if len(entry.raw) > SHOWN_BYTES else "")
        table.add_row(entry.id, clock(entry.at), entry.feed, entry.kind, entry.reason, original)
    console.print(table)
    console.print("`flowtape dead --retry` puts them back on their way, `--id` only some of them.")


def _report(done: list[Retry], as_json: bool) -> None:
    if as_json:
        for result in done:
            left = {"stays_because": result.reason} if result.reason else {}
            typer.echo(
                msgspec.json.encode(_plain(result.entry) | {"retried": not result.reason} | left).decode()
            )
        return
    back = [result for result in done if not result.reason]
    typer.echo(f"{len(back)} of {len(done)} are back on their way.")
    for result in done:
        if result.reason:
            typer.echo(f"  {result.entry.id} stays: {result.reason}")
