"""The gateways that a parent runs on a port that it holds: `flowtape serve --workers`, and the one of `flowtape up`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

from engine.metrics_workers import WorkerFiles
from engine.processes.children import Child
from engine.settings import Settings

END_S: Final = 20.0
"""How long a gateway may take to stop once its clients are sent away: requests under way, lingering connections."""


def gateway_children(
    settings: Settings, folder: Path, heard: Callable[[str], None], **environment: str
) -> list[Child]:
    """`settings.workers` gateways, not started, which share the settings' port and put their metrics into a folder.

    The settings' Redis and port must be known. `heard` is called with each line of their logs, on other threads;
    a gateway that listens writes a line to its standard output. `environment` is given to them besides.
    """
    assert settings.redis_url is not None
    assert settings.port
    shared = {
        "FLOWTAPE_REDIS_URL": settings.redis_url,
        "FLOWTAPE_HOST": settings.host,
        "FLOWTAPE_PORT": str(settings.port),
        "FLOWTAPE_WORKERS": "1",
        "PYTHONUNBUFFERED": "1",
        **environment,
    }
    found = []
    for number in range(settings.workers):
        files = WorkerFiles(folder, number)
        found.append(
            Child(
                "gateway" if settings.workers == 1 else f"worker {number}",
                ["serve"],
                {**shared, **files.environment()},
                stop_s=settings.drain_s + END_S,
                heard=heard,
                ended=files.release,
            )
        )
    return found
