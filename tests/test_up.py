"""`flowtape up` as a user runs it: a process of its own, with and without a terminal."""

from __future__ import annotations

import asyncio
import os
import pty
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import httpx
import pytest
import redis
from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

from engine.commands.feed import status_line
from engine.commands.up import feed_line, redis_cli_arguments, warning_of
from engine.feeds.live import FeedState, FeedStatus
from engine.feeds.registry import live_feed
from engine.publish import PublishCounts
from schemas import keys
from schemas.errors import FeedRefusedError
from schemas.messages import ENCODINGS, JSON, Batch, ServerMessage, Snapshot, Subscribe, Welcome
from tests.processes import GUARD_S, PROJECT, Running, children_of, hang, running, runs, until
from tests.vendors.massive import Server


def environment(folder: Path, **more: str) -> dict[str, str]:
    """Of an `up` that shares no port with the others; FLOWTAPE_PORT of nothing leaves the default."""
    own = {"FLOWTAPE_DATA_DIR": str(folder), "FLOWTAPE_PORT": "0", "COLUMNS": "120", "LINES": "40"}
    return {name: value for name, value in {**os.environ, **own, **more}.items() if value}


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "engine.cli", "up", *arguments]


class Up(Running):
    """A running `up` without a terminal."""

    def held(self, more_than: int) -> int:
        """The number of trades held, once it is above another."""
        while (number := int(self.line(r"([\d,]+) trades held")[1].replace(",", ""))) <= more_than:
            pass
        return number


@contextmanager
def up(folder: Path, *arguments: str, **more: str) -> Iterator[Up]:
    with running(["up", *arguments], environment(folder, **more), Up) as process:
        yield process


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
        for word in ("redis-server", "feed simulator", " index", " serve"):
            assert [line for line in started.values() if word in line], f"no {word} among {started}"
        assert running.stop() == 128 + signal.SIGTERM
        assert not [pid for pid in started if runs(pid)]
        assert not Path(socket).exists()


def test_the_link_lets_one_browser_in_which_then_gets_a_snapshot_and_batches(folder: Path) -> None:
    async def scenario(running: Up) -> None:
        link = running.line(r"^Open (http://127\.0\.0\.1:\d+/\?ticket=\S+)$")[1]
        origin = link.partition("/?")[0]
        async with asyncio.timeout(GUARD_S), httpx.AsyncClient(timeout=GUARD_S) as browser:
            landing = await browser.get(link)
            assert landing.status_code == 303
            assert landing.headers["location"] == "/"
            cookie = landing.headers["set-cookie"]
            for flag in ("HttpOnly", "SameSite=strict", "Path=/"):
                assert flag in cookie
            assert (await browser.get(f"{origin}/v1/session")).json()["tier"] == "premium"
            # Who has the link from then on has nothing, and the user a new one.
            async with httpx.AsyncClient(timeout=GUARD_S) as stranger:
                assert (await stranger.get(link)).status_code == 403
            assert running.line(r"^Open (\S+)$")[1] not in ("", link)
            async with connect(
                f"{origin.replace('http', 'ws', 1)}/v1/stream",
                subprotocols=[Subprotocol(JSON)],
                additional_headers={"Cookie": cookie.partition(";")[0], "Origin": origin},
                compression=None,
                max_size=2**24,
            ) as line:

                async def hear(kind: type[ServerMessage]) -> None:
                    while not isinstance(ENCODINGS[JSON].server_message(await line.recv()), kind):
                        pass

                await hear(Welcome)
                await line.send(ENCODINGS[JSON].encode(Subscribe("all", "")).decode())
                await hear(Snapshot)
                await hear(Batch)
                # The gateway's own account of it.
                await asyncio.to_thread(running.line, r" 1 session, [1-9][\d,]* rows/s sent")

    with up(folder, "--rate", "50") as running:
        asyncio.run(scenario(running))
        assert running.stop() == 128 + signal.SIGTERM


def test_what_the_gateway_refuses_ends_up_with_its_sentence(folder: Path) -> None:
    done = refused(folder, "--port", "0", FLOWTAPE_ORIGINS="flow.example.com")
    assert done.returncode == 2
    assert "FLOWTAPE_ORIGINS has 'flow.example.com', which is no origin." in done.stderr
    assert "Traceback" not in done.stderr


def test_a_killed_gateway_is_started_again_on_its_port(folder: Path) -> None:
    with up(folder, "--rate", "50") as running:
        link = running.line(r"^Open (\S+)$")[1]
        os.kill(running.child(" serve"), signal.SIGKILL)
        running.line("gateway ended .killed by SIGKILL.; next start in 0.5 s")
        running.line("gateway was started again")
        # The same link, which nobody has used.
        until(lambda: lands(link), "the landing of the ticket")
        assert running.stop() == 128 + signal.SIGTERM


