"""`flowtape feed NAME`: one vendor's live feed into the prints stream, until it is told to stop."""

from __future__ import annotations

import asyncio
import signal
import time
from contextlib import nullcontext, suppress
from typing import Annotated

import typer
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from engine.feeds.live import FeedState, FeedStatus, LiveFeed, Supervisor, require_settings
from engine.feeds.registry import feed_names, live_feed
from engine.processes.collector import collect_seldom
from engine.publish import Policy, PublishCounts, Publisher
from engine.settings import Settings
from engine.store.connect import connect, connect_async, redis_server
from schemas.errors import SettingsError

LOOK_S = 0.5
"""Between two looks at the feed's counters."""

TELL_S = 5.0
"""Without a terminal: seconds between two lines, unless the state changes."""

DRAIN_S = 10.0
"""After a stop: seconds that prints in hand have to reach Redis."""


def feed(
    name: Annotated[
        str | None, typer.Argument(help="Which one; --list shows them.", show_default=False)
    ] = None,
    list_feeds: Annotated[bool, typer.Option("--list", help="List the feeds and what they need.")] = False,
    symbols: Annotated[
        str | None,
        typer.Option(help="Contracts or underlyings, separated by commas. Default: the feed's own."),
    ] = None,
    rate: Annotated[float | None, typer.Option(help="The simulator's usual prints a second.")] = None,
    seed: Annotated[int | None, typer.Option(help="The simulator's seed.")] = None,
    redis_url: Annotated[
        str | None, typer.Option(help="Redis to use instead of FLOWTAPE_REDIS_URL or the embedded one.")
    ] = None,
) -> None:
    """Run one vendor's live feed; its keys come from the environment.

    It connects again by itself and, where Redis cannot keep up, drops the oldest prints and counts them. Stops at
    Ctrl-C or SIGTERM, when the prints in hand are in Redis.
    """
    if list_feeds:
        Console().print(_feeds())
        return
    if name is None:
        raise SettingsError("No feed is named.", f"Known are {', '.join(feed_names())}.")
    chosen = live_feed(name)
    if chosen.name != "simulator" and (rate is not None or seed is not None):
        raise SettingsError(
            f"--rate and --seed are the simulator's; the feed {chosen.name} has none.", "Leave them out."
        )
    settings = Settings.load(redis_url=redis_url, symbols=symbols, simulator_rate=rate, simulator_seed=seed)
    require_settings(chosen, settings)
    with redis_server(settings) as running:
        connect(running).close()
        collect_seldom()
        asyncio.run(_run(chosen, running, Console()))


def status_line(feed: LiveFeed, status: FeedStatus, counts: PublishCounts, per_second: float) -> str:
    """One line that says how a feed does; `per_second` is its present rate of prints."""
    name = f"{feed.name} (synthetic)" if feed.synthetic else feed.name
    dropped = counts.dropped.total() + counts.dropped_references.total()
    parts = [
        f"{name} {status.state}",
        f"{per_second:,.0f} prints/s",
        f"{status.prints:,} prints",
        f"{status.rejects:,} rejects",
        f"{dropped:,} dropped",
        f"backlog {counts.backlog:,}",
    ]
    if lost := counts.dropped_rejects.total():
        parts.append(f"{lost:,} rejects not kept")
    if status.repeated:
        parts.append(f"{status.repeated:,} redelivered")
    if counts.queued:
        parts.append(f"{counts.queued:,} in hand")
    if status.reconnects:
        parts.append(f"{status.reconnects:,} reconnects")
    if counts.last_error and counts.queued:
        parts.append(f"Redis: {counts.last_error}")
    if status.last_error and status.state is not FeedState.LIVE:
        parts.append(status.last_error)
    return " · ".join(parts)


async def _run(feed: LiveFeed, settings: Settings, console: Console) -> None:
    client = connect_async(settings)
    publisher = Publisher(client, settings, Policy.DROP_OLDEST)
    supervisor = Supervisor(feed, settings, publisher)
    hurry = asyncio.Event()

    def stop() -> None:
        # The second signal gives up what is not in Redis yet.
        if supervisor.stopping:
            hurry.set()
        supervisor.stop()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop)
    tell = asyncio.create_task(_tell(feed, supervisor, publisher, console))
    try:
        await supervisor.run()
    finally:
        tell.cancel()
        with suppress(asyncio.CancelledError):
            await tell
        await _drain(publisher, hurry)
        await publisher.close()
        await client.aclose()
        console.print(
            status_line(feed, supervisor.status, publisher.counts, 0.0), highlight=False, soft_wrap=True
        )


async def _drain(publisher: Publisher, hurry: asyncio.Event) -> None:
    """Until all is in Redis, DRAIN_S passed, or the user is in a hurry; what is left counts as dropped."""
    drained, hurried = asyncio.create_task(publisher.drain()), asyncio.create_task(hurry.wait())
    await asyncio.wait({drained, hurried}, timeout=DRAIN_S, return_when=asyncio.FIRST_COMPLETED)
    for task in (drained, hurried):
        task.cancel()
    await asyncio.gather(drained, hurried, return_exceptions=True)


async def _tell(feed: LiveFeed, supervisor: Supervisor, publisher: Publisher, console: Console) -> None:
    """Show how the feed does: a line that changes on a terminal, else a line now and then."""
    status, counts = supervisor.status, publisher.counts
    prints, looked, told, state = status.prints, time.monotonic(), 0.0, None
    on_terminal = console.is_terminal and not console.is_dumb_terminal
    with Live(console=console, auto_refresh=False, transient=True) if on_terminal else nullcontext() as live:
        while True:
            await asyncio.sleep(LOOK_S)
            now = time.monotonic()
            if live is not None:
                line = status_line(feed, status, counts, (status.prints - prints) / (now - looked))
                live.update(Text(line, overflow="ellipsis", no_wrap=True), refresh=True)
            elif now - told >= TELL_S or status.state is not state:
                line = status_line(feed, status, counts, (status.prints - prints) / (now - looked))
                console.print(line, highlight=False, soft_wrap=True)
                told, state = now, status.state
            else:
                continue
            prints, looked = status.prints, now


def _feeds() -> Table:
    table = Table("feed", "what", "needs", box=None, header_style="bold")
    for name in feed_names():
        feed = live_feed(name)
        table.add_row(name, feed.summary, "\n".join(f"FLOWTAPE_{need.upper()}" for need in feed.needs))
    return table
