"""`flowtape index`: one indexer for each partition, until it is told to stop."""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
from typing import Annotated

import typer

from engine.indexer import Indexer
from engine.processes.collector import collect_seldom
from engine.settings import Settings
from engine.store.connect import connect, redis_server
from schemas.errors import FlowtapeError


def index(
    redis_url: Annotated[
        str | None, typer.Option(help="Redis to use instead of FLOWTAPE_REDIS_URL or the embedded one.")
    ] = None,
    partition: Annotated[
        list[int] | None,
        typer.Option(help="Partition to index, from 0; may be repeated. Default: all.", min=0),
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="Name of this consumer. Default: host and process id.")
    ] = None,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Say what it does, a line each.")] = False,
) -> None:
    """Classify and index prints as they come; a second one stands by and takes over within 5 seconds.

    Stops at Ctrl-C or SIGTERM, when the batch in hand is finished.
    """
    logging.basicConfig(
        level=logging.INFO if verbose else logging.WARNING,
        format="%(asctime)s %(levelname)s %(name)s %(message)s",
    )
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with redis_server(Settings.load(redis_url=redis_url)) as settings:
        chosen = partition or range(settings.partitions)
        if wrong := [p for p in chosen if p >= settings.partitions]:
            raise FlowtapeError(
                f"There is no partition {wrong[0]}: partitions are 0 to {settings.partitions - 1}.",
                "FLOWTAPE_PARTITIONS sets how many there are.",
            )
        consumer = name or f"{socket.gethostname()}-{os.getpid()}"
        failures: list[BaseException] = []

        def work(p: int) -> None:
            try:
                with connect(settings) as client:
                    Indexer(client, settings, p, f"{consumer}-{p}").run(stop.is_set)
            except BaseException as error:
                failures.append(error)
                stop.set()

        collect_seldom()
        threads = [threading.Thread(target=work, args=(p,), name=f"indexer-{p}") for p in chosen]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if failures:
            raise failures[0]
