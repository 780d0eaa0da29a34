"""Health: the process answers always; readiness names each check and what to do; metrics are not for everybody."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis
import redis.asyncio
from pydantic import SecretStr
from redis.backoff import ConstantBackoff
from redis.retry import Retry
from starlette.applications import Starlette

from engine.metrics import GatewayMetrics
from engine.search_index import ensure_index
from engine.settings import Settings
from engine.store.connect import connect_async
from engine.store.embedded import temporary_server
from web.health import MISSING_NAMED, READY_S, routes


@dataclass
class Hub:
    lag_ms: int = 0
    draining: bool = False
    source_error: str | None = None


@dataclass(frozen=True)
class Services:
    settings: Settings
    redis: redis.asyncio.Redis
    hub: Hub = field(default_factory=Hub)
    metrics: GatewayMetrics = field(default_factory=GatewayMetrics)


@asynccontextmanager
async def browser(services: Services, peer: str = "127.0.0.1") -> AsyncIterator[httpx.AsyncClient]:
    app = Starlette(routes=routes(services))
    transport = httpx.ASGITransport(app, client=(peer, 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
        yield client


def visit(
    settings: Settings,
    act: Callable[[httpx.AsyncClient, Services], Awaitable[Any]],
    hub: Hub | None = None,
    peer: str = "127.0.0.1",
) -> Any:
    """What `act` gives with a client of a gateway on the settings' Redis."""

    async def run() -> Any:
        async with connect_async(settings) as client:
            services = Services(settings, client, hub or Hub())
            async with browser(services, peer) as opened:
                return await act(opened, services)

    return asyncio.run(run())


def get(
    settings: Settings, path: str, hub: Hub | None = None, peer: str = "127.0.0.1", **headers: str
) -> Any:
    async def act(client: httpx.AsyncClient, _services: Services) -> httpx.Response:
        return await client.get(
            path, headers={name.replace("_", "-"): value for name, value in headers.items()}
        )

    return visit(settings, act, hub, peer)


def failed(response: httpx.Response) -> dict[str, dict[str, str]]:
    """The checks that are not `ok`, by name; each says why."""
    checks = response.json()["checks"]
    assert [check["name"] for check in checks] == ["redis", "index", "tape", "lag", "draining"]
    found = {check["name"]: check for check in checks if check["state"] != "ok"}
    assert all(check["reason"] for check in found.values())
    assert response.json()["ready"] is (not found)
    assert response.status_code == (503 if found else 200)
    return found


def nobody(settings: Settings) -> Settings:
    """Settings of a Redis that is not there."""
    return settings.model_copy(update={"redis_url": "redis://:hidden-password@127.0.0.1:1"})


@pytest.fixture
def indexed(settings: Settings, client: redis.Redis) -> Settings:
    ensure_index(client, settings.partitions)
    return settings


def test_a_gateway_with_redis_index_and_a_fresh_tape_is_ready(indexed: Settings) -> None:
    response = get(indexed, "/readyz")
    assert failed(response) == {}
    assert response.headers["cache-control"] == "no-store"


def test_the_process_answers_also_without_redis_and_while_it_stops(settings: Settings) -> None:
    response = get(nobody(settings), "/healthz", Hub(draining=True, source_error="gone"))
    assert (response.status_code, response.json()) == (200, {"status": "ok"})


def test_without_redis_it_is_not_ready_and_tells_no_address(settings: Settings) -> None:
    response = get(nobody(settings), "/readyz")
    found = failed(response)
    assert set(found) == {"redis", "index"}
    assert found["redis"]["remedy"]
    assert found["index"]["state"] == "unknown"
    assert "127.0.0.1" not in response.text
    assert "hidden-password" not in response.text


def test_a_redis_that_hangs_is_not_waited_for(indexed: Settings, client: redis.Redis) -> None:
    process = int(client.info("server")["process_id"])
    os.kill(process, signal.SIGSTOP)
    try:
        found = failed(get(indexed, "/readyz"))
    finally:
        os.kill(process, signal.SIGCONT)
    assert f"within {READY_S:g} s" in found["redis"]["reason"]


def test_it_is_ready_again_when_redis_is_back(indexed: Settings, client: redis.Redis) -> None:
    process = int(client.info("server")["process_id"])

    async def act(browser: httpx.AsyncClient, _services: Services) -> list[int]:
        codes = [(await browser.get("/readyz")).status_code]
        os.kill(process, signal.SIGSTOP)
        try:
            codes.append((await browser.get("/readyz")).status_code)
        finally:
            os.kill(process, signal.SIGCONT)
        async with asyncio.timeout(60):
            while (await browser.get("/readyz")).status_code != 200:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        return codes

    assert visit(indexed, act) == [200, 503]


def test_a_missing_index_is_named_with_its_partition(indexed: Settings) -> None:
    many = indexed.model_copy(update={"partitions": MISSING_NAMED + 4})
    found = failed(get(many, "/readyz"))
    assert set(found) == {"index"}
    assert "partition 1, 2, 3, 4, 5 and 3 more" in found["index"]["reason"]
    assert "flowtape index" in found["index"]["remedy"]


def test_a_redis_without_search_is_said_to_have_none(stack: Path) -> None:
    with temporary_server(stack, modules=False) as server:
        found = failed(get(Settings(redis_url=server.url), "/readyz"))
    assert set(found) == {"index"}
    assert "no search" in found["index"]["reason"]


