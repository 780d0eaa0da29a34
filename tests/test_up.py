"""`flowtape up` as a user runs it: a process of its own, with and without a terminal."""

from __future__ import annotations

import asyncio
import os
import pty
import queue
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import redis

from engine.commands.feed import status_line
from engine.commands.up import feed_line, redis_cli_arguments
from engine.feeds.live import FeedState, FeedStatus
from engine.feeds.registry import live_feed
from engine.publish import PublishCounts
from schemas import keys
from schemas.errors import FeedRefusedError
from tests.processes import GUARD_S, children_of, hang, runs, until
from tests.vendors.massive import Server

PROJECT = Path(__file__).parent.parent


def environment(folder: Path, **more: str) -> dict[str, str]:
    return {**os.environ, "FLOWTAPE_DATA_DIR": str(folder), "COLUMNS": "120", "LINES": "40", **more}


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "engine.cli", "up", *arguments]


class Up:
    """A running `up` without a terminal, and what it says."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self._lines: queue.Queue[str | None] = queue.Queue()
        self.said: list[str] = []
        self._leaving = threading.Event()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as stream:
            for line in stream:
                self._lines.put(line.rstrip("\n"))
                if self._leaving.is_set():
                    break
        self._lines.put(None)

    def line(self, pattern: str) -> re.Match[str]:
        """The next line that a pattern is found in."""
        deadline = time.monotonic() + GUARD_S
        while True:
            assert time.monotonic() < deadline, f"`up` does not say {pattern!r}; it said {self.said}"
            line = self._lines.get(timeout=GUARD_S)
            assert line is not None, f"`up` ended without {pattern!r}; it said {self.said}"
            self.said.append(line)
            if found := re.search(pattern, line):
                return found

    def held(self, more_than: int) -> int:
        """The number of trades held, once it is above another."""
        while (number := int(self.line(r"([\d,]+) trades held")[1].replace(",", ""))) <= more_than:
            pass
        return number

    def child(self, word: str) -> int:
        """The process id of a child by a word of its command line."""
        return next(pid for pid, line in children_of(self.process.pid).items() if word in line)

    def leave(self) -> None:
        """Read no more, as `head` does."""
        self._leaving.set()

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal and wait for the end; the exit status."""
        self.process.send_signal(number)
        return self.process.wait(GUARD_S)


@contextmanager
def up(folder: Path, *arguments: str, **more: str) -> Iterator[Up]:
    # On a leash, so that it ends where the tests are killed.
    reading, writing = os.pipe()
    process = subprocess.Popen(
        [sys.executable, "-m", "engine.processes.leash", str(reading), "60", "up", *arguments],
        cwd=PROJECT,
        env=environment(folder, **more),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        pass_fds=(reading,),
    )
    os.close(reading)
    running = Up(process)
    try:
        yield running
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                process.wait(GUARD_S)
            process.kill()
        os.close(writing)


@pytest.fixture
def folder(stack: Path, tmp_path: Path) -> Path:
    """A data folder of its own, on a machine where Redis Stack runs."""
    return tmp_path / "data"


def test_up_fills_a_queryable_tape_and_leaves_nothing_running(folder: Path) -> None:
    with up(folder, "--rate", "100") as running:
        socket = running.line(r"redis-cli -s (\S+)")[1]
        running.line(r"simulator \(synthetic\) live")
        held = running.held(300)
        with redis.Redis(unix_socket_path=socket, protocol=3) as client:
            found = client.execute_command(
                "FT.SEARCH", keys.INDEX_ALIAS, "@flags:{synthetic}", "LIMIT", "0", "0"
            )
            assert found[b"total_results"] >= held
        started = children_of(running.process.pid)
        for word in ("redis-server", "feed simulator", " index "):
            assert [line for line in started.values() if word in line], f"no {word} among {started}"
        assert running.stop() == 128 + signal.SIGTERM
        assert not [pid for pid in started if runs(pid)]
        assert not Path(socket).exists()


def test_a_second_up_is_refused_while_the_first_goes_on(folder: Path) -> None:
    with up(folder, "--rate", "50") as first:
        held = first.held(0)
        second = subprocess.run(
            command(), cwd=PROJECT, env=environment(folder), capture_output=True, text=True, check=False
        )
        assert second.returncode == 1
        assert f"already runs for this Redis, as process {first.process.pid}." in second.stderr
        assert "Traceback" not in second.stderr
        first.held(held)
        assert first.stop(signal.SIGINT) == 128 + signal.SIGINT


def test_a_killed_indexer_is_started_again_and_trades_flow_on(folder: Path) -> None:
    with up(folder, "--rate", "50") as running:
        running.held(50)
        os.kill(running.child(" index "), signal.SIGKILL)
        running.line("indexer ended .killed by SIGKILL.; next start in 0.5 s")
        running.line("indexer was started again")
        running.held(running.held(50))
        assert running.stop() == 128 + signal.SIGTERM


def test_a_killed_redis_is_started_again_with_its_data(folder: Path) -> None:
    with up(folder, "--rate", "50") as running:
        held = running.held(200)
        os.kill(running.child("redis-server"), signal.SIGKILL)
        running.line("Redis ended and was started again")
        running.held(held)
        started = children_of(running.process.pid)
        assert running.stop() == 128 + signal.SIGTERM
        assert not [pid for pid in started if runs(pid)]


