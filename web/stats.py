"""`GET /v1/stats`: premium, volume and put/call ratios of a filter over a window, by underlying and over time."""

from __future__ import annotations

import asyncio
import time
from typing import Annotated, Any, Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from engine.clock import now_ms
from engine.metrics import QueryKind
from engine.stats import (
    BUCKETS,
    BUCKETS_MOST,
    TOP,
    TOP_MOST,
    WINDOW_MS,
    WINDOW_MS_LEAST,
    WINDOW_MS_MOST,
    Flow,
    Stats,
    stats,
)
from schemas.errors import SearchError
from schemas.filter_text import parse_filter
from web.parameters import Parameters
from web.searching import Searchers
from web.services import Services

PARAMETERS: Final = ("q", "window", "buckets", "top")

AT_ONCE: Final = 2
"""Sums of one gateway at once; the others wait."""

ANSWER_S: Final = 20.0
"""After which a sum fails, waiting included."""

Dollars = Annotated[float, msgspec.Meta(description="Dollars, to the cent.")]
Count = Annotated[int, msgspec.Meta(ge=0)]
Contracts = Annotated[int, msgspec.Meta(ge=0, description="Contracts.")]
Time = Annotated[int, msgspec.Meta(description="Exchange time, unix ms.")]
Ratio = Annotated[float, msgspec.Meta(ge=0, description="Puts to calls, four decimals; null without calls.")]


class Sums(msgspec.Struct):
    """Sums over some trades; cancelled ones are left out."""

    trades: Count
    premium: Dollars
    call_premium: Dollars
    put_premium: Dollars
    net_premium: Annotated[float, msgspec.Meta(description="Calls minus puts, dollars.")]
    net_call_premium: Annotated[float, msgspec.Meta(description="Calls bought minus calls sold, dollars.")]
    net_put_premium: Annotated[float, msgspec.Meta(description="Puts bought minus puts sold, dollars.")]
    bullish_premium: Dollars
    bearish_premium: Dollars
    net_bullish_premium: Annotated[float, msgspec.Meta(description="Bullish minus bearish, dollars.")]
    call_volume: Contracts
    put_volume: Contracts


class UnderlyingSums(Sums, kw_only=True):
    """The sums of one underlying."""

    underlying: str


class BucketSums(Sums, kw_only=True):
    """The sums of one part of the window, `after < ts <= to`."""

    after: Time
    to: Time


class StatsAnswer(Sums, kw_only=True):
    """The sums over the window `after < ts <= to`."""

    after: Time
    to: Time
    put_call_premium: Ratio | None
    put_call_volume: Ratio | None
    underlyings: list[UnderlyingSums]
    """Those with the most premium, the most first."""
    series: list[BucketSums]
    """The window in equal parts, the oldest first."""


def routes(services: Services) -> list[BaseRoute]:
    """The route of the sums."""
    searchers = Searchers(services)
    turns = asyncio.Semaphore(AT_ONCE)
    search = services.search

    async def summed(request: Request) -> Response:
        identity = await searchers.admit(request)
        given = Parameters(request.query_params, PARAMETERS)
        now = now_ms()
        question = stats(
            parse_filter(given.text("q") or ""),
            given.duration_ms("window", WINDOW_MS, WINDOW_MS_LEAST, WINDOW_MS_MOST),
            identity.tier.until(now),
            now,
            buckets=given.whole("buckets", BUCKETS, 1, BUCKETS_MOST),
            top=given.whole("top", TOP, 1, TOP_MOST),
            partitions=search.partitions,
            timeout_ms=search.timeout_ms,
        )
        begun = time.perf_counter()
        try:
            async with asyncio.timeout(ANSWER_S), turns:
                found = await search.run(question)
        except TimeoutError:
            raise SearchError(
                f"The sum did not end within {ANSWER_S:.0f} s.", "Ask for a shorter window."
            ) from None
        services.metrics.query[QueryKind.STATS].observe_many(time.perf_counter() - begun)
        return Response(msgspec.json.encode(answer_of(found)), media_type="application/json")

    return [Route("/v1/stats", summed, methods=["GET"])]


def answer_of(found: Stats) -> StatsAnswer:
    """The answer to a client."""
    whole = found.whole
    return StatsAnswer(
        **_sums(whole),
        after=found.after,
        to=found.to,
        put_call_premium=whole.put_call_premium,
        put_call_volume=whole.put_call_volume,
        underlyings=[UnderlyingSums(**_sums(flow), underlying=name) for name, flow in found.underlyings],
        series=[
            BucketSums(**_sums(flow), after=found.edge(number), to=found.edge(number + 1))
            for number, flow in enumerate(found.series)
        ],
    )


def _sums(flow: Flow) -> dict[str, Any]:
    """The fields of Sums, each one of a Flow; premium to the cent."""
    return {name: round(getattr(flow, name), 2) for name in Sums.__struct_fields__}
