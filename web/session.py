"""`/v1/session`: who a browser is signed in as; a token traded for the session cookie; the cookie taken back."""

from __future__ import annotations

import time
from http import HTTPStatus
from typing import Final

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from engine.access.rates import UserRates
from engine.access.tokens import TOKEN_BYTES, Identity
from engine.gateway.session import limits_of
from engine.settings import Settings
from schemas.errors import MessageError
from web.access import SECURE_COOKIE, clear_session, origin_allowed, require_identity, set_session
from web.body import read_body
from web.problems import Problem
from web.services import Services

BODY_BYTES: Final = TOKEN_BYTES + 1_024
"""Bytes of a body at most: the longest token, and what stands around it."""

COOKIE_BYTES: Final = 4_096
"""Name and value of a cookie that every browser keeps (RFC 6265, 6.1); a longer one would be dropped in silence."""

SESSIONS_PER_MINUTE: Final = 120
"""Times that one user asks one gateway who they are."""

SIGN_INS_PER_MINUTE: Final = 60
"""Times that one address signs in or out at one gateway; behind a proxy that names its clients, one client."""

_OWN_PAGE: Final = ("same-origin", "none")
"""What a browser says of requests by our own page (`Sec-Fetch-Site`), or by a person."""

_FOREIGN: Final = Problem(
    HTTPStatus.FORBIDDEN,
    "origin",
    "Another site's page asks, which may sign nobody in or out. FLOWTAPE_ORIGINS lists the page's own address.",
)


class SignIn(msgspec.Struct, forbid_unknown_fields=True):
    """The body of a sign-in."""

    token: str


class SessionAnswer(msgspec.Struct):
    """Who is signed in, what they may, and until when."""

    user: str
    tier: str
    limits: dict[str, int]
    """As `welcome` says them."""
    expires: int
    """Unix seconds."""


def routes(services: Services) -> list[BaseRoute]:
    """The route of the session."""
    settings, access = services.settings, services.access
    reads = UserRates(SESSIONS_PER_MINUTE, "requests for the session", "Wait a moment.")
    changes = UserRates(SIGN_INS_PER_MINUTE, "sign-ins and sign-outs of one address", "Wait a moment.")

    async def session(request: Request) -> Response:
        if request.method not in ("PUT", "DELETE"):
            identity = await require_identity(request.scope, settings, access)
            reads.count(identity.user, time.monotonic())
            return _shown(identity, settings)
        if not _is_own_page(request, settings):
            return _FOREIGN.response()
        changes.count(request.client.host if request.client else "", time.monotonic())
        secure = request.url.scheme == "https"
        if request.method == "DELETE":
            response = Response(status_code=HTTPStatus.NO_CONTENT)
            clear_session(response, secure=secure)
            return response
        token = await _token(request)
        identity = await access.identify(token)
        response = _shown(identity, settings)
        set_session(response, token, max(0, identity.expires - int(time.time())), secure=secure)
        return response

    return [Route("/v1/session", session, methods=["GET", "PUT", "DELETE"])]


def _is_own_page(request: Request, settings: Settings) -> bool:
    """Whether no other site's page asks: it could sign a person in as somebody else (login CSRF), or out."""
    site = request.headers.get("sec-fetch-site", "same-origin")
    return site in _OWN_PAGE and origin_allowed(request.scope, settings)


async def _token(request: Request) -> str:
    """The token of a body. Raises MessageError, and HTTPException for another type or too many bytes."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise HTTPException(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "Expected Content-Type: application/json.")
    raw = await read_body(request, BODY_BYTES)
    try:
        token = msgspec.json.decode(raw, type=SignIn).token
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        # What is wrong with it is left unsaid: it may hold a token.
        raise MessageError("The body is not what was expected.", 'Send {"token": "..."}.') from None
    if len(SECURE_COOKIE) + len(token) >= COOKIE_BYTES:
        raise MessageError(
            f"The token has {len(token)} bytes, and browsers keep cookies of {COOKIE_BYTES} at most.",
            "Ask whoever issues it for a shorter one; as Authorization: Bearer it is good.",
        )
    return token


def _shown(identity: Identity, settings: Settings) -> Response:
    tier = identity.tier
    answer = SessionAnswer(identity.user, tier.name, limits_of(tier, settings), identity.expires)
    return Response(msgspec.json.encode(answer), media_type="application/json")