def lands(link: str) -> bool:
    try:
        return httpx.get(link, timeout=GUARD_S).status_code == 303
    except httpx.TransportError:
        return False


def test_a_taken_port_gives_way_to_a_free_one_unless_it_was_asked_for(folder: Path, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            taken.bind(("127.0.0.1", 8_000))
            taken.listen()
        except OSError:
            pass  # by someone else, which is as good
        with up(folder, "--rate", "50", FLOWTAPE_PORT="") as running:
            port = running.line(r"Port 8000 is taken: the gateway's is (\d+)\.")[1]
            assert running.line(r"^Open http://127\.0\.0\.1:(\d+)/")[1] == port
            assert running.stop() == 128 + signal.SIGTERM
        for arguments, port in ((("--port", "8000"), ""), ((), "8000")):
            done = refused(tmp_path / "other", *arguments, FLOWTAPE_PORT=port)
            assert done.returncode == 1
            assert "127.0.0.1:8000 cannot be listened on: Address already in use." in done.stderr


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
        if not [line for line in running.said if line.startswith("gateway: Redis ")]:
            running.line("^gateway: Redis (does not answer|answers again)")
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


@contextmanager
def up_in_a_terminal(folder: Path) -> Iterator[tuple[subprocess.Popen[bytes], BinaryIO]]:
    """A running `up` and the terminal that shows it; closing it is what closing a window is."""
    leader, follower = pty.openpty()
    with os.fdopen(leader, "rb", buffering=0) as terminal:
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
            yield process, terminal
        finally:
            process.kill()
            process.wait()


def test_in_a_terminal_it_draws_the_tape_and_restores_the_screen(folder: Path) -> None:
    with up_in_a_terminal(folder) as (process, terminal):
        wanted = ("SYNTHETIC", "PREMIUM", "/?ticket=", "sessions")
        drawn = read_until(
            terminal.fileno(), lambda text: all(word in text for word in wanted) and text.count("SPY") > 3
        )
        assert all(word in drawn for word in wanted)
        assert "\x1b[?1049h" in drawn
        started = children_of(process.pid)
        process.send_signal(signal.SIGINT)
        rest = read_until(terminal.fileno(), lambda _: False)
        assert process.wait(GUARD_S) == 128 + signal.SIGINT
        assert "\x1b[?1049l" in rest
        assert "\x1b[?25h" in rest
        assert "Traceback" not in drawn + rest
        until(lambda: not [pid for pid in started if runs(pid)], "the end of all children")


def test_a_terminal_that_goes_away_takes_everything_with_it(folder: Path) -> None:
    with up_in_a_terminal(folder) as (process, terminal):
        read_until(terminal.fileno(), lambda text: "SYNTHETIC" in text)
        started = children_of(process.pid)
        terminal.close()
        assert process.wait(GUARD_S) == 128 + signal.SIGHUP
        until(lambda: not [pid for pid in started if runs(pid)], "the end of all children")


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


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("2026-11-21T10:11:04.084795Z warning  Redis does not answer: [Errno 2] no [x] [engine.gateway.hub]",
         "Redis does not answer: [Errno 2] no [x]"),
        ('2026-11-21T10:11:04.084795Z error    "it failed" code=3 [web.stream]', '"it failed" code=3'),
        ("2026-11-21T10:11:04.084795Z warning  alone", "alone"),
        ("2026-11-21T10:11:04.084795Z info     session begins session=1 [web.stream]", ""),
        ("    | Traceback (most recent call last):", ""),
        ("", ""),
    ],
)  # fmt: skip
def test_what_the_gateway_warns_of_is_read_from_its_log(line: str, said: str) -> None:
    assert warning_of(line) == said


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


def refused(folder: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    """An `up` that does not start."""
    return subprocess.run(
        command(*arguments),
        cwd=PROJECT,
        env=environment(folder, **more),
        capture_output=True,
        text=True,
        timeout=GUARD_S,
        check=False,
    )


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
        (("--host", "0.0.0.0"), "Set FLOWTAPE_JWT_SECRET"),  # noqa: S104
    ],
)
def test_wrong_arguments_are_refused_before_anything_starts(
    tmp_path: Path, arguments: tuple[str, ...], sentence: str
) -> None:
    done = refused(tmp_path / "data", *arguments)
    assert done.returncode == 2
    assert sentence in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "data").exists()
