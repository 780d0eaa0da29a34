"""`GET /v1/trades`: the newest trades of a filter, page by page, as documents."""

from __future__ import annotations

import time
from typing import Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from engine.clock import now_ms
from engine.metrics import QueryKind
from schemas.filter_text import parse_filter
from web.parameters import Parameters
from web.searching import Searchers
from web.services import Services

PARAMETERS: Final = ("q", "limit", "before")


class TradesAnswer(msgspec.Struct):
    """Documents newest first; `before` asks for the next page and is null where this one was not full."""

    trades: list[msgspec.Raw]
    before: str | None


def routes(services: Services) -> list[BaseRoute]:
    """The route of trades."""
    searchers = Searchers(services)

    async def trades(request: Request) -> Response:
        identity = await searchers.admit(request)
        tier = identity.tier
        given = Parameters(request.query_params, PARAMETERS)
        wanted = parse_filter(given.text("q") or "")
        limit = given.capped("limit", tier.rows)
        until = tier.until(now_ms())
        begun = time.perf_counter()
        page = await services.search.page(wanted, limit, given.text("before"), until)
        services.metrics.query[QueryKind.TRADES].observe_many(time.perf_counter() - begun)
        # The documents are sent as they are in Redis, not decoded.
        body = msgspec.json.encode(
            TradesAnswer([msgspec.Raw(row.document) for row in page.rows], page.before)
        )
        return Response(body, media_type="application/json")

    return [Route("/v1/trades", trades, methods=["GET"])]
