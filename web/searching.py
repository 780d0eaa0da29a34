"""Who searches over HTTP, how often, and what time it is."""

from __future__ import annotations

import time

from starlette.requests import Request

from engine.access.rates import UserRates
from engine.access.tokens import Identity
from web.access import require_identity
from web.services import Services


class Searchers:
    """Lets users in to one address, each so often as the settings say at this gateway."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._rates = UserRates(
            services.settings.searches_per_minute,
            "searches",
            "Wait a moment; the stream says what is new without asking.",
        )

    async def admit(self, request: Request) -> Identity:
        """Who asks. Raises AccessError, and RateError for one who asks too often."""
        identity = await require_identity(request.scope, self._services.settings, self._services.access)
        self._rates.count(identity.user, time.monotonic())
        return identity
