"""`flowtape serve` as it is run: processes of their own, one or several on a port, killed and told to stop."""

from __future__ import annotations

import asyncio
import os
import re
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from engine.access.tokens import Access
from engine.processes import open_files
from engine.processes.listening import listen, reserved
from engine.settings import Settings
from schemas.errors import FlowtapeError, SettingsError
from schemas.messages import ENCODINGS, JSON, CloseCode, Error, ErrorCode, Ping, Pong, Welcome
from tests.http_gateway import SECRET
from tests.processes import GUARD_S, PROJECT, Running, children_of, running, runs, until

CLIENTS = 24
"""That all of them are on one of two workers has a chance of one in eight million."""


class Gateway(Running):
    """A running `flowtape serve`."""

    def begin(self) -> str:
        """Its address, once it listens."""
        self.url = self.line(r"Gateway on (http://\S+), stream at /v1/stream")[1]
        return self.url

    def metric(self, name: str) -> float:
        """The sum of a metric over its labels."""
        page = httpx.get(f"{self.url}/metrics", timeout=GUARD_S).text
        return sum(
            float(value) for value in re.findall(rf"^flowtape_{name}(?:{{.*}})? (\S+)$", page, re.MULTILINE)
        )

    def workers(self) -> dict[int, str]:
        """Its workers by process id."""
        return {pid: line for pid, line in children_of(self.process.pid).items() if " serve" in line}


@contextmanager
def serving(settings: Settings, folder: Path, *arguments: str, **more: str) -> Iterator[Gateway]:
    assert settings.redis_url is not None
    environment = {
        "FLOWTAPE_REDIS_URL": settings.redis_url,
        "FLOWTAPE_DATA_DIR": str(folder),
        "FLOWTAPE_JWT_SECRET": SECRET,
        "FLOWTAPE_CONNECTIONS": "1000",
        **more,
    }
    with running(["serve", "--port", "0", *arguments], environment, Gateway) as gateway:
        gateway.begin()
        yield gateway


@asynccontextmanager
async def clients(url: str, number: int) -> AsyncIterator[list[ClientConnection]]:
    """Connected clients, welcomed."""
    token = Access(Settings.load(), SECRET).issue("ann", "premium", 600)
    async with AsyncExitStack() as stack:
        found = []
        for _ in range(number):
            client = await stack.enter_async_context(
                connect(
                    f"{url.replace('http', 'ws', 1)}/v1/stream",
                    subprotocols=[Subprotocol(JSON)],
                    additional_headers={"Authorization": f"Bearer {token}"},
                    compression=None,
                )
            )
            assert isinstance(ENCODINGS[JSON].server_message(await client.recv()), Welcome)
            found.append(client)
        yield found


async def answers(client: ClientConnection) -> bool:
    """Whether a connection is alive: a ping of the protocol is answered."""
    try:
        await client.send(ENCODINGS[JSON].encode(Ping(1)).decode())
        while not isinstance(ENCODINGS[JSON].server_message(await client.recv()), Pong):
            pass
    except ConnectionClosed:
        return False
    return True


async def ending(client: ClientConnection) -> tuple[int | None, float]:
    """The code of a connection's close, None where it was cut, and when it came (monotonic s)."""
    try:
        while True:
            await client.recv()
    except ConnectionClosed as end:
        return (end.rcvd.code if end.rcvd else None), time.monotonic()


async def status(url: str) -> tuple[int, dict[str, str]]:
    """Of /readyz: the status, and the reason of each check that failed."""
    async with httpx.AsyncClient(timeout=GUARD_S) as http:
        answer = await http.get(f"{url}/readyz")
    failed = {
        check["name"]: check["reason"] for check in answer.json()["checks"] if check["state"] == "failed"
    }
    return answer.status_code, failed


def test_workers_share_a_port_and_a_killed_one_is_started_again_while_the_other_serves(
    settings: Settings, tmp_path: Path
) -> None:
    with serving(settings, tmp_path, "--workers", "2") as gateway:
        assert gateway.said[-1].endswith(", 2 workers")
        workers = gateway.workers()
        assert len(workers) == 2
        until(lambda: gateway.metric("workers") == 2, "two workers in the metrics")

        async def scenario() -> int:
            async with asyncio.timeout(GUARD_S), clients(gateway.url, CLIENTS) as connected:
                os.kill(next(iter(workers)), signal.SIGKILL)
                alive = [await answers(client) for client in connected]
                assert 0 < sum(alive) < CLIENTS
                gateway.line(r"warning .*worker \d ended \(killed by SIGKILL\); next start in 0.5 s")
                gateway.line(r"worker \d was started again")
                until(lambda: gateway.metric("workers") == 2, "two workers again")
                # Who was on the dead worker does not count any more.
                until(lambda: gateway.metric("sessions") == sum(alive), "the living sessions alone")
                assert [await answers(client) for client in connected] == alive
                return sum(alive)

        asyncio.run(scenario())
        again = gateway.workers()
        assert len(again) == 2
        assert len(set(again) & set(workers)) == 1

        async def after() -> None:
            async with asyncio.timeout(GUARD_S), clients(gateway.url, CLIENTS) as connected:
                os.kill(next(pid for pid in again if pid in workers), signal.SIGKILL)
                # The new one has its share: not all of them end.
                assert any([await answers(client) for client in connected])

        asyncio.run(after())
        assert gateway.stop() == 128 + signal.SIGTERM
        assert not [pid for pid in again if runs(pid)]
        said = gateway.rest()
        assert [line for line in said if "session begins" in line]
        assert not [
            line for line in said if re.search(r"connection open|connection closed|accepted|Traceback", line)
        ]


