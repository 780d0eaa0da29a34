"""What a process costs as the system sees it: processor time and resident memory; and how many files it may open."""

from __future__ import annotations

import os
import resource
import subprocess
from pathlib import Path
from typing import Final

from schemas.errors import FlowtapeError

_PROC: Final = Path("/proc")

SPARE_DESCRIPTORS: Final = 200
"""Descriptors that a process needs beside its connections."""


def cpu_seconds(pid: int) -> float:
    """Processor time that a process has used, in user and system mode; in steps of 10 ms on Linux."""
    try:
        fields = (_PROC / str(pid) / "stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return _clock(_ps(pid, "time"))
    # The second field is the command in brackets, which may hold anything.
    user, system = fields.rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def resident_bytes(pid: int) -> int:
    """Resident memory of a process; what the system holds for its sockets is not among it."""
    try:
        pages = (_PROC / str(pid) / "statm").read_text(encoding="ascii").split()[1]
    except OSError:
        return int(_ps(pid, "rss")) * 1024
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def allow_descriptors(connections: int) -> None:
    """Raise the soft limit of this process and those that it starts. Raises FlowtapeError where it may not."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = connections + SPARE_DESCRIPTORS
    if soft != resource.RLIM_INFINITY and soft < needed:
        if hard != resource.RLIM_INFINITY and hard < needed:
            raise FlowtapeError(
                f"{connections} connections need {needed} open files a process, and {hard} are allowed.",
                f"Raise the limit (`ulimit -Hn {needed}` as root), or measure with fewer.",
            )
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))


def _ps(pid: int, field: str) -> str:
    command = ["ps", "-o", f"{field}=", "-p", str(pid)]
    said = subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    if not said:
        raise RuntimeError(f"Process {pid} is gone.")
    return said


def _clock(text: str) -> float:
    """Seconds of `[[days-]hours:]minutes:seconds`."""
    days, _, rest = text.rpartition("-")
    seconds = 0.0
    for part in rest.split(":"):
        seconds = 60 * seconds + float(part)
    return seconds + 86_400 * int(days or 0)