def test_a_hung_child_does_not_keep_up_from_ending(folder: Path) -> None:
    with up(folder, "--rate", "50") as running:
        running.held(50)
        started = children_of(running.process.pid)
        hang(running.child("feed simulator"))
        running.process.send_signal(signal.SIGTERM)
        running.line("Stopping the feed")
        assert running.stop() == 128 + signal.SIGTERM
        running.line("The feed did not stop in time")
        assert not [pid for pid in started if runs(pid)]


def test_a_refused_key_ends_up_with_the_vendors_sentence(folder: Path) -> None:
    async def scenario() -> tuple[int, str]:
        async with Server() as vendor:
            wanted = {
                f"FLOWTAPE_{name.upper()}": str(value) for name, value in vendor.settings(False).items()
            }
            process = await asyncio.create_subprocess_exec(
                *command("--feed", "massive"),
                cwd=PROJECT,
                env=environment(folder, **wanted),
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
            )
            _, said = await process.communicate()
            assert process.returncode is not None
            return process.returncode, said.decode()

    status, said = asyncio.run(scenario())
    assert status == FeedRefusedError.exit_status
    assert said.startswith("flowtape: ")
    assert "refused" in said or "authentication failed" in said
    assert len(said.splitlines()) == 1


def test_in_a_terminal_it_draws_the_tape_and_restores_the_screen(folder: Path) -> None:
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        command("--rate", "50"),
        cwd=PROJECT,
        env=environment(folder, TERM="xterm-256color"),
        stdin=follower,
        stdout=follower,
        stderr=follower,
    )
    os.close(follower)
    try:
        drawn = read_until(
            leader, lambda text: "SYNTHETIC" in text and "PREMIUM" in text and text.count("SPY") > 3
        )
        assert "\x1b[?1049h" in drawn
        started = children_of(process.pid)
        process.send_signal(signal.SIGINT)
        rest = read_until(leader, lambda _: False)
        assert process.wait(GUARD_S) == 128 + signal.SIGINT
        assert "\x1b[?1049l" in rest
        assert "\x1b[?25h" in rest
        assert "Traceback" not in drawn + rest
        until(lambda: not [pid for pid in started if runs(pid)], "the end of all children")
    finally:
        process.kill()
        process.wait()
        os.close(leader)


def test_a_terminal_that_goes_away_takes_everything_with_it(folder: Path) -> None:
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        command("--rate", "50"),
        cwd=PROJECT,
        env=environment(folder, TERM="xterm-256color"),
        stdin=follower,
        stdout=follower,
        stderr=follower,
    )
    os.close(follower)
    try:
        read_until(leader, lambda text: "SYNTHETIC" in text)
        started = children_of(process.pid)
        os.close(leader)
        assert process.wait(GUARD_S) == 128 + signal.SIGHUP
        until(lambda: not [pid for pid in started if runs(pid)], "the end of all children")
    finally:
        process.kill()
        process.wait()


def test_a_reader_that_has_enough_ends_it(folder: Path) -> None:
    with up(folder, "--rate", "50") as running:
        running.held(0)
        started = children_of(running.process.pid)
        running.leave()
        running.process.wait(GUARD_S)
        until(lambda: not [pid for pid in started if runs(pid)], "the end of all children")


def read_until(descriptor: int, enough: Callable[[str], bool]) -> str:
    """What a terminal shows until it is enough, or until its program ends."""
    text = ""
    while not enough(text):
        try:
            part = os.read(descriptor, 65_536)
        except OSError:  # Linux's end of a terminal
            break
        if not part:
            break
        text += part.decode(errors="replace")
    return text


@pytest.mark.parametrize(
    ("url", "arguments"),
    [
        ("unix:///srv/flow tape/redis.sock", "-s '/srv/flow tape/redis.sock'"),
        ("redis://localhost:6379/0", "-u redis://localhost:6379/0"),
        ("rediss://me:secret@host:6380", "-u rediss://host:6380 --askpass"),
    ],
)
def test_redis_cli_is_named_without_the_password(url: str, arguments: str) -> None:
    assert redis_cli_arguments(url) == arguments


def test_the_feeds_own_line_gives_its_state_what_it_dropped_and_why_it_waits() -> None:
    status, counts = FeedStatus("simulator"), PublishCounts()
    simulator = live_feed("simulator")
    assert feed_line(status_line(simulator, status, counts, 0.0)) == ("connecting", 0, "")
    counts.dropped["simulator"] = 12_345
    status.state = FeedState.LIVE
    assert feed_line(status_line(simulator, status, counts, 200.0)) == ("live", 12_345, "")
    status.state, status.last_error = FeedState.WAITING, "simulator was silent for 30 s."
    assert feed_line(status_line(simulator, status, counts, 0.0)) == ("waiting", 12_345, status.last_error)
    assert feed_line("Traceback") is None


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--feed", "nonesuch"), "There is no feed named 'nonesuch'."),
        (("--feed", "massive"), "FLOWTAPE_MASSIVE_KEY"),
        (
            ("--feed", "theta", "--rate", "5"),
            "--rate and --seed are the simulator's; the feed theta has none.",
        ),
        (("--rate", "0"), "simulator_rate"),
    ],
)
def test_wrong_arguments_are_refused_before_anything_starts(
    tmp_path: Path, arguments: tuple[str, ...], sentence: str
) -> None:
    done = subprocess.run(
        command(*arguments),
        cwd=PROJECT,
        env=environment(tmp_path / "data"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert sentence in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "data").exists()