@pytest.mark.parametrize(("workers", "all_of_them"), [("1", False), ("2", False), ("2", True)])
def test_a_stopping_gateway_sends_its_clients_away_little_by_little(
    settings: Settings, tmp_path: Path, workers: str, all_of_them: bool
) -> None:
    async def scenario(gateway: Gateway) -> None:
        async with asyncio.timeout(GUARD_S), clients(gateway.url, CLIENTS) as connected:
            # systemd signals a whole group unless it is told not to.
            for pid in gateway.workers() if all_of_them else ():
                os.kill(pid, signal.SIGTERM)
            gateway.process.send_signal(signal.SIGTERM)
            ends = await asyncio.gather(*map(ending, connected))
        assert {code for code, _ in ends} == {CloseCode.GOING_AWAY}
        times = sorted(at for _, at in ends)
        # Over 4 s; that a busy machine shows us all of them in the last quarter of it is out of the question.
        assert times[-1] - times[0] > 1

    with serving(settings, tmp_path, "--workers", workers, FLOWTAPE_DRAIN_S="4") as gateway:
        asyncio.run(scenario(gateway))
        assert gateway.process.wait(GUARD_S) == 128 + signal.SIGTERM
        assert not [line for line in gateway.rest() if "killed" in line or "Traceback" in line]


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_gateway_whose_terminal_goes_away_stops_as_others_do(
    settings: Settings, tmp_path: Path, workers: str
) -> None:
    async def scenario(gateway: Gateway) -> None:
        async with asyncio.timeout(GUARD_S), clients(gateway.url, 2) as connected:
            gateway.process.send_signal(signal.SIGHUP)
            assert {code for code, _ in await asyncio.gather(*map(ending, connected))} == {
                CloseCode.GOING_AWAY
            }

    with serving(settings, tmp_path, "--workers", workers) as gateway:
        asyncio.run(scenario(gateway))
        assert gateway.process.wait(GUARD_S) == 128 + signal.SIGHUP


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_second_signal_sends_all_clients_away_at_once(
    settings: Settings, tmp_path: Path, workers: str
) -> None:
    async def scenario(gateway: Gateway) -> None:
        async with asyncio.timeout(GUARD_S), clients(gateway.url, CLIENTS) as connected:
            gateway.process.send_signal(signal.SIGINT)
            leaving = [asyncio.create_task(ending(client)) for client in connected]
            await asyncio.wait(leaving, return_when=asyncio.FIRST_COMPLETED)
            gateway.process.send_signal(signal.SIGTERM)
            ends = await asyncio.gather(*leaving)
        assert {code for code, _ in ends} == {CloseCode.GOING_AWAY}

    # Without the second signal it would take an hour.
    with serving(settings, tmp_path, "--workers", workers, FLOWTAPE_DRAIN_S="3600") as gateway:
        asyncio.run(scenario(gateway))
        assert gateway.process.wait(GUARD_S) == 128 + signal.SIGINT


def test_workers_do_not_outlive_a_killed_parent(settings: Settings, tmp_path: Path) -> None:
    async def scenario(gateway: Gateway) -> None:
        async with asyncio.timeout(GUARD_S), clients(gateway.url, 4) as connected:
            gateway.process.kill()
            ends = await asyncio.gather(*map(ending, connected))
        assert {code for code, _ in ends} == {CloseCode.GOING_AWAY}

    with serving(settings, tmp_path, "--workers", "2", FLOWTAPE_DRAIN_S="0.2") as gateway:
        workers = gateway.workers()
        asyncio.run(scenario(gateway))
        until(lambda: not [pid for pid in workers if runs(pid)], "the end of the workers")


