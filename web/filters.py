"""`GET /v1/filter`: a filter in both of its forms, read from either; and the words it is written with."""

from __future__ import annotations

import time
from typing import Any, Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from engine.access.rates import UserRates
from schemas.errors import SearchRequestError
from schemas.filter import Filter
from schemas.filter_text import filter_text, parse_filter
from schemas.vocabulary import vocabulary
from web.access import require_identity
from web.parameters import Parameters
from web.services import Services

PARAMETERS: Final = ("q", "json")

FILTERS_PER_MINUTE: Final = 600
"""Filters of one user that one gateway reads: a page asks while its user types."""

WORDS_S: Final = 300
"""How long a client may keep the words."""


class FilterAnswer(msgspec.Struct):
    """One filter, canonical, in both forms."""

    text: str
    filter: dict[str, Any]


def routes(services: Services) -> list[BaseRoute]:
    """The routes of filters."""
    rates = UserRates(FILTERS_PER_MINUTE, "filters", "Wait a moment.")
    words = msgspec.json.encode(vocabulary())

    async def read(request: Request) -> Response:
        identity = await require_identity(request.scope, services.settings, services.access)
        rates.count(identity.user, time.monotonic())
        wanted = _wanted(Parameters(request.query_params, PARAMETERS))
        answer = FilterAnswer(filter_text(wanted), wanted.to_json())
        return Response(msgspec.json.encode(answer), media_type="application/json")

    async def listed(_request: Request) -> Response:
        return Response(words, media_type="application/json", headers={"Cache-Control": f"max-age={WORDS_S}"})

    return [
        Route("/v1/filter", read, methods=["GET"]),
        Route("/v1/filter/words", listed, methods=["GET"]),
    ]


def _wanted(given: Parameters) -> Filter:
    """The filter of whichever parameter is given. Raises FilterError, and SearchRequestError unless one is."""
    text, tree = given.text("q"), given.text("json")
    if text is not None and tree is None:
        return parse_filter(text)
    if tree is not None and text is None:
        return Filter.from_json(tree)
    said = "Neither q nor json is given." if text is None else "Both q and json are given."
    raise SearchRequestError(said, "Give one of the two.", parameter="q")
