"""Sets Python's cyclic garbage collector for a process that handles prints."""

from __future__ import annotations

import gc

YOUNG, MIDDLE, OLD = 50_000, 50, 100
"""Objects and passes after which each generation is looked through."""


def collect_seldom() -> None:
    """Call once all modules are loaded.

    What the hot path makes is freed by counting references; it has no cycles. By default the collector still walks
    all contract states every second or so, and stops everything for 50 ms (measured, docs/performance.md).
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, MIDDLE, OLD)
