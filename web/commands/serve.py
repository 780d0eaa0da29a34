"""`flowtape serve`: one gateway, or several workers of one on a port, until told to stop."""

from __future__ import annotations

from typing import Annotated

import typer
import uvloop

from engine.logs import configure
from engine.processes.collector import collect_seldom
from engine.settings import Settings
from engine.store.connect import redis_server
from web.server import listen
from web.server import serve as run


def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on. Default: FLOWTAPE_HOST.")] = None,
    port: Annotated[
        int | None, typer.Option(help="Port to listen on; 0 is any free one. Default: FLOWTAPE_PORT.")
    ] = None,
    redis_url: Annotated[
        str | None, typer.Option(help="Redis to use instead of FLOWTAPE_REDIS_URL or the embedded one.")
    ] = None,
) -> None:
    """Serve the live stream over WebSocket, and the HTTP part, to clients with a token.

    SIGTERM or Ctrl-C sends the clients away in small groups and stops; a second one hurries.
    """
    settings = Settings.load(host=host, port=port, redis_url=redis_url)
    configure(settings)
    with redis_server(settings) as running, listen(running) as listener:
        typer.echo(f"Gateway on http://{running.host}:{listener.getsockname()[1]}, stream at /v1/stream")
        collect_seldom()
        uvloop.run(run(running, listener))