def test_a_gateway_without_its_redis_starts_and_says_why_it_is_not_ready(
    settings: Settings, tmp_path: Path
) -> None:
    async def scenario(gateway: Gateway) -> None:
        async with asyncio.timeout(GUARD_S):
            code, failed = await status(gateway.url)
            assert code == 503
            assert "Redis does not answer" in failed["redis"]
            # Clients are let in, and told.
            async with clients(gateway.url, 1) as (client,):
                message = ENCODINGS[JSON].server_message(await client.recv())
                assert isinstance(message, Error)
                assert message.code == ErrorCode.SOURCE_UNAVAILABLE

    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]
    away = settings.model_copy(update={"redis_url": f"redis://127.0.0.1:{port}"})
    with serving(away, tmp_path) as gateway:
        asyncio.run(scenario(gateway))
        assert gateway.stop() == 128 + signal.SIGTERM


def refused(folder: Path, *arguments: str, **more: str) -> tuple[int, str]:
    """Status and only line of a `serve` that does not start; it has started no Redis."""
    done = subprocess.run(
        [sys.executable, "-m", "engine.cli", "serve", *arguments],
        cwd=PROJECT,
        env={**os.environ, "FLOWTAPE_DATA_DIR": str(folder), **more},
        capture_output=True,
        text=True,
        timeout=GUARD_S,
        check=False,
    )
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert {path.name for path in folder.glob("*")} <= {"jwt_secret"}
    return done.returncode, done.stderr


@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize("shared", [False, True])
def test_a_taken_port_is_refused_at_once(tmp_path: Path, workers: str, shared: bool) -> None:
    with listen(Settings.load(port=0), shared=shared) as taken:
        taken.listen()
        port = str(taken.getsockname()[1])
        code, said = refused(tmp_path / "data", "--port", port, "--workers", workers)
    assert code == 1
    assert f"127.0.0.1:{port} cannot be listened on: Address already in use." in said
    assert "--port" in said


@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize(
    ("arguments", "variables", "code", "sentence"),
    [
        (
            ("--host", "not an address"),
            {"FLOWTAPE_JWT_SECRET": SECRET},
            2,
            "FLOWTAPE_HOST 'not an address' is no address",
        ),
        (
            ("--host", "192.0.2.1", "--port", "0"),
            {"FLOWTAPE_JWT_SECRET": SECRET},
            1,
            "no address of this machine",
        ),
        (("--host", "0.0.0.0"), {}, 2, "Set FLOWTAPE_JWT_SECRET"),  # noqa: S104
        (("--redis-url", "http://127.0.0.1"), {}, 2, "FLOWTAPE_REDIS_URL is no address of a Redis"),
        ((), {"FLOWTAPE_ORIGINS": "flow.example.com"}, 2, "FLOWTAPE_ORIGINS has 'flow.example.com'"),
        ((), {"FLOWTAPE_JWKS_URL": "nonsense"}, 2, "FLOWTAPE_JWKS_URL"),
    ],
)
def test_wrong_settings_are_refused_before_anything_starts(
    tmp_path: Path,
    workers: str,
    arguments: tuple[str, ...],
    variables: dict[str, str],
    code: int,
    sentence: str,
) -> None:
    status, said = refused(tmp_path / "data", *arguments, "--workers", workers, **variables)
    assert sentence in said
    assert status == code


def test_too_many_or_no_workers_are_refused(tmp_path: Path) -> None:
    for number in ("0", "65"):
        code, said = refused(tmp_path / "data", "--workers", number)
        assert code == 2
        assert "workers" in said


def test_a_port_held_for_workers_is_nobody_elses_though_nobody_listens_yet() -> None:
    with reserved(Settings.load(port=0)) as port:
        own = Settings.load(port=port)
        with pytest.raises(FlowtapeError, match="Address already in use"), reserved(own):
            pass
        with listen(own, shared=True) as worker:
            worker.listen()
            with pytest.raises(FlowtapeError, match="Address already in use"):
                listen(own)
    with reserved(own) as again:
        assert again == port


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody who may not")
def test_a_low_port_says_whose_it_is() -> None:
    first = Path("/proc/sys/net/ipv4/ip_unprivileged_port_start")
    if not first.exists() or int(first.read_text(encoding="ascii")) < 2:
        pytest.skip("this system gives low ports to everybody")
    os.seteuid(65_534)
    try:
        with pytest.raises(FlowtapeError, match=r"127.0.0.1:1 cannot be .* Low ports are for root"):
            listen(Settings.load(port=1))
    finally:
        os.seteuid(0)


def test_a_host_name_that_cannot_be_one_is_a_wrong_setting() -> None:
    with pytest.raises(SettingsError, match="is no address"):
        listen(Settings.load(host="a" * 300))


def test_the_limit_of_open_files_is_raised_and_a_low_one_is_told(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
        allowed = open_files.raise_open_files()
        assert allowed == resource.getrlimit(resource.RLIMIT_NOFILE)[0] > 256
        monkeypatch.setattr(open_files, "WANTED", allowed + 1)
        caplog.clear()
        open_files.raise_open_files()
        assert [record.levelname for record in caplog.records] == ["WARNING"]
        assert f"at most {allowed} files" in caplog.text
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
