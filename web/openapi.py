"""The OpenAPI 3.1 document of the HTTP part, made from the tables that the program itself runs on; and its route."""

from __future__ import annotations

import sys
from typing import Any, Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from engine import __version__, asyncapi
from engine.search_page import CURSOR_CHARS
from engine.settings import Settings
from engine.stats import BUCKETS, BUCKETS_MOST, TOP, TOP_MOST, WINDOW_MS, WINDOW_MS_LEAST, WINDOW_MS_MOST
from schemas.filter import CHOICES, FLAGS
from schemas.filter_text import TEXT_CHARS
from schemas.tier import Tier
from schemas.trade import Trade
from schemas.vocabulary import Vocabulary
from web import channel_paths, problems
from web.access import COOKIE
from web.filters import FilterAnswer
from web.parameters import DURATION_PATTERN, duration_text
from web.services import Services
from web.session import SessionAnswer, SignIn
from web.stats import StatsAnswer

ADDRESS: Final = "/v1/openapi.json"

STREAM_ADDRESS: Final = "/v1/asyncapi.json"
"""Of the AsyncAPI document, which `engine/asyncapi.py` makes."""

TOKEN: Final[list[dict[str, list[str]]]] = [{"bearer": []}, {"cookie": []}]
"""Either lets a user in."""

_REF: Final = "#/components/schemas/{name}"


def routes(services: Services) -> list[BaseRoute]:
    """The routes of both documents, open to everybody."""

    def route(address: str, described: dict[str, Any]) -> Route:
        body = msgspec.json.encode(described)

        async def answer(_request: Request) -> Response:
            return Response(body, media_type="application/json", headers={"Cache-Control": "max-age=300"})

        return Route(address, answer, methods=["GET"])

    return [route(ADDRESS, document(services.settings)), route(STREAM_ADDRESS, asyncapi.document())]


def text() -> str:
    """The document as it stands in docs/openapi.json, with the tiers as they are by default."""
    return (
        msgspec.json.format(
            msgspec.json.encode(document(Settings.model_construct(tiers={}))), indent=1
        ).decode()
        + "\n"
    )


