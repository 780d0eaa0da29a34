"""`flowtape up`: Redis, a feed, the indexers, a gateway and a live view, all on this machine, until Ctrl-C."""

from __future__ import annotations

import os
import re
import shlex
import signal
import time
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

import redis
import typer
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry
from rich.console import Console
from rich.live import Live

from engine.access.login_link import LoginLink, login_name
from engine.access.secret import resolve_secret
from engine.feeds.live import FeedState, LiveFeed, require_settings
from engine.feeds.registry import live_feed
from engine.metrics_workers import worker_folder
from engine.processes.alone import alone
from engine.processes.children import Child, Children, Note
from engine.processes.gateways import gateway_children
from engine.processes.listening import is_taken, local_address, reserved
from engine.processes.stop import Stop, signals_restored, stop_signals
from engine.settings import Settings
from engine.store.connect import connect, redis_server
from engine.terminal import gauges, live_view
from engine.terminal.gateway_gauges import GatewayWatch
from engine.terminal.tape_follower import TapeFollower
from schemas.errors import FlowtapeError, RedisSetupError, SettingsError

FRAME_S = 0.25
"""Between two pictures of the live view."""

GAUGES_S = 1.0
"""Between two readings of the gauges."""

NOTE_S = 20.0
"""How long a note stays on the screen."""

PLAIN_OFTEN, PLAIN_S = 10, 10.0
"""Without a terminal: so many lines a second apart, then one each time this passes."""

REDIS_REPLY_S = 3.0
"""How long the view waits for Redis before it says that Redis is away."""

REDIS_RESTARTS = 3
"""How often an embedded Redis that died is started again before `up` gives up."""


def up(
    feed: Annotated[
        str, typer.Option(help="Live feed: alpaca, databento, massive, simulator ...")
    ] = "simulator",
    rate: Annotated[
        float | None,
        typer.Option(help="The simulator's usual prints a second; it opens with ten times as many."),
    ] = None,
    seed: Annotated[int | None, typer.Option(help="The simulator's seed.")] = None,
    host: Annotated[str | None, typer.Option(help="The gateway's address. Default: FLOWTAPE_HOST.")] = None,
    port: Annotated[
        int | None,
        typer.Option(help="The gateway's port. Default: FLOWTAPE_PORT, or a free one if it is taken."),
    ] = None,
    redis_url: Annotated[
        str | None, typer.Option(help="Redis to use instead of FLOWTAPE_REDIS_URL or the embedded one.")
    ] = None,
) -> None:
    """Run everything on this machine: Redis if none is configured, a feed, the indexer, a gateway and a live view.

    It shows a link that opens the page. Without a terminal it writes a line now and then. Ctrl-C or SIGTERM stops all
    of it: the gateway first, Redis last.
    """
    settings = Settings.load(
        host=host, port=port, redis_url=redis_url, simulator_rate=rate, simulator_seed=seed
    )
    chosen = live_feed(feed)
    require_settings(chosen, settings)
    if chosen.name != "simulator" and (rate is not None or seed is not None):
        raise SettingsError(
            f"--rate and --seed are the simulator's; the feed {chosen.name} has none.", "Leave them out."
        )
    secret = resolve_secret(settings, settings.host)
    stop = Stop()
    with ExitStack() as stack:
        stack.enter_context(alone(settings))
        # A gateway is started again on the same port; held from here on, nobody else takes it meanwhile.
        held = stack.enter_context(_held_port(settings))
        stack.enter_context(signals_restored(stop_signals()))
        running = stack.enter_context(redis_server(settings)).model_copy(update={"port": held, "workers": 1})
        link = None if secret is None else LoginLink(running, secret, login_name())
        stop.listen(stop_signals())
        _Session(chosen, settings, running, link, stop, stack).run()
    raise SystemExit(stop.exit_status)


