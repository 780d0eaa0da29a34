"""The guard against foreign names: a gateway of this machine alone answers to no stranger's host name."""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

from engine.settings import Settings
from web.access import host_allowed
from web.problems import Problem

_REFUSED: Final = Problem(
    HTTPStatus.MISDIRECTED_REQUEST,
    "host",
    "This gateway listens on this machine alone and is reached by a loopback name, as 127.0.0.1. "
    "FLOWTAPE_ORIGINS names others.",
)


class HostGuard:
    """ASGI middleware that refuses HTTP requests whose Host header names someone else (DNS rebinding).

    A WebSocket's handshake is refused by its own route, which checks the Origin as well.
    """

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._settings = settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what is meant for this gateway."""
        if scope["type"] == "http" and not host_allowed(scope, self._settings):
            await _REFUSED.response()(scope, receive, send)
            return
        await self._app(scope, receive, send)
