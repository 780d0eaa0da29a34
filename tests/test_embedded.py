"""The embedded Redis: started, shared, left behind, adopted, stopped; each with the real server."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis

from engine.store.embedded import SOCKET_PATH_BYTES, EmbeddedRedis, sweep
from schemas.errors import RedisSetupError

PERSISTENT = """
import sys
from engine.store.connect import redis_server
from engine.settings import Settings
with redis_server(Settings.load(data_dir=sys.argv[1])) as settings:
    print(settings.redis_url, flush=True)
    sys.stdin.read()
"""

TEMPORARY = """
import sys
from engine.store.connect import redis_server
from engine.settings import Settings
with redis_server(Settings.load(), persistent=False) as settings:
    print(settings.redis_url, flush=True)
    sys.stdin.read()
"""


class Owner:
    """Another process that uses an embedded Redis until its standard input ends."""

    def __init__(self, program: str, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", program, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def url(self) -> str:
        """The address it uses, once it is ready."""
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def leave(self) -> None:
        """End it in order."""
        self.process.communicate()

    def kill(self) -> None:
        """End it with SIGKILL."""
        self.process.kill()
        self.process.communicate()


@contextmanager
def opened(url: str) -> Iterator[redis.Redis]:
    """A client that is closed at the end."""
    with redis.Redis.from_url(url) as client:
        yield client


@pytest.fixture
def server(stack: Path, tmp_path: Path) -> Iterator[EmbeddedRedis]:
    """A persistent server in a folder of its own, not yet started."""
    server = EmbeddedRedis(stack, tmp_path / "data")
    yield server
    server.stop()


def test_it_listens_on_a_private_unix_socket_and_on_no_port(server: EmbeddedRedis) -> None:
    server.start()
    assert server.socket.stat().st_mode & 0o777 == 0o700
    with opened(server.url) as client:
        assert client.config_get("port") == {"port": "0"}


def test_it_has_search_that_fails_on_timeout_and_memory_that_is_never_evicted(server: EmbeddedRedis) -> None:
    server.start()
    with opened(server.url) as client:
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
        assert client.execute_command("FT.CONFIG", "GET", "ON_TIMEOUT") == {b"ON_TIMEOUT": b"fail"}


def test_data_survives_a_stop(server: EmbeddedRedis) -> None:
    server.start()
    with opened(server.url) as client:
        client.set("kept", "1")
    server.stop()
    assert server.pid is None
    server.start()
    with opened(server.url) as client:
        assert client.get("kept") == b"1"


def test_after_a_kill_its_stale_socket_is_no_obstacle_and_its_data_is_there(server: EmbeddedRedis) -> None:
    server.start()
    with opened(server.url) as client:
        client.set("kept", "1")
    server.kill()
    assert server.socket.exists()
    server.start()
    with opened(server.url) as client:
        assert client.get("kept") == b"1"


def test_starting_a_running_one_finds_it(server: EmbeddedRedis, stack: Path) -> None:
    server.start()
    other = EmbeddedRedis(stack, server.folder)
    other.start()
    assert other.pid == server.pid


def test_using_it_stops_it_at_the_end_and_leaves_no_socket(server: EmbeddedRedis) -> None:
    with server.use():
        assert server.pid is not None
        path = server.socket
    assert server.pid is None
    assert not path.exists()


def test_it_stops_too_where_its_folder_was_deleted_meanwhile(server: EmbeddedRedis) -> None:
    with server.use():
        pid = server.pid
        assert pid is not None
        shutil.rmtree(server.folder)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_one_that_was_left_behind_by_a_killed_owner_is_adopted_and_stopped(
    stack: Path, tmp_path: Path
) -> None:
    owner = Owner(PERSISTENT, str(tmp_path))
    url = owner.url()
    with opened(url) as client:
        client.set("kept", "1")
    server = EmbeddedRedis(stack, tmp_path)
    left = server.pid
    owner.kill()
    assert left is not None
    assert server.pid == left
    with server.use() as found, opened(found) as client:
        assert server.pid == left
        assert client.get("kept") == b"1"
    assert server.pid is None


def test_a_second_user_neither_starts_another_nor_stops_the_first(stack: Path, tmp_path: Path) -> None:
    owner = Owner(PERSISTENT, str(tmp_path))
    url = owner.url()
    server = EmbeddedRedis(stack, tmp_path)
    running = server.pid
    with server.use() as found:
        assert found == url
        assert server.pid == running
    assert server.pid == running
    owner.leave()
    assert server.pid is None


def test_two_that_start_at_once_share_one_server_and_the_last_one_stops_it(
    stack: Path, tmp_path: Path
) -> None:
    first, second = Owner(PERSISTENT, str(tmp_path)), Owner(PERSISTENT, str(tmp_path))
    assert first.url() == second.url()
    server = EmbeddedRedis(stack, tmp_path)
    running = server.pid
    first.leave()
    assert server.pid == running
    second.leave()
    assert server.pid is None


def test_sigterm_to_the_owner_of_a_command_stops_its_redis(stack: Path, tmp_path: Path) -> None:
    program = "import signal, sys; signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))" + PERSISTENT
    owner = Owner(program, str(tmp_path))
    owner.url()
    owner.process.send_signal(signal.SIGTERM)
    owner.leave()
    assert owner.process.returncode == 143
    assert EmbeddedRedis(stack, tmp_path).pid is None


def test_a_temporary_one_whose_owner_was_killed_is_swept_away(stack: Path) -> None:
    owner = Owner(TEMPORARY)
    path = Path(owner.url().removeprefix("unix://"))
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(path))
        owner.kill()
        sweep(stack)
        assert connection.recv(1) == b"", "the server closes its connections only when it ends"
    assert not path.parent.exists()


def test_a_temporary_one_in_use_is_not_swept_away(stack: Path) -> None:
    owner = Owner(TEMPORARY)
    url = owner.url()
    sweep(stack)
    with opened(url) as client:
        assert client.ping()
    owner.leave()
    assert not Path(url.removeprefix("unix://")).parent.exists()


def test_a_folder_too_deep_for_a_socket_gets_one_in_a_short_temporary_folder(
    stack: Path, tmp_path: Path
) -> None:
    server = EmbeddedRedis(stack, tmp_path / ("deep" * 30))
    with server.use() as url, opened(url) as client:
        assert client.ping()
        path = server.socket
    assert len(os.fsencode(path)) <= SOCKET_PATH_BYTES
    assert path.is_relative_to(tempfile.gettempdir())
    assert not path.parent.exists()


def test_reading_a_large_file_at_start_reports_bytes_read_and_then_answers(
    stack: Path, tmp_path: Path
) -> None:
    class Slow(EmbeddedRedis):
        def _command(self) -> list[str]:
            # While it reads, Redis answers once every 1,024 commands: 20 times here, 0.1 s apart.
            return [*super()._command(), "--key-load-delay", "100"]

    server = EmbeddedRedis(stack, tmp_path)
    with server.use() as url, opened(url) as client:
        pipeline = client.pipeline(transaction=False)
        for i in range(20_480):
            pipeline.set(f"key{i}", "x" * 50)
        pipeline.execute()
    steps: list[tuple[int, int]] = []
    slow = Slow(stack, tmp_path, loading=lambda done, total: steps.append((done, total)))
    with slow.use() as url, opened(url) as client:
        assert client.dbsize() == 20_480
    assert len(steps) > 1
    assert steps == sorted(steps)
    assert steps[-1][0] == steps[-1][1]


def test_a_server_that_ends_at_once_is_quoted_with_the_remedy(stack: Path, tmp_path: Path) -> None:
    broken = tmp_path / "stack"
    (broken / "lib").mkdir(parents=True)
    (broken / "bin").symlink_to(stack / "bin")
    (broken / "lib" / "redisearch.so").write_bytes(b"not a library")
    (broken / "lib" / "redisearch.so").chmod(0o755)
    server = EmbeddedRedis(broken, tmp_path / "data")
    with pytest.raises(RedisSetupError, match=r"ended at once: .*redisearch\.so.*docker run .*redis:8"):
        server.start()
    assert server.pid is None


def test_a_server_that_this_system_cannot_execute_is_an_error_with_the_remedy(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "redis-server").write_bytes(b"\x7fELF of another machine")
    (tmp_path / "bin" / "redis-server").chmod(0o755)
    with pytest.raises(RedisSetupError, match=r"cannot run on this system: .*redis:8"):
        EmbeddedRedis(tmp_path, tmp_path / "data").start()


def test_a_server_that_finds_no_openssl_is_told_how_to_install_it(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    server = tmp_path / "bin" / "redis-server"
    server.write_text("#!/bin/sh\necho 'Library not loaded: libssl.3.dylib'\nexit 1\n")
    server.chmod(0o755)
    with pytest.raises(
        RedisSetupError, match=r"libssl\.3\.dylib.*apt-get install libssl3; macOS: brew install openssl@3"
    ):
        EmbeddedRedis(tmp_path, tmp_path / "data").start()


def test_a_data_folder_that_cannot_be_made_is_named(stack: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RedisSetupError, match=r"cannot keep its data in .*file/data.*FLOWTAPE_DATA_DIR"):
        EmbeddedRedis(stack, tmp_path / "file" / "data").start()