class _Session:
    """What runs between the start of Redis and its stop."""

    def __init__(
        self,
        feed: LiveFeed,
        configured: Settings,
        running: Settings,
        link: LoginLink | None,
        stop: Stop,
        stack: ExitStack,
    ) -> None:
        assert running.redis_url is not None
        self._configured, self._settings, self._stop, self._stack = configured, running, stop, stack
        self._client = stack.enter_context(_view_client(running))
        self._follower = TapeFollower(self._client, running.partitions)
        self._feed = Child("feed", ["feed", feed.name], _environment(running))
        self._warnings: deque[str] = deque(maxlen=1)
        self._gateway = _gateway(running, stack.enter_context(worker_folder()), self._warnings)
        self._link = link
        self._watch = stack.enter_context(GatewayWatch(local_address(running), running))
        self._children = Children([*_indexers(running), self._feed, self._gateway], stop)
        self._began = time.monotonic()
        self._before: gauges.Reading | None = None
        self._notes: list[Note] = []
        self._unseen: list[Note] = []
        if configured.port not in (0, running.port):
            self._unseen.append(
                Note(self._began, f"Port {configured.port} is taken: the gateway's is {running.port}.")
            )
        self._redis_starts = 0
        self.state = live_view.ViewState(feed.name, feed.synthetic, redis_cli_arguments(running.redis_url))

    def run(self) -> None:
        """Until a signal comes. Raises FlowtapeError where a child or Redis is gone for good."""
        console = Console()
        try:
            self._children.start(time.monotonic())
            self._look()
            if console.is_terminal and not console.is_dumb_terminal:
                try:
                    self._show(console)
                except OSError:
                    # The screen of a terminal that has gone cannot be restored.
                    if not self._hung_up:
                        raise
            else:
                self._tell(console)
        finally:
            try:
                if self._stop.asked and not self._hung_up:
                    console.print("Stopping the feed, the indexer, the gateway and Redis.", highlight=False)
            finally:
                # Whatever became of the output, the children stop.
                killed = self._children.stop()
            if not self._hung_up:
                for name in killed:
                    console.print(f"The {name} did not stop in time and was killed.", highlight=False)

    @property
    def _hung_up(self) -> bool:
        """The terminal is gone: there is nobody to tell."""
        return self._stop.signal == signal.SIGHUP

    def _show(self, console: Console) -> None:
        """The live view: a picture each FRAME_S on a screen of its own."""
        next_gauges = 0.0
        with Live(console=console, screen=True, auto_refresh=False, redirect_stderr=False) as live:
            while not self._stop.asked:
                if time.monotonic() >= next_gauges:
                    self._look()
                    next_gauges = time.monotonic() + GAUGES_S
                self._follow()
                self._watch_children()
                width, height = console.size
                live.update(
                    live_view.render(
                        self.state,
                        self._follower.trades.newest(height),
                        self._follower.notable.newest(height),
                        time.time_ns() // 1_000_000,
                        width,
                        height,
                    ),
                    refresh=True,
                )
                self._stop.wait(FRAME_S)
                if not console.is_terminal:
                    self._stop.ask(signal.SIGHUP)

    def _tell(self, console: Console) -> None:
        """A line now and then, and one for each note."""
        where = self.state.where
        console.out(
            f"Ask from another terminal: flowtape query 'premium>=100k', or redis-cli {where}",
            highlight=False,
        )
        link = ""
        lines, next_look = 0, time.monotonic() + GAUGES_S
        next_line = next_look
        while not self._stop.asked:
            self._follow()
            for note in self._watch_children():
                console.out(note.text, highlight=False)
            if time.monotonic() >= next_look:
                self._look()
                next_look = time.monotonic() + GAUGES_S
            if self.state.link not in ("", link):
                link = self.state.link
                console.out(f"Open {link}", highlight=False)
            if time.monotonic() >= next_line:
                newest = self._follower.trades.newest(1)
                console.out(
                    live_view.plain_line(
                        self.state, newest[0] if newest else None, time.time_ns() // 1_000_000
                    ),
                    highlight=False,
                )
                lines += 1
                next_line = time.monotonic() + (GAUGES_S if lines < PLAIN_OFTEN else PLAIN_S)
            self._stop.wait(FRAME_S)

    def _watch_children(self) -> list[Note]:
        now = time.monotonic()
        fresh = self._unseen + self._children.poll(now)
        self._unseen = []
        if self._warnings:
            fresh.append(Note(now, f"gateway: {self._warnings.pop()}"))
        self._notes = [note for note in self._notes if now - note.at < NOTE_S] + fresh
        self.state.notes = [note.text for note in self._notes]
        return fresh

    def _follow(self) -> None:
        try:
            self._follower.poll()
        except RedisError:
            self._redis_is_away()

    def _look(self) -> None:
        now = time.monotonic()
        self.state.seconds = now - self._began
        self._judge_gateway()
        try:
            reading = gauges.read(self._client, self._settings.partitions, now)
            if self._link is not None:
                self._link.renew(bool(self._client.exists(self._link.ticket_key)), time.time())
        except RedisError:
            self._redis_is_away()
            return
        self.state.redis_away = False
        self.state.rates = gauges.rates(self._before, reading)
        self.state.reading = self._before = reading
        self._judge_feed()

    def _judge_feed(self) -> None:
        """The feed's state, what it dropped and why it is not live, from the line that it last wrote."""
        state = self.state
        state.feed_says = ""
        if self._feed.pid is None:
            state.feed_state = "restarting"
            return
        said = feed_line(self._feed.told[-1]) if self._feed.told else None
        state.feed_state, state.dropped, state.feed_says = said or ("starting", 0, "")

    def _judge_gateway(self) -> None:
        """What it serves, and how it is opened: not before it listens."""
        self.state.gateway, self.state.rows_sent = self._watch.newest, self._watch.rows_per_second
        listens = self._gateway.pid is not None and bool(self._gateway.told)
        url = f"{local_address(self._settings)}/" if self._link is None else self._link.url
        self.state.link = url if listens else ""

    def _redis_is_away(self) -> None:
        """Say so; an embedded one that died is started again, with the data of its append-only file."""
        self.state.redis_away = True
        if self._configured.redis_url is not None or self._stop.asked:
            return
        try:
            self._client.ping()
        except redis.exceptions.BusyLoadingError:
            return
        except RedisError as error:
            self._redis_starts += 1
            if self._redis_starts > REDIS_RESTARTS:
                raise RedisSetupError(
                    f"The embedded Redis ended {self._redis_starts} times: {error}.",
                    "`flowtape doctor` checks it; its log is redis.log in the data folder.",
                ) from error
            self._stack.enter_context(redis_server(self._configured))
            self._unseen.append(Note(time.monotonic(), "Redis ended and was started again"))


