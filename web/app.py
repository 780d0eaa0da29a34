"""The ASGI app: every module's routes, problem documents for errors, security headers."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.middleware import Middleware

from web import access, channels, filters, health, openapi, session, stats, stream, trades
from web.headers import SecurityHeaders
from web.host import HostGuard
from web.problems import HANDLERS
from web.services import Services

ROUTES = (stream, trades, stats, filters, channels, session, openapi, health, access)
"""Modules with `routes(services)`."""


def build(services: Services) -> Starlette:
    """The app over open services; who opens them closes them."""
    app = Starlette(
        routes=[route for module in ROUTES for route in module.routes(services)],
        middleware=[
            Middleware(SecurityHeaders),
            Middleware(HostGuard, settings=services.settings),
        ],
        exception_handlers=HANDLERS,
    )
    # An address has one spelling; a redirect to another would carry the filter along.
    app.router.redirect_slashes = False
    return app
