"""The lock by which `flowtape up` runs once for a Redis."""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager

from engine.settings import Settings
from engine.store.embedded import default_data
from schemas.errors import FlowtapeError


@contextmanager
def alone(settings: Settings) -> Iterator[None]:
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
