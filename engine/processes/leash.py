"""Runs a `flowtape` command that ends with its starter: `python -m engine.processes.leash FD COMMAND ...`.

FD is the reading end of a pipe whose writing end only the starter holds. When the starter is gone, however it went,
the pipe ends: the command is told to stop, and is killed where it does not.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from typing import NoReturn

GRACE_S = 15.0
"""How long a command without its starter may take to stop."""


def _watch(fd: int) -> None:
    while os.read(fd, 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE_S)
    os.kill(os.getpid(), signal.SIGKILL)


def main() -> NoReturn:
    """Watch the pipe in a thread, and run the command."""
    fd = int(sys.argv[1])
    os.set_inheritable(fd, False)
    threading.Thread(target=_watch, args=(fd,), name="leash", daemon=True).start()
    from engine.cli import main as run

    run(sys.argv[2:])


if __name__ == "__main__":
    main()
