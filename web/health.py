"""`/healthz` (the process), `/readyz` (whether to send clients here, and if not, why) and `/metrics`."""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
from collections.abc import Callable, Coroutine
from dataclasses import asdict, dataclass
from typing import Any, Final, Generic, Protocol, TypeVar

import redis.asyncio
from redis.exceptions import BusyLoadingError, RedisError, ResponseError
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from engine import redis_facts
from engine.metrics import CONTENT_TYPE, GatewayMetrics
from engine.settings import Settings
from schemas import keys

READY_S: Final = 1.0
"""How long Redis may take to answer `/readyz`."""

MISSING_NAMED: Final = 5
"""Partitions without an index that `/readyz` names; of more it says how many."""

_HEADERS: Final = {"Cache-Control": "no-store"}

T = TypeVar("T")


class HubState(Protocol):
    """What the gateway knows about itself."""

    @property
    def lag_ms(self) -> int:
        """How long ago the whole tape was last known to be read."""

    @property
    def draining(self) -> bool:
        """Whether it sends its clients away."""

    @property
    def source_error(self) -> str | None:
        """Why the tape cannot be read; None while it can."""


class HealthServices(Protocol):
    """The services that these routes use."""

    @property
    def settings(self) -> Settings: ...
    @property
    def redis(self) -> redis.asyncio.Redis: ...
    @property
    def hub(self) -> HubState: ...
    @property
    def metrics(self) -> GatewayMetrics: ...


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that must hold before clients are sent here."""

    name: str
    state: str
    """`ok`, `failed`, or `unknown` where another failure hides it."""
    reason: str = ""
    remedy: str = ""


def routes(services: HealthServices) -> list[BaseRoute]:
    """The three routes."""

    async def probe() -> list[Check]:
        checks = await redis_checks(services.redis, services.settings.partitions)
        return [*checks, *hub_checks(services.hub, services.settings.ready_lag_s)]

    async def scrape() -> bytes:
        facts = await redis_facts.read(services.redis, services.settings.partitions)
        services.metrics.flush()
        return await asyncio.to_thread(services.metrics.text, facts)

    probed, scraped = _Shared(probe), _Shared(scrape)

    async def healthz(_request: Request) -> Response:
        return JSONResponse({"status": "ok"}, headers=_HEADERS)

    async def readyz(_request: Request) -> Response:
        checks = await probed.result()
        ready = all(check.state == "ok" for check in checks)
        body = {"ready": ready, "checks": [asdict(check) for check in checks]}
        return JSONResponse(body, 200 if ready else 503, headers=_HEADERS)

    async def metrics(request: Request) -> Response:
        token = services.settings.metrics_token
        if token is not None and not _bears(request, token.get_secret_value()):
            said = "Send the token of FLOWTAPE_METRICS_TOKEN as Authorization: Bearer.\n"
            return PlainTextResponse(said, 401, {**_HEADERS, "WWW-Authenticate": "Bearer"})
        if token is None and not _is_local(request):
            said = "Metrics are for this machine alone. Set FLOWTAPE_METRICS_TOKEN and send it as a bearer token.\n"
            return PlainTextResponse(said, 403, _HEADERS)
        return Response(await scraped.result(), 200, _HEADERS, CONTENT_TYPE)

    return [
        Route("/healthz", healthz, methods=["GET"]),
        Route("/readyz", readyz, methods=["GET"]),
        Route("/metrics", metrics, methods=["GET"]),
    ]


async def redis_checks(client: redis.asyncio.Redis, partitions: int) -> list[Check]:
    """Whether Redis answers within READY_S, and has the index of each partition."""
    try:
        async with asyncio.timeout(READY_S), client.pipeline(transaction=False) as pipe:
            pipe.execute_command("PING")
            for p in range(partitions):
                # Names the index and reads no document: the cheapest question that fails without it.
                pipe.execute_command("FT.EXPLAIN", keys.index(p), "*")
            pong, *explained = await pipe.execute(raise_on_error=False)
        if isinstance(pong, RedisError):
            raise pong
    except BusyLoadingError:
        return _unanswered("Redis reads its data.", "Wait: a million trades take about 40 seconds.")
    except TimeoutError:
        return _unanswered(f"Redis did not answer within {READY_S:g} s.", "Look at its load and the network.")
    except (RedisError, OSError) as error:
        # The type alone: the text may name addresses, and this page is for everybody.
        return _unanswered(
            f"Redis does not answer ({type(error).__name__}).", "Check it with `flowtape doctor`."
        )
    missing = [p for p, reply in enumerate(explained) if isinstance(reply, ResponseError)]
    if not missing:
        return [Check("redis", "ok"), Check("index", "ok")]
    if "unknown command" in str(explained[missing[0]]).lower():
        return [
            Check("redis", "ok"),
            Check("index", "failed", "This Redis has no search.", "`flowtape doctor` says which Redis has."),
        ]
    named = ", ".join(map(str, missing[:MISSING_NAMED]))
    more = f" and {len(missing) - MISSING_NAMED} more" if len(missing) > MISSING_NAMED else ""
    return [
        Check("redis", "ok"),
        Check(
            "index",
            "failed",
            f"There is no search index of partition {named}{more}.",
            "Start `flowtape index`, which makes it.",
        ),
    ]


def hub_checks(hub: HubState, ready_lag_s: float) -> list[Check]:
    """Whether the tape is read, is not too far behind, and the gateway takes clients."""
    tape, lag, draining = Check("tape", "ok"), Check("lag", "ok"), Check("draining", "ok")
    if hub.source_error is not None:
        tape = Check("tape", "failed", hub.source_error, "It is read on when Redis is back.")
    if hub.lag_ms >= ready_lag_s * 1000:
        lag = Check(
            "lag",
            "failed",
            f"The tape was last read whole {hub.lag_ms / 1000:.1f} s ago, less than {ready_lag_s:g} s is asked for.",
            "Look at Redis and at the load of this gateway; ready_lag_s sets the bound.",
        )
    if hub.draining:
        draining = Check(
            "draining", "failed", "The gateway is stopping.", "Send clients to another, or start it again."
        )
    return [tape, lag, draining]


class _Shared(Generic[T]):
    """Makes one call at a time; whoever asks meanwhile gets its result, so that asking often costs nothing."""

    def __init__(self, call: Callable[[], Coroutine[Any, Any, T]]) -> None:
        self._call = call
        self._running: asyncio.Task[T] | None = None

    async def result(self) -> T:
        if self._running is None or self._running.done():
            self._running = asyncio.create_task(self._call())
        # One who hangs up must not take the answer from the others.
        return await asyncio.shield(self._running)


def _unanswered(reason: str, remedy: str) -> list[Check]:
    return [Check("redis", "failed", reason, remedy), Check("index", "unknown", "Redis does not answer.")]


def _bears(request: Request, token: str) -> bool:
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    return scheme.lower() == "bearer" and hmac.compare_digest(given.strip().encode(), token.encode())


def _is_local(request: Request) -> bool:
    """Whether the peer is this machine; a request that a proxy passes on is not."""
    if request.client is None or any(name in request.headers for name in ("forwarded", "x-forwarded-for")):
        return False
    try:
        address = ipaddress.ip_address(request.client.host)
    except ValueError:
        return False
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback
