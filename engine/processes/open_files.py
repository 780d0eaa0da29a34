"""How many files, and so connections, a process may have open."""

from __future__ import annotations

import logging
import resource
from contextlib import suppress
from typing import Final

WANTED: Final = 10_000
"""A gateway that may open fewer files says so at its start: each client is one."""

FALLBACKS: Final = (65_536, 10_240)
"""Tried where a system takes no limit as high as the one that it names, as macOS does."""

log = logging.getLogger(__name__)


def raise_open_files() -> int:
    """Raise the soft limit (`ulimit -n`) to the hard one; how many files may be open now."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    for limit in (hard, *FALLBACKS):
        if soft != resource.RLIM_INFINITY and (limit == resource.RLIM_INFINITY or limit > soft):
            with suppress(ValueError, OSError):
                resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
                break
    allowed = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if 0 <= allowed < WANTED:
        log.warning(
            "at most %d files may be open, one for each client: raise `ulimit -Hn`, or LimitNOFILE= of systemd",
            allowed,
        )
    else:
        log.info("up to %d files may be open, one for each client", allowed)
    return allowed