def document(settings: Settings) -> dict[str, Any]:
    """The document, with the tiers of these settings."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Flowtape",
            "version": __version__,
            "description": f"Options flow over HTTP. The live stream is /v1/stream.\n\n{_tiers(settings)}",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": {
            "/v1/trades": {"get": _trades()},
            "/v1/stats": {"get": _stats()},
            "/v1/filter": {"get": _read_filter()},
            "/v1/filter/words": {"get": _words()},
            **channel_paths.PATHS,
            "/v1/session": _session(),
            **_own_paths(),
        },
        "components": {
            "schemas": _schemas(),
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
                "cookie": {"type": "apiKey", "in": "cookie", "name": COOKIE},
            },
            "responses": {"Problem": _problem_response("A problem document.")},
        },
    }


def _tiers(settings: Settings) -> str:
    def row(tier: Tier) -> str:
        return f"| {tier.name} | {tier.rows} | {tier.delay_s} |"

    table = "\n".join(row(tier) for tier in settings.tier_table().values())
    return f"| tier | rows of a page | delay, s |\n|---|---|---|\n{table}"


def _trades() -> dict[str, Any]:
    return {
        "operationId": "listTrades",
        "summary": "The newest trades of a filter, newest first.",
        "description": "A page goes on where the one before it ended, by its `before`; new trades do not shift it.",
        "security": TOKEN,
        "parameters": [
            _filter(),
            _query(
                "limit",
                {"type": "integer", "minimum": 1},
                "Rows of the page; as many as the tier has by default, and where more are asked for.",
            ),
            _query(
                "before",
                {"type": "string", "maxLength": CURSOR_CHARS},
                "Where to go on: `before` of the page above.",
            ),
        ],
        "responses": {"200": _json("TradesAnswer", "A page of trades."), **_refusals()},
    }


def _stats() -> dict[str, Any]:
    least, most = duration_text(WINDOW_MS_LEAST), duration_text(WINDOW_MS_MOST)
    return {
        "operationId": "sumTrades",
        "summary": "Premium, volume and put/call ratios of a filter over a window.",
        "description": "The window ends at the newest trade that the tier may see. Cancelled trades are left out.",
        "security": TOKEN,
        "parameters": [
            _filter(),
            _query(
                "window",
                {"type": "string", "pattern": DURATION_PATTERN, "default": duration_text(WINDOW_MS)},
                f"Length of the window, from {least} to {most}, in s, m, h or d; a bare number is seconds.",
            ),
            _query(
                "buckets",
                {"type": "integer", "minimum": 1, "maximum": BUCKETS_MOST, "default": BUCKETS},
                "Parts of the series.",
            ),
            _query(
                "top",
                {"type": "integer", "minimum": 1, "maximum": TOP_MOST, "default": TOP},
                "Underlyings that are listed.",
            ),
        ],
        "responses": {"200": _json("StatsAnswer", "The sums."), **_refusals()},
    }


def _read_filter() -> dict[str, Any]:
    return {
        "operationId": "readFilter",
        "summary": "A filter in both of its forms, canonical. Give `q` or `json`.",
        "security": TOKEN,
        "parameters": [
            _query("q", {"type": "string", "maxLength": TEXT_CHARS}, "A filter as text."),
            {
                "name": "json",
                "in": "query",
                "description": "A filter as an object.",
                "content": {"application/json": {"schema": {"$ref": _REF.format(name="Filter")}}},
            },
        ],
        "responses": {"200": _json("FilterAnswer", "The filter."), **_refusals()},
    }


def _words() -> dict[str, Any]:
    return {
        "operationId": "listWords",
        "summary": "The words that filters are written with, for completion and controls.",
        "security": [],
        "responses": {"200": _json("Vocabulary", "The words.")},
    }


def _session() -> dict[str, Any]:
    def cookie(description: str) -> dict[str, Any]:
        return {"Set-Cookie": {"description": description, "schema": {"type": "string"}}}

    problem = {"$ref": "#/components/responses/Problem"}
    body = {"application/json": {"schema": {"$ref": _REF.format(name="SignIn")}}}
    return {
        "get": {
            "operationId": "readSession",
            "summary": "Who is signed in, what they may, and until when.",
            "security": TOKEN,
            "responses": {
                "200": _json("SessionAnswer", "Who."),
                "401": problem,
                "429": problem,
                "503": problem,
            },
        },
        "put": {
            "operationId": "signIn",
            "summary": "Trade a token for the session cookie, for as long as the token lasts.",
            "description": "For pages of this gateway's own origin, or a listed one.",
            "security": [],
            "requestBody": {"required": True, "content": body},
            "responses": {
                "200": {
                    **_json("SessionAnswer", "Signed in."),
                    "headers": cookie(f"{COOKIE}, which no script reads."),
                },
                **dict.fromkeys(("400", "401", "403", "413", "415", "429", "503"), problem),
            },
        },
        "delete": {
            "operationId": "signOut",
            "summary": "Take the session cookie back; the token itself stays good.",
            "security": [],
            "responses": {
                "204": {"description": "Done.", "headers": cookie(f"{COOKIE}, expired.")},
                "403": problem,
                "429": problem,
            },
        },
    }


def _own_paths() -> dict[str, Any]:
    """What the gateway says of itself, to everybody."""
    checks = {"application/json": {"schema": {"$ref": _REF.format(name="Readiness")}}}
    text = {"text/plain": {"schema": {"type": "string"}}}
    return {
        "/healthz": {
            "get": {
                "operationId": "health",
                "summary": "Whether the process answers.",
                "security": [],
                "responses": {"200": _json("Health", "It does.")},
            }
        },
        "/readyz": {
            "get": {
                "operationId": "readiness",
                "summary": "Whether to send clients here: Redis, index, tape and lag.",
                "security": [],
                "responses": {
                    "200": {"description": "Ready.", "content": checks},
                    "503": {"description": "Not ready, and why.", "content": checks},
                },
            }
        },
        "/metrics": {
            "get": {
                "operationId": "metrics",
                "summary": "Prometheus metrics, for this machine or the bearer of the metrics token.",
                "security": [{}, {"bearer": []}],
                "responses": {
                    "200": {"description": "The metrics.", "content": text},
                    "401": {"description": "The token is missing or wrong.", "content": text},
                    "403": {"description": "Asked from another machine.", "content": text},
                },
            }
        },
        STREAM_ADDRESS: {
            "get": {
                "operationId": "asyncapi",
                "summary": "The AsyncAPI document of the live stream.",
                "security": [],
                "responses": {
                    "200": {
                        "description": "The document.",
                        "content": {"application/json": {"schema": {"type": "object"}}},
                    }
                },
            }
        },
        ADDRESS: {
            "get": {
                "operationId": "openapi",
                "summary": "This document.",
                "security": [],
                "responses": {
                    "200": {
                        "description": "The document.",
                        "content": {"application/json": {"schema": {"type": "object"}}},
                    }
                },
            }
        },
    }


def _schemas() -> dict[str, Any]:
    _, found = msgspec.json.schema_components(
        [Trade, StatsAnswer, FilterAnswer, Vocabulary, SessionAnswer, SignIn], ref_template=_REF
    )
    found["FilterAnswer"]["properties"]["filter"] = {"$ref": _REF.format(name="Filter")}
    properties = found["Trade"]["properties"]
    for name, values in CHOICES.items():
        properties[name]["enum"] = list(values)
    properties["flags"]["items"] = {"type": "string", "enum": list(FLAGS)}
    check = {
        "type": "object",
        "properties": {
            "name": {"type": "string"},
            "state": {"enum": ["ok", "failed", "unknown"]},
            "reason": {"type": "string"},
            "remedy": {"type": "string"},
        },
        "required": ["name", "state", "reason", "remedy"],
    }
    return {
        **found,
        **channel_paths.SCHEMAS,
        "TradesAnswer": {
            "type": "object",
            "properties": {
                "trades": {"type": "array", "items": {"$ref": _REF.format(name="Trade")}},
                "before": {"type": ["string", "null"], "description": "Asks for the next page."},
            },
            "required": ["trades", "before"],
        },
        "Health": {
            "type": "object",
            "properties": {"status": {"const": "ok"}},
            "required": ["status"],
        },
        "Readiness": {
            "type": "object",
            "properties": {"ready": {"type": "boolean"}, "checks": {"type": "array", "items": check}},
            "required": ["ready", "checks"],
        },
        "Problem": {
            "type": "object",
            "description": "RFC 9457. `field`, `position` and `length` say where a filter or parameter is wrong.",
            "properties": {
                "type": {"type": "string", "format": "uri"},
                "title": {"type": "string"},
                "status": {"type": "integer"},
                "detail": {"type": "string"},
                "field": {"type": "string"},
                "position": {"type": "integer", "minimum": 0},
                "length": {"type": "integer", "minimum": 0},
                "expired": {"type": "boolean"},
            },
            "required": ["type", "title", "status", "detail"],
        },
    }


def _filter() -> dict[str, Any]:
    return _query(
        "q",
        {"type": "string", "default": "", "maxLength": TEXT_CHARS},
        "A filter as text, such as `SPY,QQQ -TSLA calls premium>=100k sweep`; without it, every trade.",
    )


def _query(name: str, schema: dict[str, Any], description: str) -> dict[str, Any]:
    return {"name": name, "in": "query", "description": description, "schema": schema}


def _json(name: str, description: str) -> dict[str, Any]:
    content = {"application/json": {"schema": {"$ref": _REF.format(name=name)}}}
    return {"description": description, "content": content}


def _problem_response(description: str) -> dict[str, Any]:
    content = {problems.MEDIA_TYPE: {"schema": {"$ref": _REF.format(name="Problem")}}}
    return {"description": description, "content": content}


def _refusals() -> dict[str, Any]:
    said = {
        "400": "A parameter or the filter is wrong; `field` says which.",
        "401": "No token, or one that is refused.",
        "429": "Too many requests; Retry-After says when to ask again.",
        "503": "Redis does not answer, or not in time.",
    }
    return {status: _problem_response(text) for status, text in said.items()}


if __name__ == "__main__":
    sys.stdout.write(text())
