"""A gateway's app over a real Redis, asked without a socket: what tests of its HTTP part share."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import httpx

from engine.settings import Settings
from web.app import build
from web.server import open_services
from web.services import Services

T = TypeVar("T")

SECRET = "a secret that only these tests sign with"  # noqa: S105


class Client:
    """Asks the app as a user does."""

    def __init__(self, http: httpx.AsyncClient, services: Services) -> None:
        self.http = http
        self.services = services

    async def get(
        self, path: str, params: dict[str, Any] | None = None, tier: str = "premium", user: str = "ann"
    ) -> httpx.Response:
        """The answer to a user of a tier."""
        token = self.services.access.issue(user, tier, 600)
        return await self.http.get(path, params=params, headers={"Authorization": f"Bearer {token}"})


def asking(settings: Settings, work: Callable[[Client], Awaitable[T]], **changes: Any) -> T:
    """What `work` makes of a gateway of its own; `changes` are settings."""
    own = Settings.load(redis_url=settings.redis_url, jwt_secret=SECRET, **changes)

    async def run() -> T:
        async with open_services(own) as services:
            transport = httpx.ASGITransport(build(services), raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000") as http:
                return await work(Client(http, services))

    return asyncio.run(run())
