"""The files through which the workers of one `flowtape serve` share their metrics.

Files are named by the worker's number, not by its process: a worker that is started again goes on with the counts of
the one before it, so that counters never fall and there are never more files than workers.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from prometheus_client import values
from prometheus_client.multiprocess import mark_process_dead

FOLDER_VARIABLE: Final = "PROMETHEUS_MULTIPROC_DIR"
"""Names the folder, as prometheus_client wants it."""

WORKER_VARIABLE: Final = "FLOWTAPE_METRICS_WORKER"
"""The worker's number, from 0."""


@dataclass(frozen=True, slots=True)
class WorkerFiles:
    """One worker's place in the folder. Two living processes never have the same number."""

    folder: Path
    worker: int

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> WorkerFiles | None:
        """The place that the parent gave this process; None where it is the only gateway on its port."""
        folder, worker = environment.get(FOLDER_VARIABLE), environment.get(WORKER_VARIABLE)
        return cls(Path(folder), int(worker)) if folder and worker else None

    def environment(self) -> dict[str, str]:
        """What the parent adds to the environment of this worker."""
        return {FOLDER_VARIABLE: str(self.folder), WORKER_VARIABLE: str(self.worker)}

    def claim(self) -> None:
        """Make the metrics that this process makes from now on use the files."""
        self.release()
        os.environ[FOLDER_VARIABLE] = str(self.folder)
        worker = self.worker
        values.ValueClass = values.MultiProcessValue(process_identifier=lambda: worker)  # type: ignore[no-untyped-call]

    def release(self) -> None:
        """Forget the gauges of a worker that ended; its counts stay. The parent calls it for one that died."""
        mark_process_dead(self.worker, path=str(self.folder))  # type: ignore[no-untyped-call]


@contextmanager
def worker_folder() -> Iterator[Path]:
    """A folder for the files, gone at the end; the parent of the workers holds it."""
    with tempfile.TemporaryDirectory(prefix="flowtape-metrics-") as folder:
        yield Path(folder)
