"""Runs the embedded Redis: a real Redis Stack on a Unix socket, started by whoever needs it first.

Every process that uses it holds a shared lock on `users.lock` in the data folder; the last one to leave stops
it. A process that is killed loses its lock with its life, so a server that was left behind is found running by
the next one, used, and stopped when that one leaves.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import redis
from platformdirs import user_data_path
from redis.backoff import NoBackoff
from redis.exceptions import BusyLoadingError, RedisError
from redis.retry import Retry

from engine.store.redis_stack import OWN_REDIS, locked
from schemas.errors import RedisSetupError

SOCKET_PATH_BYTES = 100
"""Longest path of a Unix socket that every system takes (104 on macOS, 108 on Linux, with the final zero)."""

START_SECONDS = 30.0
"""How long a started server may take until it answers at all; loading its data may take longer."""

STOP_SECONDS = 60.0
"""How long a server may take to write its files when it is told to stop; then it is killed."""

POLL_SECONDS = 0.02
"""Pause between two looks at a server that starts, loads or stops."""

# One million documents fill RediSearch's default table, and lookups slow down from there; it grows as needed.
# A search that ran out of time fails instead of answering in part.
SEARCH_ARGUMENTS = ("MAXDOCTABLESIZE", "10000000", "ON_TIMEOUT", "FAIL", "DEFAULT_DIALECT", "2")

MODULES = (
    ("redisearch.so", SEARCH_ARGUMENTS),
    ("rejson.so", ()),
    ("redistimeseries.so", ()),
    ("redisbloom.so", ()),
)

INSTALL_OPENSSL = (
    "Install OpenSSL 3 (Debian, Ubuntu: apt-get install libssl3; macOS: brew install openssl@3), or:"
)

LINK, LOG, PIDFILE = "socket", "redis.log", "redis.pid"
"""Files in the data folder; `socket` holds the path of the socket."""

START_LOCK, USERS_LOCK, SERVER_LOCK = "start.lock", "users.lock", "server.lock"
"""Locks there: of who is starting it, of all who use it (shared), and of the server as long as it lives."""

Loading = Callable[[int, int], None]
"""Called while the server reads its data: bytes read, bytes in all."""


def default_data() -> Path:
    """The data folder where no setting names another."""
    return user_data_path("flowtape")


class EmbeddedRedis:
    """One server and its folder; with `persistent` it keeps an append-only file there, else no data at all."""

    def __init__(
        self,
        stack: Path,
        folder: Path,
        *,
        persistent: bool = True,
        modules: bool = True,
        loading: Loading | None = None,
    ) -> None:
        self.stack = stack
        self.folder = folder
        self.persistent = persistent
        self.modules = modules
        self._loading = loading
        self._loaded = 0
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def socket(self) -> Path:
        """The Unix socket: in the folder, or in a short temporary one where its path would be too long."""
        with suppress(OSError):
            return Path((self.folder / LINK).read_text(encoding="utf-8"))
        path = self.folder.absolute() / "redis.sock"
        if len(os.fsencode(path)) > SOCKET_PATH_BYTES:
            path = Path(tempfile.mkdtemp(prefix="flowtape-")) / "redis.sock"
            if len(os.fsencode(path)) > SOCKET_PATH_BYTES:
                path.parent.rmdir()
                path = Path(tempfile.mkdtemp(prefix="flowtape-", dir="/tmp")) / "redis.sock"
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        (self.folder / LINK).write_text(str(path), encoding="utf-8")
        return path

    @property
    def url(self) -> str:
        """The address for FLOWTAPE_REDIS_URL."""
        return f"unix://{self.socket}"

    @property
    def pid(self) -> int | None:
        """Process id of the server, None where none runs."""
        try:
            with (self.folder / SERVER_LOCK).open("ab") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except FileNotFoundError:
            return None
        except BlockingIOError:
            return int((self.folder / PIDFILE).read_text(encoding="ascii"))
        return None

    def start(self) -> None:
        """Start the server, or find it running; returns when it answers and has read its data.

        Raises RedisSetupError with the last lines of its log where it does not come up.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            with locked(self.folder / START_LOCK):
                if not self._answers():
                    self._spawn()
        except OSError as error:
            raise RedisSetupError(
                f"The embedded Redis cannot keep its data in {self.folder}: {error.strerror or error}.",
                "Set FLOWTAPE_DATA_DIR to a folder that can be written.",
            ) from error
        self._wait_ready()

    def stop(self) -> None:
        """Stop the server and wait until it is gone, its data on disk. Does nothing where none runs."""
        self._end(signal.SIGTERM)
        socket = self.socket
        for left in (socket, self.folder / LINK, self.folder / PIDFILE):
            left.unlink(missing_ok=True)
        if socket.parent != self.folder.absolute():
            with suppress(OSError):
                socket.parent.rmdir()

    def kill(self) -> None:
        """End the server with SIGKILL, as a crash would."""
        self._end(signal.SIGKILL)

    @contextmanager
    def use(self) -> Iterator[str]:
        """Start or find the server, yield its URL, stop it at the end unless another process uses it too."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with (self.folder / USERS_LOCK).open("ab") as users:
            # Who is just stopping the server as its last user holds the lock alone: wait for that.
            fcntl.flock(users, fcntl.LOCK_SH)
            try:
                self.start()
                yield self.url
            finally:
                try:
                    fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    pass
                else:
                    self.stop()

    def _command(self) -> list[str]:
        lib = self.stack / "lib"
        command = [str(self.stack / "bin" / "redis-server"), "--port", "0"]
        command += ["--unixsocket", str(self.socket), "--unixsocketperm", "700", "--protected-mode", "yes"]
        command += [
            "--dir",
            str(self.folder.absolute()),
            "--daemonize",
            "no",
            "--maxmemory-policy",
            "noeviction",
        ]
        if self.persistent:
            command += ["--appendonly", "yes", "--appendfsync", "everysec", "--save", ""]
        else:
            command += ["--appendonly", "no", "--save", ""]
        if self.modules:
            for name, arguments in MODULES:
                command += ["--loadmodule", str(lib / name), *arguments]
        return command

    def _spawn(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        with (self.folder / SERVER_LOCK).open("ab") as lock, (self.folder / LOG).open("wb") as log:
            self._claim(lock.fileno(), deadline)
            self.socket.unlink(missing_ok=True)  # nobody answers on it: its server was killed
            self.socket.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            try:
                # A session of its own: Ctrl-C in the terminal is for us, and we stop Redis when we are done.
                # The lock goes along: it is held until the server is gone, however it goes.
                self._process = subprocess.Popen(
                    self._command(),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                    pass_fds=[lock.fileno()],
                    env=_environment(),
                )
            except OSError as error:
                raise RedisSetupError(
                    f"The embedded Redis cannot run on this system: {error.strerror or error}.", OWN_REDIS
                ) from error
            (self.folder / PIDFILE).write_text(str(self._process.pid), encoding="ascii")
        while not self._answers():
            if self._process.poll() is not None:
                raise RedisSetupError(
                    f"The embedded Redis ended at once: {self._last_lines()}", self._remedy()
                )
            if time.monotonic() > deadline:
                self.kill()
                raise RedisSetupError(
                    f"The embedded Redis did not answer within {START_SECONDS:.0f} s: {self._last_lines()}",
                    OWN_REDIS,
                )
            time.sleep(POLL_SECONDS)

    def _claim(self, lock: int, deadline: float) -> None:
        """Take the server's lock; two servers on one append-only file would destroy it."""
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise RedisSetupError(
                        f"The Redis of process {self.pid} uses {self.folder} but does not answer.",
                        "End that process and try again.",
                    ) from None
                time.sleep(POLL_SECONDS)
            else:
                return

    def _end(self, number: signal.Signals) -> None:
        deadline = time.monotonic() + STOP_SECONDS
        # One that we started is ours to stop even where its folder was deleted, and the lock with it.
        own = self._process
        pid = own.pid if own is not None and own.poll() is None else self.pid
        if pid is not None:
            _signal(pid, number)
        while pid is not None and (self.pid == pid or (own is not None and own.poll() is None)):
            if time.monotonic() > deadline:
                _signal(pid, signal.SIGKILL)
            time.sleep(POLL_SECONDS)
        self._process = None

    def _answers(self) -> bool:
        try:
            with self._client() as client:
                client.ping()
        except BusyLoadingError:
            return True
        except (RedisError, OSError):
            return False
        return True

    def _wait_ready(self) -> None:
        with self._client() as client:
            while True:
                try:
                    client.ping()
                except BusyLoadingError:
                    self._report(client)
                    time.sleep(POLL_SECONDS)
                except RedisError as error:
                    raise RedisSetupError(
                        f"The embedded Redis ended while it read its data: {self._last_lines()}",
                        f"Its files are in {self.folder}; redis-check-aof can repair the append-only file.",
                    ) from error
                else:
                    if self._loading and self._loaded:
                        self._loading(self._loaded, self._loaded)
                    return

    def _report(self, client: redis.Redis) -> None:
        with suppress(RedisError):
            info = client.execute_command("INFO", "persistence")
            if self._loading and info.get("loading"):
                self._loaded = int(info["loading_total_bytes"])
                self._loading(int(info["loading_loaded_bytes"]), self._loaded)

    def _client(self) -> redis.Redis:
        return redis.Redis(
            unix_socket_path=str(self.socket), socket_timeout=START_SECONDS, retry=Retry(NoBackoff(), 0)
        )

    def _remedy(self) -> str:
        log = (self.folder / LOG).read_text(encoding="utf-8", errors="replace")
        return f"{INSTALL_OPENSSL} {OWN_REDIS}" if "libssl" in log or "libcrypto" in log else OWN_REDIS

    def _last_lines(self) -> str:
        try:
            lines = (self.folder / LOG).read_text(encoding="utf-8", errors="replace").split("\n")
        except OSError as error:
            return str(error)
        # The last but one usually names the cause, the last one says that Redis gives up.
        said = [line for line in lines if line.strip()][-2:]
        return " / ".join(said) or "it said nothing."


