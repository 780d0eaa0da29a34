"""The OpenAPI document: whole, true to the tables, and kept by every answer of a real gateway to whatever is asked."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis
import schemathesis
from hypothesis import HealthCheck, given, seed
from hypothesis import settings as examples
from schemathesis import Case, GenerationMode
from schemathesis.checks import (
    content_type_conformance,
    negative_data_rejection,
    not_a_server_error,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from starlette.routing import Route

from engine import asyncapi
from engine.settings import Settings
from schemas.filter import FLAGS
from schemas.trade import COLUMNS
from tests.gateways import Gateway, gateway
from tests.test_search import write
from tests.trade_strategies import a_trade
from web.app import build
from web.openapi import document, text

DOCUMENT = document(Settings(host="127.0.0.1"))
OPERATIONS = [
    (path, method)
    for path, item in DOCUMENT["paths"].items()
    for method in item
    if method in ("get", "put", "post", "delete")
]


def may_be_wrong(path: str, method: str) -> bool:
    """Whether an operation takes anything."""
    item = DOCUMENT["paths"][path]
    return any(part.get(name) for part in (item, item[method]) for name in ("parameters", "requestBody"))


ASKED = [
    (path, method, mode)
    for path, method in OPERATIONS
    for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
    if mode is GenerationMode.POSITIVE or may_be_wrong(path, method)
]

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    negative_data_rejection,
]
"""Not `positive_data_acceptance`: that a text is a filter, or a channel is there, no schema says."""

START = 1_700_000_000_000
CALLS_OF_A_USER = 50
"""Then another one asks: none reaches the rate of its requests, so that answers stay answers."""


def beside(client: redis.Redis, settings: Settings, work: Callable[[Gateway], None]) -> None:
    """Run `work` on a thread beside a real gateway over a few trades."""
    write(client, [a_trade(n, ts=START + n, flags=FLAGS[n % len(FLAGS) :][:2]) for n in range(300)])

    async def serve() -> None:
        async with gateway(settings, searches_per_minute=1_000_000) as running:
            await asyncio.to_thread(work, running)

    asyncio.run(serve())


@pytest.mark.parametrize(("path", "method", "mode"), ASKED, ids=str)
def test_every_answer_is_as_described(
    client: redis.Redis,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    path: str,
    method: str,
    mode: GenerationMode,
) -> None:
    # All of this comes from one address.
    monkeypatch.setattr("web.session.SIGN_INS_PER_MINUTE", 1_000_000)
    signs_in = (path, method) == ("/v1/session", "put")

    def work(running: Gateway) -> None:
        operation = schemathesis.openapi.from_dict(DOCUMENT)[path][method]
        calls = itertools.count()
        seen: set[int] = set()

        @seed(1)
        @examples(
            max_examples=25,
            deadline=None,
            database=None,
            suppress_health_check=[
                HealthCheck.too_slow,
                HealthCheck.filter_too_much,
                HealthCheck.data_too_large,
            ],
        )
        @given(case=operation.as_strategy(generation_mode=mode))
        def ask(case: Case) -> None:
            token = running.token(user=f"u{next(calls) // CALLS_OF_A_USER}")
            headers = {"Authorization": f"Bearer {token}"}
            if signs_in and mode is GenerationMode.POSITIVE:
                # No schema says which token is good.
                case.body = {"token": token}
            response = case.call(base_url=f"http://{running.address}", headers=headers)
            seen.add(response.status_code)
            assert response.status_code != 429
            assert response.status_code != 401 or (signs_in and mode is GenerationMode.NEGATIVE)
            case.validate_response(response, checks=CHECKS)

        ask()
        if mode is GenerationMode.POSITIVE and "{" not in path:
            assert seen & {200, 204}

    beside(client, settings, work)


@pytest.mark.parametrize(
    ("path", "method"), [each for each in OPERATIONS if DOCUMENT["paths"][each[0]][each[1]]["security"]]
)
def test_what_is_said_to_need_a_token_needs_one(
    client: redis.Redis, settings: Settings, path: str, method: str
) -> None:
    if path == "/metrics":
        # Open to this machine, which its description says with a security of nothing.
        assert {} in DOCUMENT["paths"][path][method]["security"]
        return

    def work(running: Gateway) -> None:
        url = f"http://{running.address}{path.format(name='mine', link='ftlink_' + '0' * 32)}"
        answer = httpx.request(method.upper(), url, json={"filter": {}} if method == "put" else None)
        assert answer.status_code == 401
        assert "401" in DOCUMENT["paths"][path][method]["responses"]
        assert answer.headers["content-type"] == "application/problem+json"

    beside(client, settings, work)


def test_the_gateway_serves_the_document_and_no_address_is_left_out(
    client: redis.Redis, settings: Settings
) -> None:
    def work(running: Gateway) -> None:
        assert httpx.get(f"http://{running.address}/v1/openapi.json").json() == DOCUMENT
        assert httpx.get(f"http://{running.address}/v1/asyncapi.json").json() == json.loads(asyncapi.text())
        routed = {
            (route.path, method.lower())
            for route in build(running.services).routes
            if isinstance(route, Route)
            for method in route.methods or ()
            if method != "HEAD"
        }
        # The page and its files are for people.
        people = {("/", "get"), ("/assets/{name}", "get"), ("/favicon.ico", "get")}
        assert routed - people == set(OPERATIONS)

    beside(client, settings, work)


def test_a_trade_is_described_with_all_its_columns_and_every_flag() -> None:
    trade = DOCUMENT["components"]["schemas"]["Trade"]
    assert tuple(trade["properties"]) == COLUMNS
    assert trade["properties"]["flags"]["items"]["enum"] == list(FLAGS)
    assert trade["properties"]["right"]["enum"] == ["C", "P"]


def test_the_document_is_valid_and_every_reference_leads_somewhere() -> None:
    schemathesis.openapi.from_dict(DOCUMENT).validate()

    def references(node: Any) -> Iterator[str]:
        if isinstance(node, dict):
            for name, value in node.items():
                if name == "$ref":
                    yield value
                else:
                    yield from references(value)
        elif isinstance(node, list):
            for value in node:
                yield from references(value)

    for reference in set(references(DOCUMENT)):
        found: Any = DOCUMENT
        for part in reference.removeprefix("#/").split("/"):
            found = found[part]
        assert found
    ids = [DOCUMENT["paths"][path][method]["operationId"] for path, method in OPERATIONS]
    assert len(ids) == len(set(ids))


def test_the_file_in_the_docs_is_the_document() -> None:
    page = Path(__file__).parents[1] / "docs" / "openapi.json"
    assert page.read_text(encoding="utf-8") == text(), "run scripts/docs"
