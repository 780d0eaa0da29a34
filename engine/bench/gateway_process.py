"""The gateway and the indexer that a benchmark measures: `flowtape` commands as a user starts them."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, NamedTuple

import httpx
import redis
from prometheus_client.parser import text_string_to_metric_families

from engine.access.tokens import Access
from engine.bench.stream_receivers import Visitor
from engine.bench.worker import Worker, wait_until
from engine.processes.children import Child, Children
from engine.settings import Settings
from schemas import keys
from schemas.filter import Filter
from schemas.messages import ENCODINGS, MSGPACK

START_S: Final = 60.0
"""How long a process may take until it is there."""

TOKEN_S: Final = 86_400
"""Lifetime of the clients' tokens."""

TIER: Final = "premium"

SAID: Final = "Gateway on "
"""What the line of a gateway that listens begins with."""


class Gateway(NamedTuple):
    """A gateway that listens."""

    pid: int
    http: str
    secret: str

    @property
    def stream(self) -> str:
        """The address of its stream."""
        return self.http + "/v1/stream"

    def metrics(self) -> dict[str, float]:
        """The sums of its metrics over all labels, by name."""
        sums: dict[str, float] = {}
        text = httpx.get(self.http + "/metrics", timeout=START_S).raise_for_status().text
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                sums[sample.name] = sums.get(sample.name, 0.0) + sample.value
        return sums


@contextmanager
def gateway(settings: Settings, overrides: Mapping[str, str]) -> Iterator[Gateway]:
    """`flowtape serve` on a free port; `overrides` are further variables of its environment."""
    secret = secrets.token_urlsafe(32)
    environment = _environment(settings) | {
        "FLOWTAPE_HOST": "127.0.0.1",
        "FLOWTAPE_JWT_SECRET": secret,
        "FLOWTAPE_WORKERS": "1",
        **overrides,
    }
    child = Child("gateway", ["serve", "--port", "0"], environment)
    with _running(child):
        wait_until(lambda: _alive(child) and child.told, "The start of the gateway", START_S)
        assert child.pid is not None
        http = child.told[-1].removeprefix(SAID).partition(",")[0]
        yield Gateway(child.pid, http, secret)
        _alive(child)


@contextmanager
def indexer(settings: Settings, client: redis.Redis) -> Iterator[int]:
    """`flowtape index`, owner of its partition; its process id."""
    child = Child("indexer", ["index"], _environment(settings))
    with _running(child):
        wait_until(
            lambda: _alive(child) and client.exists(keys.owner(0)), "The start of the indexer", START_S
        )
        assert child.pid is not None
        yield child.pid
        _alive(child)


def visitors(secret: str, settings: Settings, filters: list[Filter]) -> list[Visitor]:
    """A user of the push tier for each filter, who wants no snapshot."""
    access, encoding = Access(settings, secret), ENCODINGS[MSGPACK]
    return [
        Visitor(
            access.issue(f"user{number:06}", TIER, TOKEN_S),
            encoding.encode(_subscribe(wanted)),
        )
        for number, wanted in enumerate(filters)
    ]


def arrive(receivers: Worker, running: Gateway, settings: Settings, filters: list[Filter]) -> float:
    """Connect a client for each filter; seconds that it took. Raises RuntimeError where one could not."""
    coming = visitors(running.secret, settings, filters)
    begun = time.perf_counter()
    failures = receivers.ask("connect", running.stream, coming)
    if failures:
        raise RuntimeError(
            f"{len(failures)} of {len(coming)} clients did not come in, the first: {failures[0]}"
        )
    return time.perf_counter() - begun


def _subscribe(wanted: Filter) -> dict[str, Any]:
    return {"op": "subscribe", "sub": "a", "filter": wanted.to_json(), "snapshot": 0}


def _environment(settings: Settings) -> dict[str, str]:
    return {
        "FLOWTAPE_REDIS_URL": str(settings.redis_url),
        "FLOWTAPE_PARTITIONS": str(settings.partitions),
        "FLOWTAPE_TAPE_LENGTH": str(settings.tape_length),
        "FLOWTAPE_LOG_LEVEL": "warning",
    }


@contextmanager
def _running(child: Child) -> Iterator[None]:
    children = Children([child])
    try:
        children.start(time.monotonic())
        yield
    finally:
        children.stop()


def _alive(child: Child) -> bool:
    if child.pid is None:
        raise RuntimeError(f"The {child.name} ended: {' / '.join(child.said) or 'without a word'}")
    return True