@pytest.mark.parametrize(
    ("hub", "name", "said"),
    [
        (Hub(lag_ms=10_000), "lag", "10.0 s ago"),
        (Hub(draining=True), "draining", "stopping"),
        (Hub(source_error="Redis does not answer."), "tape", "Redis does not answer."),
    ],
)
def test_what_the_gateway_knows_of_itself_makes_it_not_ready(
    indexed: Settings, hub: Hub, name: str, said: str
) -> None:
    found = failed(get(indexed, "/readyz", hub))
    assert set(found) == {name}
    assert said in found[name]["reason"]
    assert found[name]["remedy"]


def test_a_lag_below_the_bound_is_ready(indexed: Settings) -> None:
    assert failed(get(indexed, "/readyz", Hub(lag_ms=9_999))) == {}


@contextmanager
def plain_server(stack: Path, folder: Path, *options: str) -> Iterator[str]:
    """A Redis without modules, started with options of its own; gives its address at once, killed at the end."""
    command = [
        stack / "bin" / "redis-server",
        "--port",
        "0",
        "--unixsocket",
        folder / "socket",
        "--dir",
        folder,
    ]
    process = subprocess.Popen([*command, *options], stdout=subprocess.DEVNULL)
    try:
        yield f"unix://{folder}/socket"
    finally:
        process.kill()
        process.wait()


def test_a_redis_that_reads_its_data_is_said_to_do_so(stack: Path) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with (
            plain_server(stack, folder) as url,
            redis.Redis.from_url(url, retry=Retry(ConstantBackoff(0.05), 1_000)) as client,
        ):
            client.mset({f"key-{i}": os.urandom(1_000) for i in range(5_000)})
            client.save()
        # A hundredth of a second a key: it reads for longer than the test asks.
        slow = ("--key-load-delay", "10000", "--loading-process-events-interval-bytes", "1024")
        with plain_server(stack, folder, *slow) as url:
            deadline = time.monotonic() + 60
            found = failed(get(Settings(redis_url=url), "/readyz"))
            while "reads its data" not in found["redis"]["reason"] and time.monotonic() < deadline:
                found = failed(get(Settings(redis_url=url), "/readyz"))
    assert "reads its data" in found["redis"]["reason"]
    assert "Wait" in found["redis"]["remedy"]
    assert found["index"]["state"] == "unknown"


def test_who_asks_at_once_shares_one_question_to_redis(indexed: Settings, client: redis.Redis) -> None:
    async def act(browser: httpx.AsyncClient, _services: Services) -> list[int]:
        responses = await asyncio.gather(*(browser.get("/readyz") for _ in range(50)))
        return [response.status_code for response in responses]

    def pings() -> int:
        return int(client.info("commandstats").get("cmdstat_ping", {}).get("calls", 0))

    before = pings()
    assert visit(indexed, act) == [200] * 50
    assert pings() - before < 10


def test_one_who_hangs_up_does_not_take_the_answer_from_the_others(indexed: Settings) -> None:
    async def act(browser: httpx.AsyncClient, _services: Services) -> int:
        first = asyncio.create_task(browser.get("/readyz"))
        second = asyncio.create_task(browser.get("/readyz"))
        await asyncio.sleep(0)
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        return (await second).status_code

    assert visit(indexed, act) == 200


def test_metrics_hold_what_the_gateway_counted_and_what_redis_holds(indexed: Settings) -> None:
    async def act(browser: httpx.AsyncClient, services: Services) -> httpx.Response:
        services.metrics.print_to_send.observe_many(0.02, 3)
        return await browser.get("/metrics")

    response = visit(indexed, act)
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert "flowtape_print_to_send_seconds_count 3.0" in response.text
    assert "flowtape_redis_up 1.0" in response.text


def test_metrics_answer_while_redis_is_away(settings: Settings) -> None:
    response = get(nobody(settings), "/metrics")
    assert response.status_code == 200
    assert "flowtape_redis_up 0.0" in response.text
    assert "flowtape_sessions" in response.text


@pytest.mark.parametrize(
    ("peer", "headers", "status"),
    [
        ("127.0.0.1", {}, 200),
        ("::1", {}, 200),
        ("::ffff:127.0.0.1", {}, 200),
        ("10.0.0.7", {}, 403),
        ("testclient", {}, 403),
        ("127.0.0.1", {"X_Forwarded_For": "10.0.0.7"}, 403),
    ],
)
def test_without_a_token_metrics_are_for_this_machine(
    settings: Settings, peer: str, headers: dict[str, str], status: int
) -> None:
    response = get(settings, "/metrics", None, peer, **headers)
    assert response.status_code == status
    assert ("flowtape_" in response.text) is (status == 200)


@pytest.mark.parametrize(
    ("header", "status"),
    [
        ("Bearer right", 200),
        ("bearer right", 200),
        ("Bearer wrong", 401),
        ("Bearer", 401),
        ("Basic right", 401),
        ("", 401),
        ("Bearer \u00fc", 401),
    ],
)
@pytest.mark.parametrize("peer", ["10.0.0.7", "127.0.0.1"])
def test_with_a_token_metrics_are_for_whoever_bears_it(
    settings: Settings, header: str, status: int, peer: str
) -> None:
    guarded = settings.model_copy(update={"metrics_token": SecretStr("right")})

    async def act(browser: httpx.AsyncClient, _services: Services) -> httpx.Response:
        return await browser.get("/metrics", headers={"Authorization": header.encode()})

    response = visit(guarded, act, peer=peer)
    assert response.status_code == status
    assert ("flowtape_" in response.text) is (status == 200)