def _environment(settings: Settings) -> dict[str, str]:
    """What a child needs beyond the environment and the file that it reads itself."""
    assert settings.redis_url is not None
    return {
        "FLOWTAPE_REDIS_URL": settings.redis_url,
        "FLOWTAPE_SIMULATOR_RATE": str(settings.simulator_rate),
        "FLOWTAPE_SIMULATOR_SEED": str(settings.simulator_seed),
        "PYTHONUNBUFFERED": "1",
    }


def _gateway(settings: Settings, folder: Path, warnings: deque[str]) -> Child:
    """The gateway, on the port that is held for it; what it warns of is put into `warnings`."""

    def hear(line: str) -> None:
        if warning := warning_of(line):
            warnings.append(warning)

    level = settings.log_level if settings.log_level in ("error", "critical") else "warning"
    log = {"FLOWTAPE_LOG_LEVEL": level, "FLOWTAPE_LOG_FORMAT": "text"}
    return gateway_children(settings, folder, hear, **log)[0]


def _indexers(settings: Settings) -> list[Child]:
    """A process for each partition, or for several where there are more partitions than processors."""
    number = min(settings.partitions, os.cpu_count() or 1)
    found = []
    for k in range(number):
        arguments = ["index"]
        for p in range(k, settings.partitions, number):
            arguments += ["--partition", str(p)]
        found.append(Child("indexer" if number == 1 else f"indexer {k}", arguments, _environment(settings)))
    return found


def redis_cli_arguments(url: str) -> str:
    """How redis-cli is told of a Redis; a password is left out, redis-cli asks for it."""
    parts = urlsplit(url)
    if parts.scheme == "unix":
        return f"-s {shlex.quote(parts.path)}"
    where = parts.netloc.rpartition("@")[2]
    asks = " --askpass" if parts.password else ""
    return f"-u {shlex.quote(f'{parts.scheme}://{where}{parts.path}')}{asks}"


def feed_line(line: str) -> tuple[str, int, str] | None:
    """State, dropped prints and last error in a line of `flowtape feed`; None where it is no such line."""
    first, *parts = line.split(" \u00b7 ")
    state = first.rpartition(" ")[2]
    if state not in set(FeedState):
        return None
    dropped = next((part.split()[0] for part in parts if part.endswith(" dropped")), "0")
    error = parts[-1] if parts and state != FeedState.LIVE and parts[-1].endswith(".") else ""
    return state, int(dropped.replace(",", "")), error


def warning_of(line: str) -> str:
    """What a log line in text form warns of; empty for any other line."""
    found = re.match(r"\S+Z (?:warning|error|critical) +(.*?)(?: \[[\w.]+\])?$", line)
    return found[1] if found else ""


@contextmanager
def _held_port(settings: Settings) -> Iterator[int]:
    """The gateway's port, held: the one that was asked for, or a free one where nobody asked and it is taken."""
    with ExitStack() as stack:
        try:
            port = stack.enter_context(reserved(settings))
        except FlowtapeError as error:
            if "port" in settings.model_fields_set or not is_taken(error):
                raise
            port = stack.enter_context(reserved(settings.model_copy(update={"port": 0})))
        yield port


@contextmanager
def _view_client(settings: Settings) -> Iterator[redis.Redis]:
    """A client that gives up soon: the view must go on while Redis is away. Raises RedisSetupError at first."""
    with connect(settings):
        pass
    assert settings.redis_url is not None
    options: dict[str, Any] = {"protocol": 3, "retry": Retry(NoBackoff(), 0), "client_name": "flowtape-up"}
    client = redis.Redis.from_url(
        settings.redis_url, socket_timeout=REDIS_REPLY_S, socket_connect_timeout=REDIS_REPLY_S, **options
    )
    try:
        yield client
    finally:
        client.close()
