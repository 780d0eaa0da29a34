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
from schemas.filter import Filter
from schemas.filter_text import parse_filter
from schemas.tier import Tier
from web.parameters import Parameters
from web.searching import Searchers
from web.services import Services
from web.shared_answers import SharedAnswers

PARAMETERS: Final = ("q", "window", "buckets", "top")

AT_ONCE: Final = 2
"""Sums of one gateway at once; the others wait."""

ANSWER_S: Final = 20.0
"""After which a sum fails, waiting included."""

FRESH_S: Final = 1.0
"""For how long a sum is given again to who asks for the same."""

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
    answers = SharedAnswers(FRESH_S)
    turns = asyncio.Semaphore(AT_ONCE)
    search = services.search

    async def summed(wanted: Filter, window_ms: int, buckets: int, top: int, tier: Tier) -> bytes:
        now = now_ms()
        question = stats(
            wanted,
            window_ms,
            tier.until(now),
            now,
            buckets=buckets,
            top=top,
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
        return msgspec.json.encode(answer_of(found))

    async def sums(request: Request) -> Response:
        tier = (await searchers.admit(request)).tier
        given = Parameters(request.query_params, PARAMETERS)
        wanted = parse_filter(given.text("q") or "")
        window_ms = given.duration_ms("window", WINDOW_MS, WINDOW_MS_LEAST, WINDOW_MS_MOST)
        buckets = given.whole("buckets", BUCKETS, 1, BUCKETS_MOST)
        top = given.whole("top", TOP, 1, TOP_MOST)
        # Of a tier only its delay makes a difference: an answer made a moment ago shows no more than one made now.
        key = (wanted.key, window_ms, buckets, top, tier.delay_s)
        body = await answers.get(key, lambda: summed(wanted, window_ms, buckets, top, tier))
        return Response(body, media_type="application/json")

    return [Route("/v1/stats", sums, methods=["GET"])]


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
