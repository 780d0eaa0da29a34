"""Who searches over HTTP, and what they may see: identity, rate, and the newest exchange time of their tier."""

from __future__ import annotations

import time
from collections import OrderedDict
from typing import Final

from starlette.requests import Request

from engine.access.rates import Rate
from engine.access.tokens import Identity
from schemas.errors import RateError
from schemas.tier import Tier
from web.access import require_identity
from web.services import Services

USERS: Final = 10_000
"""Users whose rate is remembered; the one longest away gives way."""


class Searchers:
    """Lets users in to one address, each so often as the settings say at this gateway."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._per_minute = services.settings.searches_per_minute
        self._rates: OrderedDict[str, Rate] = OrderedDict()

    async def admit(self, request: Request) -> Identity:
        """Who asks. Raises AccessError, and RateError for one who asks too often."""
        identity = await require_identity(request.scope, self._services.settings, self._services.access)
        rate = self._rates.pop(identity.user, None) or Rate(self._per_minute)
        self._rates[identity.user] = rate
        while len(self._rates) > USERS:
            self._rates.popitem(last=False)
        if not rate.allow(time.monotonic()):
            raise RateError(
                f"More than {self._per_minute} searches a minute.",
                "Wait a moment; the stream says what is new without asking.",
                retry_s=-(-60 // self._per_minute),
            )
        return identity


def visible_until(tier: Tier, now_ms: int) -> int | None:
    """The newest exchange time that a tier may see, unix ms; None is no bound."""
    return now_ms - tier.delay_s * 1_000 if tier.delay_s else None


def now_ms() -> int:
    """Unix ms."""
    return time.time_ns() // 1_000_000
