"""HTTP as strangers speak it: refusals are problem documents without internals, and every answer has its headers."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
import redis

from engine.settings import Settings
from tests.attacks import raw, watched
from tests.gateways import run
from tests.indexing import a_print, append, index
from web.headers import HEADERS

PATHS = (
    "/",
    "/v1/trades",
    "/v1/stats",
    "/v1/channels",
    "/v1/channels/a",
    "/v1/openapi.json",
    "/healthz",
    "/readyz",
)

STRANGE = (
    "/nowhere", "/v1", "/v1/", "/v1/trades/", "/v1/stream", "/..%2f..%2fetc/passwd", "/v1/%2e%2e/%2e%2e/etc/passwd",
    "/v1/channels/..%2f..%2fbob%2fa", "/v1/channels/%00", "/v1/channels/a/share/b", "/v1/channels/" + "a" * 5_000,
    "/%ff%fe", "/v1/trades;a=b", "//evil.example/%2f..", "/static/../web/server.py", "/.env", "/.git/config",
    "/v1/trades%0d%0aSet-Cookie:%20a=b",
)  # fmt: skip

INSIDE = re.compile(
    r"Traceback|\.py\b|/work|site-packages|redis://|unix://|\bft:|uvicorn|starlette|h11", re.IGNORECASE
)
"""What no answer shows."""


@asynccontextmanager
async def asking(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """A watched gateway, asked with a good token."""
    async with watched(settings) as running:
        bearer = {"Authorization": f"Bearer {running.token()}"}
        async with httpx.AsyncClient(base_url=f"http://{running.address}", headers=bearer) as http:
            yield http


def assert_sound(answer: httpx.Response) -> None:
    """An answer of the gateway has its headers, names no software, and opens nothing to other sites."""
    for name in HEADERS:
        assert name in answer.headers, (answer.request.url, name)
    assert not [name for name in answer.headers if name.lower().startswith("access-control-")]
    assert "server" not in answer.headers
    assert "x-powered-by" not in answer.headers
    assert INSIDE.search(answer.text) is None, answer.text
    if answer.status_code >= 400:
        assert answer.headers["content-type"] == "application/problem+json", answer.text
        problem = answer.json()
        assert problem["status"] == answer.status_code
        assert problem["type"].startswith("urn:flowtape:problem:")
        assert problem["detail"]


@pytest.mark.parametrize("origin", [None, "https://evil.example", "null"])
def test_every_answer_has_its_headers_and_every_refusal_is_a_problem_document(
    settings: Settings, client: redis.Redis, origin: str | None
) -> None:
    append(client, [a_print()])
    index(client, settings)

    async def scenario() -> None:
        async with watched(settings) as running:
            page = {} if origin is None else {"Origin": origin}
            bearer = {"Authorization": f"Bearer {running.token()}"}
            async with httpx.AsyncClient(base_url=f"http://{running.address}", headers=page) as http:
                for headers in (
                    {},
                    bearer,
                    {"Authorization": "Bearer nonsense"},
                    {"Authorization": "Basic YTpi"},
                ):
                    for path in (*PATHS, *STRANGE):
                        answer = await http.get(path, headers=headers)
                        assert answer.status_code < 500, answer.text
                        if answer.status_code == 307:
                            assert answer.headers["location"].startswith(f"http://{running.address}/")
                        assert_sound(answer) if path != "/readyz" else None
                        if (
                            path.startswith(("/v1/trades", "/v1/stats", "/v1/channels"))
                            and headers is not bearer
                        ):
                            assert answer.status_code in (401, 404), path

    run(scenario())


def test_methods_that_an_address_does_not_take_are_refused(settings: Settings) -> None:
    async def scenario() -> None:
        async with asking(settings) as http:
            for path in ("/v1/trades", "/v1/stats", "/healthz", "/v1/openapi.json", "/v1/channels"):
                for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND", "A"):
                    answer = await http.request(method, path, content=b"a" * 100)
                    assert answer.status_code == 405, (method, path)
                    assert "GET" in answer.headers["allow"]
                    assert_sound(answer)
            answer = await http.options(
                "/v1/channels/a",
                headers={"Origin": "https://evil.example", "Access-Control-Request-Method": "PUT"},
            )
            assert answer.status_code == 405
            assert_sound(answer)

    run(scenario())


def test_another_name_of_this_machine_is_refused_on_every_address(settings: Settings) -> None:
    async def scenario() -> None:
        async with asking(settings) as http:
            for host in ("evil.example", "evil.example:8000", "127.0.0.1.evil.example", ""):
                for path in (*PATHS, "/metrics", "/nowhere"):
                    answer = await http.get(path, headers={"Host": host})
                    assert answer.status_code == 421, (host, path)
                    assert_sound(answer)

    run(scenario())


@pytest.mark.parametrize(
    "request_head",
    [
        b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 1_000_000,
        b"GET /" + b"a" * 1_000_000 + b" HTTP/1.1\r\nHost: a",
        b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: a\r\n" * 20_000,
        b"GET / HTTP/x\r\nHost: a",
        b"GET / HTTP/1.1",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b",
        b"GET / HTTP/1.1\r\nHost : a",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, identity",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"\0" * 100,
    ],
    ids=[
        "long header", "long address", "many headers", "version", "no host", "two hosts", "space", "two lengths",
        "encoding", "tls", "zeros",
    ],
)  # fmt: skip
def test_a_request_that_is_none_is_refused_and_its_connection_ended(
    settings: Settings, request_head: bytes
) -> None:
    async def scenario() -> None:
        async with watched(settings) as running, raw(running) as connection:
            connection.send(request_head + b"\r\n\r\n")
            answer = await connection.rest()
            assert answer == b"" or answer.startswith(b"HTTP/1.1 4"), answer[:200]
            assert INSIDE.search(answer.decode("latin-1")) is None

    run(scenario())


def test_a_body_that_is_too_long_is_not_read_to_its_end(settings: Settings) -> None:
    async def scenario() -> None:
        async with asking(settings) as http:
            answer = await http.put("/v1/channels/a", content=b'{"filter":"' + b"a" * 20_000 + b'"}')
            assert answer.status_code == 413
            assert_sound(answer)
            for body in (
                b"[" * 15_000,
                b'{"filter":{"premium":{"gte":' + b"9" * 400 + b"}}}",
                b"\xff",
                b"",
            ):
                answer = await http.put("/v1/channels/a", content=body)
                assert answer.status_code == 400, body[:40]
                assert_sound(answer)

    run(scenario())
