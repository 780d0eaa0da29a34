"""`flowtape replay`: a recorded file through the same path as live prints, and an account of every row."""

from __future__ import annotations

import asyncio
import json
import signal
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Annotated

import typer

from engine.feeds.file_format import FileFormat
from engine.feeds.recognise import recognise
from engine.feeds.registry import file_format
from engine.processes.standby import beside, standby_indexer
from engine.publish import Policy, Publisher
from engine.replay.account import Account, acknowledged, outcomes
from engine.replay.event_order import EventOrder
from engine.replay.player import Pass, Rebase, first_print, read_rows
from engine.replay.progress import ReplayProgress
from engine.settings import Settings
from engine.store.connect import connect, connect_async, redis_server
from schemas.errors import FileFormatError, FlowtapeError, SettingsError

FASTEST = "max"
NOW = "now"


def replay(
    file: Annotated[Path, typer.Argument(help="The recorded file.", show_default=False)],
    format: Annotated[  # noqa: A002 - the option is --format
        str | None,
        typer.Option(
            help="cboe, massive-flat, databento, unusual-whales or lean; left out, the file decides.",
            show_default=False,
        ),
    ] = None,
    speed: Annotated[
        str, typer.Option(help="How many times faster than it happened: 1 is real time, max does not wait.")
    ] = FASTEST,
    loop: Annotated[bool, typer.Option("--loop", help="Begin again at the end, until Ctrl-C.")] = False,
    rebase: Annotated[
        str | None,
        typer.Option(help="now: move all times so that the first print is now.", show_default=False),
    ] = None,
    no_index: Annotated[
        bool, typer.Option("--no-index", help="Publish only; an indexer runs elsewhere.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the account as one JSON object.")] = False,
    redis_url: Annotated[
        str | None, typer.Option(help="Redis to use instead of FLOWTAPE_REDIS_URL or the embedded one.")
    ] = None,
) -> None:
    """Play a recorded file through the same path as live prints, and account for every row.

    The rows are published in the order of exchange time. An indexer comes along, which stands by where another
    one is at work. Ends with status 1 where a row is unaccounted for or the file is damaged.
    """
    pace, moved = parse_speed(speed), parse_rebase(rebase)
    chosen = _format(file, format)
    with redis_server(Settings.load(redis_url=redis_url)) as settings:
        # Says at once, and in one sentence, where no Redis answers.
        connect(settings).close()
        try:
            account = asyncio.run(_replay(file, chosen, settings, pace, moved, loop, no_index))
        except asyncio.CancelledError:
            raise KeyboardInterrupt from None
    typer.echo(json.dumps(account.as_dict()) if as_json else account.as_text())
    for fault in account.faults:
        typer.echo(f"flowtape: {fault}", err=True)
    if account.faults:
        raise typer.Exit(1)


def parse_speed(text: str) -> float | None:
    """A speed factor; None for `max`. Raises SettingsError."""
    if text.lower() == FASTEST:
        return None
    try:
        factor = float(text)
    except ValueError:
        factor = 0.0
    if not 0 < factor < float("inf"):
        raise SettingsError(
            f"--speed {text!r} is no speed.", "Give a number above 0 (1 is real time) or max."
        )
    return factor


def parse_rebase(text: str | None) -> bool:
    """Whether times are moved. Raises SettingsError for anything but `now`."""
    if text not in (None, NOW):
        raise SettingsError(f"--rebase {text!r} is not known.", "The only value is now.")
    return text == NOW


def _format(file: Path, name: str | None) -> FileFormat:
    if name is not None:
        file_format(name)
    if file.is_dir():
        raise FileFormatError(f"{file} is a folder.", "Name one file in it.")
    if not file.exists():
        raise FileFormatError(f"There is no file {file}.", "Check the path.")
    return recognise(file) if name is None else file_format(name)


async def _replay(
    file: Path,
    format_: FileFormat,
    settings: Settings,
    speed: float | None,
    rebase: bool,
    loop: bool,
    no_index: bool,
) -> Account:
    stopping, running = asyncio.Event(), asyncio.current_task()

    def stop() -> None:
        # The first one lets what was published be indexed, the second one does not wait for that.
        if stopping.is_set() and running is not None:
            running.cancel()
        stopping.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop)
    account: Account | None = None
    began = time.monotonic()
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(connect_async(settings))
        before = await outcomes(client, settings, format_.name)
        children = None if no_index else await stack.enter_async_context(standby_indexer(settings))
        progress = stack.enter_context(ReplayProgress())
        order = stack.enter_context(EventOrder())

        async def work() -> None:
            nonlocal account
            async with Publisher(client, settings, Policy.WAIT) as publisher:
                expected = format_.total(file)
                progress.stage("reading", expected)
                rows = await read_rows(file, format_, settings, order, publisher, stopping, progress.at)
                account = Account(str(file), format_.name, rows, expected, waited=not no_index)
                first = first_print(order) or 0
                instant = 0
                while not stopping.is_set() and len(order):
                    # Passes that begin in one ms must not share their ids.
                    instant = max(instant + 1, time.time_ns() // 1_000_000)
                    progress.stage("publishing", len(order))
                    await Pass(publisher, stopping, speed, time.monotonic, progress.advance).run(
                        order, Rebase(first, instant) if rebase else None
                    )
                    account.passes += 1
                    if not loop:
                        break
                await publisher.drain()
                account.published = publisher.counts.published
                account.references = publisher.counts.references
            if not no_index:
                progress.stage("indexing", None)
                finished = await acknowledged(client, settings, asyncio.Event(), progress.left)
                assert finished
            after = await outcomes(client, settings, format_.name)
            account.outcomes = after - before

        await beside(children, asyncio.create_task(work()))
    if account is None:
        raise FlowtapeError("The replay was stopped before it began.")
    account.interrupted = stopping.is_set()
    account.seconds = time.monotonic() - began
    return account
