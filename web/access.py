"""Who a request comes from: bearer token or session cookie, its Origin and Host, and a ticket's landing."""

from __future__ import annotations

from functools import lru_cache
from html import escape
from http import HTTPStatus
from ipaddress import IPv6Address
from typing import Final, NamedTuple
from urllib.parse import urlencode, urlsplit

from redis.exceptions import RedisError
from starlette.requests import HTTPConnection, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import Scope

from engine.access.loopback import is_loopback
from engine.access.tickets import PARAMETER, redeem
from engine.access.tokens import Access, Identity
from engine.settings import Settings
from schemas.errors import AccessError, SettingsError
from web import page
from web.services import Services

COOKIE: Final = "flowtape_session"
"""The cookie that holds a browser's token."""

SECURE_COOKIE: Final = f"__Host-{COOKIE}"
"""Its name over https. Browsers take one of such a name from this host alone, so no sibling domain can plant it."""

SESSION_S: Final = 12 * 3_600
"""A browser that came with a ticket stays in for so long."""

VIEW: Final = ("q", "channel")
"""Parameters of the page's address that say what it shows; they stay where a ticket is taken out of it."""

_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_SECURE: Final = {"http": "http", "ws": "http", "https": "https", "wss": "https"}

_PLAIN_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class Origin(NamedTuple):
    """Scheme (http or https), host in lower case without brackets, port."""

    scheme: str
    host: str
    port: int


def parse_origin(text: str) -> Origin | None:
    """An origin as browsers send it, `https://flow.example.com:8443`; None for anything else, `null` too."""
    scheme, _, rest = text.partition("://")
    if scheme.lower() not in _DEFAULT_PORTS:
        return None
    return _authority(scheme.lower(), rest)


def listed_origins(settings: Settings) -> frozenset[Origin]:
    """The origins of the settings. Raises SettingsError where one is none: ask at start."""
    return _listed(settings.origins)


def origin_allowed(scope: Scope, settings: Settings) -> bool:
    """Whether a request may come from where it says: no Origin, the gateway's own, or a listed one."""
    given = _values(scope, b"origin")
    return not given or (len(given) == 1 and _is_allowed(given[0], scope, settings))


def host_allowed(scope: Scope, settings: Settings) -> bool:
    """Whether the Host header may name this gateway.

    One that listens on this machine alone is reached by its loopback names, or by the host of a listed origin
    through a proxy; any other name is a stranger's that was pointed here (DNS rebinding). A gateway that listens for
    others takes any.
    """
    if not is_loopback(settings.host):
        return True
    named = _own_origin(scope)
    if named is None:
        return False
    return is_loopback(named.host) or any(named.host == origin.host for origin in listed_origins(settings))


def bearer_of(scope: Scope) -> str | None:
    """The token of an `Authorization: Bearer` header; None without one. Raises AccessError for two headers."""
    given = _values(scope, b"authorization")
    if len(given) > 1:
        raise AccessError(f"The request has {len(given)} Authorization headers; expected one.")
    scheme, _, token = given[0].partition(" ") if given else ("", "", "")
    return token.strip() if scheme.lower() == "bearer" else None


def cookie_of(scope: Scope, settings: Settings) -> str | None:
    """The token of the session cookie; None without one, and where another site's page may have sent it.

    A browser adds the cookie to whatever page asks, so an Origin must say that the page is ours. Browsers send one with
    every WebSocket's handshake and every request that changes something; without one it is no page that asks, or one
    that reads from its own origin: there SameSite and the lack of CORS headers keep others out.
    """
    secure = _SECURE.get(scope["scheme"]) == "https"
    token = HTTPConnection(scope).cookies.get(cookie_name(secure=secure))
    return token if token and origin_allowed(scope, settings) else None


async def identify(scope: Scope, settings: Settings, access: Access) -> Identity | None:
    """Who a request or handshake comes from: by bearer token, else by cookie, else None.

    Raises AccessError for a bearer token that is refused. A cookie that is refused counts as none: the client may
    still say `hello`.
    """
    token = bearer_of(scope)
    if token is not None:
        return await access.identify(token)
    cookie = cookie_of(scope, settings)
    if cookie is None:
        return None
    try:
        return await access.identify(cookie)
    except AccessError:
        return None


async def require_identity(scope: Scope, settings: Settings, access: Access) -> Identity:
    """As `identify`, for HTTP: raises AccessError with the reason where nobody is let in."""
    token = bearer_of(scope)
    if token is None:
        token = cookie_of(scope, settings)
    if token is None:
        raise AccessError("The request has no token.", "Send it as Authorization: Bearer.")
    return await access.identify(token)


def cookie_name(*, secure: bool) -> str:
    """How the session cookie is called."""
    return SECURE_COOKIE if secure else COOKIE


