"""Runs a `flowtape` command that ends with its starter: `python -m engine.processes.leash FD SECONDS COMMAND ...`.

FD is the reading end of a pipe whose writing end only the starter holds. When the starter is gone, however it went,
the pipe ends: the command is told to stop, and is killed where it has not after SECONDS.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from typing import NoReturn


def _watch(fd: int, grace_s: float) -> None:
    while os.read(fd, 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(grace_s)
    os.kill(os.getpid(), signal.SIGKILL)


def main() -> NoReturn:
    """Watch the pipe in a thread, and run the command."""
    fd, grace_s = int(sys.argv[1]), float(sys.argv[2])
    os.set_inheritable(fd, False)
    threading.Thread(target=_watch, args=(fd, grace_s), name="leash", daemon=True).start()
    from engine.cli import main as run

    run(sys.argv[3:])


if __name__ == "__main__":
    main()