def _environment() -> dict[str, str]:
    environment = dict(os.environ)
    if sys.platform == "darwin":
        # The macOS builds look for OpenSSL 3 where Homebrew keeps it; python.org and Conda bring one with Python.
        environment.setdefault("DYLD_FALLBACK_LIBRARY_PATH", f"{sys.base_prefix}/lib:/usr/local/lib:/usr/lib")
    return environment


def _signal(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)


@contextmanager
def temporary_server(stack: Path, *, modules: bool = True) -> Iterator[EmbeddedRedis]:
    """A server for tests and benches, without persistence, in a temporary folder of its own."""
    sweep(stack)
    folder = Path(tempfile.mkdtemp(prefix=_temporary_prefix()))
    server = EmbeddedRedis(stack, folder, persistent=False, modules=modules)
    try:
        with server.use():
            yield server
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def sweep(stack: Path) -> int:
    """Stop temporary servers whose owner was killed, remove their folders, and say how many there were."""
    swept = 0
    for folder in Path(tempfile.gettempdir()).glob(f"{Path(_temporary_prefix()).name}*"):
        try:
            owned = folder.lstat()
            # A folder without the id of a server may be one that is just being made.
            if (
                owned.st_uid != os.getuid()
                or not stat.S_ISDIR(owned.st_mode)
                or not (folder / PIDFILE).exists()
            ):
                continue
            with (folder / USERS_LOCK).open("r+b") as users:
                fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
                EmbeddedRedis(stack, folder, persistent=False).stop()
                shutil.rmtree(folder, ignore_errors=True)
                swept += 1
        except OSError:
            continue  # in use
    return swept


def _temporary_prefix() -> str:
    return f"flowtape-{os.getuid()}-"