def set_session(response: Response, token: str, max_age_s: int, *, secure: bool) -> None:
    """Put a token into the session cookie: no script reads it, no other site sends it."""
    response.set_cookie(
        cookie_name(secure=secure),
        token,
        max_age=max_age_s,
        path="/",
        httponly=True,
        samesite="strict",
        secure=secure,
    )


def clear_session(response: Response, *, secure: bool) -> None:
    """Take the session cookie back."""
    response.delete_cookie(
        cookie_name(secure=secure), path="/", httponly=True, samesite="strict", secure=secure
    )


def routes(services: Services) -> list[BaseRoute]:
    """`/`, where a ticket lands."""

    async def root(request: Request) -> Response:
        return await land(request, services)

    return [Route("/", root), *page.routes(services.page)]


async def land(request: Request, services: Services) -> Response:
    """Trade a ticket for the session cookie and leave the address without it; else say who is let in."""
    ticket = request.query_params.get(PARAMETER)
    if ticket is None:
        return services.page.index() if services.page else await _greeting(request, services)
    if request.method != "GET" or "prefetch" in _purpose(request):
        # What a browser does before a person follows the link must not use it up.
        return Response(status_code=HTTPStatus.NO_CONTENT, headers=_PLAIN_HEADERS)
    try:
        identity = await redeem(services.access, services.redis, ticket)
        token = services.access.issue(identity.user, identity.tier.name, SESSION_S)
    except (AccessError, SettingsError) as error:
        return _page(
            HTTPStatus.FORBIDDEN,
            error.message,
            "A link lets one browser in, once. For a new one look at flowtape up, which shows one, or run "
            "flowtape token --link with a user and a tier.",
        )
    except RedisError:
        return _page(HTTPStatus.SERVICE_UNAVAILABLE, "Redis does not answer.", "Open the link again.")
    view = [(name, text) for name in VIEW if (text := request.query_params.get(name)) is not None]
    response = RedirectResponse(
        f"/?{urlencode(view)}" if view else "/", HTTPStatus.SEE_OTHER, headers=_PLAIN_HEADERS
    )
    set_session(response, token, SESSION_S, secure=request.url.scheme == "https")
    return response


async def _greeting(request: Request, services: Services) -> Response:
    identity = await identify(request.scope, services.settings, services.access)
    if identity is None:
        who = "You are not signed in: open a link with a ticket."
    else:
        who = f"Signed in as {identity.user} ({identity.tier.name})."
    return _page(
        HTTPStatus.OK,
        "Flowtape runs, without its page.",
        f"{who} The page is not built: run scripts/page, then start the gateway again.",
    )


def _page(status: HTTPStatus, title: str, text: str) -> HTMLResponse:
    shown = f"<h1>{escape(title)}</h1><p>{escape(text)}</p>"
    return HTMLResponse(
        f'<!doctype html><html lang="en"><title>Flowtape</title>{shown}</html>',
        status,
        headers=_PLAIN_HEADERS,
    )


def _purpose(request: Request) -> str:
    return request.headers.get("sec-purpose", "") + request.headers.get("purpose", "")


def _is_allowed(text: str, scope: Scope, settings: Settings) -> bool:
    origin = parse_origin(text)
    return origin is not None and (origin == _own_origin(scope) or origin in listed_origins(settings))


def _own_origin(scope: Scope) -> Origin | None:
    """The origin that the request was sent to, by its scheme and Host header."""
    given = _values(scope, b"host")
    return _authority(_SECURE.get(scope["scheme"], "http"), given[0]) if len(given) == 1 else None


def _authority(scheme: str, text: str) -> Origin | None:
    """Host and port of an origin or a Host header, and nothing else beside them."""
    if not text.isascii() or not text.isprintable() or any(sign in text for sign in "/?#@\\ ,%*"):
        return None
    try:
        parts = urlsplit(f"//{text}")
        host, port = parts.hostname, parts.port
        if host is not None and ":" in host:
            host = str(IPv6Address(host))
    except ValueError:
        return None
    if not host or text.endswith(":"):
        return None
    return Origin(scheme, host, _DEFAULT_PORTS[scheme] if port is None else port)


@lru_cache(maxsize=16)
def _listed(origins: tuple[str, ...]) -> frozenset[Origin]:
    found = set()
    for text in origins:
        origin = parse_origin(text)
        if origin is None:
            raise SettingsError(
                f"FLOWTAPE_ORIGINS has {text!r}, which is no origin.",
                "Expected scheme and host without a path, as https://flow.example.com.",
            )
        found.add(origin)
    return frozenset(found)


def _values(scope: Scope, name: bytes) -> list[str]:
    return [value.decode("latin-1") for key, value in scope["headers"] if key == name]
