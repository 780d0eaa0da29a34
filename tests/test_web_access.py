"""Who a request comes from, over real HTTP: evidence in its order, Origin and Host, a ticket's landing and cookie."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http.cookies import SimpleCookie
from typing import Any

import httpx
import pytest
import redis.asyncio
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette

from engine.access.tickets import PARAMETER, mint
from engine.access.tokens import Access
from engine.settings import Settings
from engine.store.connect import connect_async
from schemas.errors import AccessError, SettingsError
from web.access import (
    COOKIE,
    SECURE_COOKIE,
    SESSION_S,
    Origin,
    bearer_of,
    cookie_of,
    host_allowed,
    identify,
    listed_origins,
    origin_allowed,
    parse_origin,
    require_identity,
    routes,
)
from web.page import BuiltPage

SECRET = "a secret for tests that is long enough"  # noqa: S105
HOST = "127.0.0.1:8000"
OWN = f"http://{HOST}"


def scope(
    *headers: tuple[str, str], kind: str = "websocket", scheme: str = "", method: str = "GET"
) -> dict[str, Any]:
    """A request's or handshake's ASGI scope; a Host header is added unless one is given."""
    given = headers if any(name == "host" for name, _ in headers) else (("host", HOST), *headers)
    made: dict[str, Any] = {
        "type": kind,
        "scheme": scheme or ("ws" if kind == "websocket" else "http"),
        "path": "/v1/stream",
        "headers": [(name.encode(), value.encode("latin-1")) for name, value in given],
    }
    return made | ({"method": method} if kind == "http" else {})


def cookie(token: str) -> tuple[str, str]:
    return "cookie", f"other=1; {COOKIE}={token}"


@pytest.mark.parametrize(
    ("text", "origin"),
    [
        ("http://127.0.0.1:8000", Origin("http", "127.0.0.1", 8_000)),
        ("https://Flow.Example.COM", Origin("https", "flow.example.com", 443)),
        ("HTTP://a", Origin("http", "a", 80)),
        ("http://[0:0::1]:80", Origin("http", "::1", 80)),
        ("null", None),
        ("", None),
        ("*", None),
        ("https://*.example.com", None),
        ("https://", None),
        ("//a", None),
        ("a:80", None),
        ("file://a", None),
        ("ws://a", None),
        ("http://a/", None),
        ("http://a/b", None),
        ("http://a?b", None),
        ("http://a#b", None),
        ("http://user@a", None),
        ("http://a:", None),
        ("http://a:99999", None),
        ("http://a:x", None),
        ("http://a:-1", None),
        ("http://[::1", None),
        ("http://[x:y]", None),
        ("http://a b", None),
        ("http://a,http://b", None),
        ("http://a\\b", None),
        ("http://ä", None),
        ("http://a\t", None),
    ],
)
def test_an_origin_is_scheme_host_and_port(text: str, origin: Origin | None) -> None:
    assert parse_origin(text) == origin


@pytest.mark.parametrize(
    ("headers", "scheme", "allowed"),
    [
        ([], "ws", True),
        ([("origin", OWN)], "ws", True),
        ([("origin", "HTTP://127.0.0.1:8000")], "ws", True),
        ([("origin", "https://127.0.0.1:8000")], "ws", False),
        ([("origin", "https://127.0.0.1:8000")], "wss", True),
        ([("origin", "http://127.0.0.1")], "ws", False),
        ([("origin", "http://127.0.0.1:8001")], "ws", False),
        ([("origin", "http://localhost:8000")], "ws", False),
        ([("origin", "http://127.0.0.1:8000.evil.example")], "ws", False),
        ([("origin", "http://evil.example")], "ws", False),
        ([("origin", "null")], "ws", False),
        ([("origin", "")], "ws", False),
        ([("origin", OWN), ("origin", "http://evil.example")], "ws", False),
        ([("origin", OWN), ("origin", OWN)], "ws", False),
        ([("host", "flow.example.com"), ("origin", "http://flow.example.com")], "ws", True),
        ([("host", "flow.example.com"), ("origin", "http://flow.example.com:80")], "ws", True),
        ([("host", "flow.example.com:443"), ("origin", "https://flow.example.com")], "wss", True),
        ([("host", "flow.example.com"), ("origin", "https://flow.example.com")], "ws", False),
        ([("host", "a"), ("host", "evil.example"), ("origin", "http://evil.example")], "ws", False),
        ([("host", "[::1]:8000"), ("origin", "http://[::1]:8000")], "ws", True),
        ([("origin", "https://page.example.com")], "ws", True),
        ([("origin", "http://page.example.com")], "ws", False),
        ([("origin", "https://page.example.com:444")], "ws", False),
        ([("origin", "https://page.example.com.evil.example")], "ws", False),
        ([("origin", "https://sub.page.example.com")], "ws", False),
        ([("origin", "http://localhost:5173")], "ws", True),
    ],
)
def test_which_origins_may(headers: list[tuple[str, str]], scheme: str, allowed: bool) -> None:
    settings = Settings.load(origins="https://Page.example.com, http://localhost:5173")
    assert origin_allowed(scope(*headers, scheme=scheme), settings) is allowed


@pytest.mark.parametrize(
    "origins", ["*", "https://*", "page.example.com", "https://page.example.com/", "https://a,null"]
)
def test_a_listed_origin_that_is_none_is_a_wrong_setting(origins: str) -> None:
    with pytest.raises(SettingsError, match="FLOWTAPE_ORIGINS"):
        listed_origins(Settings.load(origins=origins))


@pytest.mark.parametrize(
    ("bound", "host", "allowed"),
    [
        ("127.0.0.1", "127.0.0.1:8000", True),
        ("127.0.0.1", "localhost:8000", True),
        ("127.0.0.1", "LocalHost", True),
        ("127.0.0.1", "[::1]:8000", True),
        ("::1", "127.0.0.1:9", True),
        ("127.0.0.1", "evil.example:8000", False),
        ("127.0.0.1", "127.0.0.1.evil.example:8000", False),
        ("localhost", "localhost.evil.example", False),
        ("127.0.0.1", "192.168.0.7:8000", False),
        ("127.0.0.1", "", False),
        ("127.0.0.1", "user@127.0.0.1", False),
        ("127.0.0.1", "127.0.0.1/evil.example", False),
        ("127.0.0.1", "page.example.com", True),
        ("0.0.0.0", "evil.example", True),  # noqa: S104
        ("192.0.2.7", "flow.example.com", True),
    ],
)
def test_which_hosts_a_gateway_answers_to(bound: str, host: str, allowed: bool) -> None:
    settings = Settings.load(host=bound, origins="https://page.example.com")
    assert host_allowed(scope(("host", host)), settings) is allowed


def test_a_gateway_of_this_machine_wants_one_host() -> None:
    settings = Settings.load()
    assert not host_allowed(scope(("host", HOST), ("host", HOST)), settings)
    assert not host_allowed({"type": "http", "scheme": "http", "headers": []}, settings)


@pytest.mark.parametrize(
    ("header", "token"),
    [
        ("Bearer abc", "abc"),
        ("bearer abc", "abc"),
        ("BEARER   abc ", "abc"),
        ("Bearer", ""),
        ("Basic abc", None),
        ("abc", None),
        ("", None),
    ],
)
def test_a_bearer_token_is_read_from_its_header(header: str, token: str | None) -> None:
    assert bearer_of(scope(("authorization", header))) == token


def test_two_authorization_headers_are_refused() -> None:
    with pytest.raises(AccessError, match="expected one"):
        bearer_of(scope(("authorization", "Bearer a"), ("authorization", "Bearer b")))


@pytest.mark.parametrize(
    ("kind", "method", "origin", "taken"),
    [
        ("websocket", "", OWN, True),
        ("websocket", "", "https://page.example.com", True),
        ("websocket", "", None, True),
        ("websocket", "", "null", False),
        ("websocket", "", "http://localhost:3000", False),
        ("websocket", "", "http://evil.example", False),
        ("http", "GET", None, True),
        ("http", "GET", OWN, True),
        ("http", "GET", "http://localhost:3000", False),
        ("http", "PUT", None, True),
        ("http", "DELETE", None, True),
        ("http", "POST", "http://localhost:3000", False),
        ("http", "DELETE", "null", False),
        ("http", "PUT", OWN, True),
    ],
)
def test_when_a_cookie_counts(kind: str, method: str, origin: str | None, taken: bool) -> None:
    headers = [cookie("abc")] + ([("origin", origin)] if origin is not None else [])
    settings = Settings.load(origins="https://page.example.com")
    found = cookie_of(scope(*headers, kind=kind, method=method), settings)
    assert found == ("abc" if taken else None)


@pytest.mark.parametrize("text", ["", f"{COOKIE}=", f"x{COOKIE}=abc", "a;b;;c=", f"{COOKIE.upper()}=abc"])
def test_a_cookie_of_another_name_is_none(text: str) -> None:
    assert cookie_of(scope(("cookie", text), ("origin", OWN)), Settings.load()) is None


def test_a_bearer_token_goes_before_a_cookie_and_a_cookie_before_hello() -> None:
    settings = Settings.load()
    access = Access(settings, SECRET)
    ann, bob = (access.issue(user, "pro", 60) for user in ("ann", "bob"))

    async def who(*headers: tuple[str, str]) -> str | None:
        identity = await identify(scope(("origin", OWN), *headers), settings, access)
        return identity and identity.user

    async def scenario() -> None:
        assert await who(("authorization", f"Bearer {ann}"), cookie(bob)) == "ann"
        assert await who(cookie(bob)) == "bob"
        assert await who(("authorization", "Basic abc"), cookie(bob)) == "bob"
        assert await who() is None
        assert await who(cookie("wrong")) is None
        assert await who(cookie(access.issue("bob", "pro", -1))) is None
        for wrong in ("", "wrong", access.issue("ann", "pro", -1)):
            with pytest.raises(AccessError):
                await who(("authorization", f"Bearer {wrong}"), cookie(bob))

    asyncio.run(scenario())


def test_over_http_the_reason_of_a_refusal_is_told() -> None:
    settings = Settings.load()
    access = Access(settings, SECRET)

    async def ask(*headers: tuple[str, str]) -> str:
        return (await require_identity(scope(*headers, kind="http"), settings, access)).user

    async def scenario() -> None:
        assert await ask(cookie(access.issue("ann", "pro", 60))) == "ann"
        with pytest.raises(AccessError, match="has no token"):
            await ask()
        with pytest.raises(AccessError) as caught:
            await ask(cookie(access.issue("ann", "pro", -1)))
        assert caught.value.expired
        with pytest.raises(AccessError, match="no JWT"):
            await ask(("authorization", "Bearer"), cookie(access.issue("ann", "pro", 60)))

    asyncio.run(scenario())


@dataclass(frozen=True)
class Opened:
    """The services that a landing uses."""

    settings: Settings
    redis: redis.asyncio.Redis
    access: Access
    page: BuiltPage | None = None


def serve(
    settings: Settings,
    scenario: Callable[[httpx.AsyncClient, Access], Awaitable[None]],
    *,
    base: str = OWN,
    redis_url: str | None = None,
) -> None:
    """Run a scenario with a client of the routes; it follows no redirects."""

    async def run() -> None:
        access = Access(settings, SECRET)
        client = connect_async(settings.model_copy(update={"redis_url": redis_url or settings.redis_url}))
        app = Starlette(routes=routes(Opened(settings, client, access)))
        try:
            async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=base) as http:
                await scenario(http, access)
        finally:
            await client.aclose()

    asyncio.run(run())


def at(ticket: str) -> str:
    return f"/?{PARAMETER}={ticket}"


def is_plain(response: httpx.Response) -> None:
    """Nothing of the answer is kept, runs, or tells others where it came from."""
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["referrer-policy"] == "no-referrer"
    assert "default-src 'none'" in response.headers["content-security-policy"]
    assert "<script" not in response.text


@pytest.mark.parametrize(("base", "secure"), [(OWN, False), ("https://flow.example.com", True)])
def test_a_ticket_becomes_a_cookie_and_leaves_the_address(
    base: str, secure: bool, settings: Settings
) -> None:
    async def scenario(http: httpx.AsyncClient, access: Access) -> None:
        response = await http.get(at(mint(access, "ann", "premium")))
        assert (response.status_code, response.headers["location"]) == (303, "/")
        is_plain(response)
        (name, morsel), *others = SimpleCookie(response.headers["set-cookie"]).items()
        assert (name, others) == (SECURE_COOKIE if secure else COOKIE, [])
        assert morsel["httponly"] is True
        assert morsel["samesite"].lower() == "strict"
        assert bool(morsel["secure"]) is secure
        assert (morsel["path"], morsel["domain"], morsel["max-age"]) == ("/", "", str(SESSION_S))
        identity = await access.identify(morsel.value)
        assert (identity.user, identity.tier.name) == ("ann", "premium")
        greeting = await http.get("/")
        assert "Signed in as ann (premium)" in greeting.text
        is_plain(greeting)

    serve(settings, scenario, base=base)


@pytest.mark.parametrize(
    ("more", "location"),
    [
        ("&q=SPY%20premium%3E%3D100k", "/?q=SPY+premium%3E%3D100k"),
        ("&channel=a%26b", "/?channel=a%26b"),
        ("&x=1&channel=c&q=a&q=SPY", "/?q=SPY&channel=c"),
        ("&q=", "/?q="),
        ("&q=%0d%0aSet-Cookie:%20a=b", "/?q=%0D%0ASet-Cookie%3A+a%3Db"),
        ("&next=//evil.example", "/"),
    ],
)
def test_a_landing_keeps_what_the_page_shows_and_nothing_else(
    more: str, location: str, settings: Settings
) -> None:
    async def scenario(http: httpx.AsyncClient, access: Access) -> None:
        response = await http.get(at(mint(access, "ann", "premium")) + more)
        assert (response.status_code, response.headers["location"]) == (303, location)
        assert COOKIE in response.cookies

    serve(settings, scenario)


def test_a_used_ticket_is_told_on_a_plain_page(settings: Settings) -> None:
    async def scenario(http: httpx.AsyncClient, access: Access) -> None:
        ticket = mint(access, "ann", "premium")
        await http.get(at(ticket))
        http.cookies.clear()
        response = await http.get(at(ticket))
        assert response.status_code == 403
        assert "has been used" in response.text
        assert "flowtape token --link" in response.text
        assert "set-cookie" not in response.headers
        assert ticket not in response.text
        is_plain(response)

    serve(settings, scenario)


def test_of_many_landings_at_once_one_gets_the_cookie(settings: Settings) -> None:
    async def scenario(http: httpx.AsyncClient, access: Access) -> None:
        ticket = mint(access, "ann", "premium")
        responses = await asyncio.gather(*(http.get(at(ticket)) for _ in range(20)))
        assert sorted(response.status_code for response in responses) == [303] + [403] * 19
        assert sum("set-cookie" in response.headers for response in responses) == 1

    serve(settings, scenario)


@pytest.mark.parametrize("ticket", ["", "wrong", "<script>alert(1)</script>", "a.b.c"])
def test_what_is_no_ticket_gets_no_cookie(ticket: str, settings: Settings) -> None:
    async def scenario(http: httpx.AsyncClient, access: Access) -> None:
        response = await http.get("/", params={PARAMETER: ticket})
        assert response.status_code == 403
        assert "set-cookie" not in response.headers
        is_plain(response)

    serve(settings, scenario)


def test_neither_a_token_nor_an_expired_ticket_lands(settings: Settings) -> None:
    async def scenario(http: httpx.AsyncClient, access: Access) -> None:
        for wrong in (access.issue("ann", "pro", 60), mint(access, "ann", "pro", -1)):
            response = await http.get(at(wrong))
            assert response.status_code == 403
            assert "set-cookie" not in response.headers

    serve(settings, scenario)


def test_looking_ahead_does_not_use_a_ticket_up(settings: Settings) -> None:
    async def scenario(http: httpx.AsyncClient, access: Access) -> None:
        ticket = mint(access, "ann", "premium")
        ahead = [
            await http.head(at(ticket)),
            await http.get(at(ticket), headers={"Sec-Purpose": "prefetch;prerender"}),
            await http.get(at(ticket), headers={"Purpose": "prefetch"}),
        ]
        assert [response.status_code for response in ahead] == [204] * 3
        assert not any("set-cookie" in response.headers for response in ahead)
        assert (await http.get(at(ticket))).status_code == 303

    serve(settings, scenario)


def test_without_a_ticket_or_cookie_nobody_is_signed_in(settings: Settings) -> None:
    async def scenario(http: httpx.AsyncClient, access: Access) -> None:
        response = await http.get("/")
        assert response.status_code == 200
        assert "not signed in" in response.text

    serve(settings, scenario)


def test_a_name_is_shown_as_text(settings: Settings) -> None:
    async def scenario(http: httpx.AsyncClient, access: Access) -> None:
        await http.get(at(mint(access, "<img src=x>", "pro")))
        response = await http.get("/")
        assert "&lt;img src=x&gt;" in response.text
        assert "<img" not in response.text

    serve(settings, scenario)


def test_without_redis_the_ticket_stays_good(settings: Settings, tmp_path: Any) -> None:
    tickets = []

    async def without(http: httpx.AsyncClient, access: Access) -> None:
        tickets.append(mint(access, "ann", "premium"))
        response = await http.get(at(tickets[0]))
        assert response.status_code == 503
        assert "again" in response.text
        is_plain(response)

    async def later(http: httpx.AsyncClient, access: Access) -> None:
        assert (await http.get(at(tickets[0]))).status_code == 303

    serve(settings, without, redis_url=f"unix://{tmp_path}/nobody")
    serve(settings, later)


HEADERS = st.lists(
    st.tuples(
        st.sampled_from([b"host", b"origin", b"cookie", b"authorization"]),
        st.binary(max_size=60)
        | st.sampled_from([OWN.encode(), HOST.encode(), b"Bearer x", f"{COOKIE}=x".encode(), b"http://[::1"]),
    ),
    max_size=6,
)


@given(HEADERS, st.sampled_from(["http", "ws", "https", "wss", "x"]))
def test_no_header_is_an_error_of_ours(headers: list[tuple[bytes, bytes]], scheme: str) -> None:
    settings = Settings.load(origins="https://page.example.com")
    given_scope = {"type": "websocket", "scheme": scheme, "headers": headers}
    if cookie_of(given_scope, settings) is not None:
        assert origin_allowed(given_scope, settings)
    if host_allowed(given_scope, settings):
        assert [name for name, _ in headers].count(b"host") == 1
    try:
        asyncio.run(identify(given_scope, settings, Access(settings, SECRET)))
    except AccessError:
        assert any(name == b"authorization" for name, _ in headers)
