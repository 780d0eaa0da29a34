"""`flowtape serve`: one gateway, or several workers that share a port, until told to stop."""

from __future__ import annotations

import asyncio
import logging
import socket
import sys
import time
from contextlib import suppress
from typing import Annotated, Final, NoReturn

import typer
import uvloop

from engine.logs import configure
from engine.metrics_workers import WorkerFiles, worker_folder
from engine.processes.children import Children
from engine.processes.collector import collect_seldom
from engine.processes.gateways import gateway_children
from engine.processes.listening import address, listen, reserved
from engine.processes.open_files import raise_open_files
from engine.processes.stop import Stop, signals_restored, stop_signals
from engine.settings import Settings
from engine.store.connect import redis_server
from web.server import check
from web.server import serve as run
from web.stream import PATH

WATCH_S: Final = 0.25
"""Between two looks at the workers."""

log = logging.getLogger(__name__)


def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on. Default: FLOWTAPE_HOST.")] = None,
    port: Annotated[
        int | None, typer.Option(help="Port to listen on; 0 is any free one. Default: FLOWTAPE_PORT.")
    ] = None,
    workers: Annotated[
        int | None, typer.Option(help="Gateways that share the port. Default: FLOWTAPE_WORKERS.")
    ] = None,
    redis_url: Annotated[
        str | None, typer.Option(help="Redis to use instead of FLOWTAPE_REDIS_URL or the embedded one.")
    ] = None,
) -> None:
    """Serve the live stream over WebSocket, and the HTTP part, to clients with a token.

    SIGTERM or Ctrl-C sends the clients away in small groups and stops; a second one hurries.
    """
    settings = Settings.load(host=host, port=port, workers=workers, redis_url=redis_url)
    configure(settings)
    asyncio.run(check(settings))
    is_worker = WorkerFiles.from_environment() is not None
    if settings.workers > 1 and not is_worker:
        _serve_with_workers(settings)
    with listen(settings, shared=is_worker) as listener, redis_server(settings) as running:
        raise_open_files()
        collect_seldom()
        stopped_by = uvloop.run(run(running, listener, lambda: _say(running, _port(listener))))
    raise SystemExit(128 + (stopped_by or 0))


def _serve_with_workers(settings: Settings) -> NoReturn:
    """Run the workers until a signal comes, which ends this process. Raises FlowtapeError where one cannot go on."""
    stop = Stop()
    with (
        signals_restored(stop_signals()),
        reserved(settings) as port,
        redis_server(settings) as running,
        worker_folder() as folder,
    ):
        stop.listen(stop_signals())
        shared = running.model_copy(update={"port": port})
        children = Children(gateway_children(shared, folder, _pass_on), stop, together=True)
        said = False
        try:
            children.start(time.monotonic())
            while not stop.wait(WATCH_S):
                for note in children.poll(time.monotonic()):
                    log.warning("%s", note.text)
                if not said and all(child.told for child in children.children):
                    _say(shared, port)
                    said = True
        finally:
            for name in children.stop():
                log.warning("%s did not stop in time and was killed", name)
    raise SystemExit(stop.exit_status)


def _say(settings: Settings, port: int) -> None:
    several = f", {settings.workers} workers" if settings.workers > 1 else ""
    typer.echo(f"Gateway on {address(settings.host, port)}, stream at {PATH}{several}")


def _port(listener: socket.socket) -> int:
    port: int = listener.getsockname()[1]
    return port


def _pass_on(line: str) -> None:
    """A worker's log line as it is. Where nobody reads ours any more, the worker must not wait for it."""
    with suppress(OSError, ValueError):
        sys.stderr.write(f"{line}\n")
