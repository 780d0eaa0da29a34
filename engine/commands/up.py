"""`flowtape up`: Redis, a feed, the indexers and a live view of the tape, all on this machine, until Ctrl-C."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shlex
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from types import FrameType
from typing import Annotated, Any
from urllib.parse import urlsplit

import redis
import typer
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry
from rich.console import Console
from rich.live import Live

from engine.feeds.live import FeedState, LiveFeed, require_settings
from engine.feeds.registry import live_feed
from engine.processes.children import Child, Children, Note
from engine.settings import Settings
from engine.store.connect import connect, redis_server
from engine.store.embedded import default_data
from engine.terminal import gauges, live_view
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
    redis_url: Annotated[
        str | None, typer.Option(help="Redis to use instead of FLOWTAPE_REDIS_URL or the embedded one.")
    ] = None,
) -> None:
    """Run everything on this machine: Redis if none is configured, a feed, the indexer and a live view.

    Without a terminal it writes a line now and then. Ctrl-C or SIGTERM stops all of it: the feed first, Redis last.
    """
    settings = Settings.load(redis_url=redis_url, simulator_rate=rate, simulator_seed=seed)
    chosen = live_feed(feed)
    require_settings(chosen, settings)
    if chosen.name != "simulator" and (rate is not None or seed is not None):
        raise SettingsError(
            f"--rate and --seed are the simulator's; the feed {chosen.name} has none.", "Leave them out."
        )
    stop = _Stop()
    with ExitStack() as stack:
        stack.enter_context(_alone(settings))
        stack.enter_context(_signals_restored())
        running = stack.enter_context(redis_server(settings))
        stop.listen()
        _Session(chosen, settings, running, stop, stack).run()
    # As shells count: 130 after Ctrl-C, 143 after SIGTERM.
    raise SystemExit(128 + (stop.signal or 0))


class _Stop:
    """Set by the first signal; the second one asks to hurry."""

    def __init__(self) -> None:
        self.asked = threading.Event()
        self.hurry = threading.Event()
        self.signal: int | None = None

    def listen(self) -> None:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self.ask)

    @property
    def hung_up(self) -> bool:
        """The terminal is gone: there is nobody to tell."""
        return self.signal == signal.SIGHUP

    def ask(self, number: int, _frame: FrameType | None = None) -> None:
        """What a signal does; the view asks by itself where its terminal has gone."""
        if self.asked.is_set():
            self.hurry.set()
        self.signal = self.signal or number
        self.asked.set()


class _Session:
    """What runs between the start of Redis and its stop."""

    def __init__(
        self, feed: LiveFeed, configured: Settings, running: Settings, stop: _Stop, stack: ExitStack
    ) -> None:
        assert running.redis_url is not None
        self._configured, self._settings, self._stop, self._stack = configured, running, stop, stack
        self._client = stack.enter_context(_view_client(running))
        self._follower = TapeFollower(self._client, running.partitions)
        self._feed = Child("feed", ["feed", feed.name], _environment(running))
        self._children = Children([*_indexers(running), self._feed])
        self._children.hurry = stop.hurry
        self._began = time.monotonic()
        self._before: gauges.Reading | None = None
        self._notes: list[Note] = []
        self._unseen: list[Note] = []
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
                    if not self._stop.hung_up:
                        raise
            else:
                self._tell(console)
        finally:
            try:
                if self._stop.asked.is_set() and not self._stop.hung_up:
                    console.print("Stopping the feed, the indexer and Redis.", highlight=False)
            finally:
                # Whatever became of the output, the children stop.
                killed = self._children.stop()
            if not self._stop.hung_up:
                for name in killed:
                    console.print(f"The {name} did not stop in time and was killed.", highlight=False)

    def _show(self, console: Console) -> None:
        """The live view: a picture each FRAME_S on a screen of its own."""
        next_gauges = 0.0
        with Live(console=console, screen=True, auto_refresh=False, redirect_stderr=False) as live:
            while not self._stop.asked.is_set():
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
                self._stop.asked.wait(FRAME_S)
                if not console.is_terminal:
                    self._stop.ask(signal.SIGHUP)

    def _tell(self, console: Console) -> None:
        """A line now and then, and one for each note."""
        where = self.state.where
        console.out(
            f"Ask from another terminal: flowtape query 'premium>=100k', or redis-cli {where}",
            highlight=False,
        )
        lines, next_line = 0, time.monotonic() + GAUGES_S
        while not self._stop.asked.is_set():
            self._follow()
            for note in self._watch_children():
                console.out(note.text, highlight=False)
            if time.monotonic() >= next_line:
                self._look()
                newest = self._follower.trades.newest(1)
                console.out(
                    live_view.plain_line(
                        self.state, newest[0] if newest else None, time.time_ns() // 1_000_000
                    ),
                    highlight=False,
                )
                lines += 1
                next_line = time.monotonic() + (GAUGES_S if lines < PLAIN_OFTEN else PLAIN_S)
            self._stop.asked.wait(FRAME_S)

    def _watch_children(self) -> list[Note]:
        now = time.monotonic()
        fresh = self._unseen + self._children.poll(now)
        self._unseen = []
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
        try:
            reading = gauges.read(self._client, self._settings.partitions, now)
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

    def _redis_is_away(self) -> None:
        """Say so; an embedded one that died is started again, with the data of its append-only file."""
        self.state.redis_away = True
        if self._configured.redis_url is not None or self._stop.asked.is_set():
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


@contextmanager
def _signals_restored() -> Iterator[None]:
    """Puts the handlers back at the end, when Redis has been stopped: until then a signal must not interrupt."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _alone(settings: Settings) -> Iterator[None]:
    """Hold the lock of `up` for this Redis: two feeds at once would print everything twice.

    Raises FlowtapeError where another `up` holds it.
    """
    folder = settings.data_dir or default_data()
    name = "up"
    if settings.redis_url is not None:
        name += f"-{hashlib.sha256(settings.redis_url.encode()).hexdigest()[:12]}"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = (folder / f"{name}.lock").open("a+", encoding="ascii")
    except OSError as error:
        raise FlowtapeError(
            f"{folder} cannot be written: {error.strerror}.", "Set FLOWTAPE_DATA_DIR to a folder that can."
        ) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise FlowtapeError(
                f"`flowtape up` already runs for this Redis, as process {lock.read().strip() or 'unknown'}.",
                "Use that one, stop it first, or set FLOWTAPE_DATA_DIR to another folder.",
            ) from None
        lock.seek(0)
        lock.truncate()
        lock.write(str(os.getpid()))
        lock.flush()
        yield
