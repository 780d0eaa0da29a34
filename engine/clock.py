"""What time it is, for those at the edge; whatever decides is given it."""

from __future__ import annotations

import time


def now_ms() -> int:
    """Unix ms."""
    return time.time_ns() // 1_000_000
