"""`/v1/session` on a real gateway: who is signed in, the cookie and its time, and who may sign nobody in."""

from __future__ import annotations

import time
from http.cookies import SimpleCookie
from typing import Any

import httpx
import msgspec
import pytest

from engine.settings import Settings
from schemas.messages import Welcome
from tests.gateways import Gateway, gateway, run
from tests.http_gateway import Client, asking
from web import session as module
from web.access import COOKIE, SECURE_COOKIE
from web.session import BODY_BYTES, COOKIE_BYTES

OWN = {"Origin": "http://127.0.0.1:8000"}


def cookie_in(answer: httpx.Response) -> Any:
    """The one cookie that an answer sets, with its attributes."""
    [header] = answer.headers.get_list("set-cookie")
    # Over https it has the name that no other host can give.
    return SimpleCookie(header)[SECURE_COOKIE if answer.url.scheme == "https" else COOKIE]


async def sign_in(ask: Client, token: str, **headers: str) -> httpx.Response:
    return await ask.http.put("/v1/session", json={"token": token}, headers=headers)


def test_a_session_says_who_what_and_until_when_as_welcome_does(settings: Settings) -> None:
    async def scenario(running: Gateway) -> None:
        for tier in ("free", "pro", "premium"):
            token = running.token(tier)
            async with running.connected(token) as peer:
                welcome = await peer.expect(Welcome)
            async with httpx.AsyncClient(base_url=f"http://{running.address}") as http:
                answer = await http.get("/v1/session", headers={"Authorization": f"Bearer {token}"})
            said = answer.json()
            assert (said["user"], said["tier"]) == (welcome.user, welcome.tier) == ("ann", tier)
            assert said["limits"] == msgspec.to_builtins(welcome.limits)
            assert 590 < said["expires"] - time.time() <= 600
            assert answer.headers["cache-control"] == "no-store"
            assert "set-cookie" not in answer.headers

    async def within() -> None:
        async with gateway(settings) as running:
            await scenario(running)

    run(within())


def test_who_is_not_signed_in_is_told_so(settings: Settings) -> None:
    async def work(ask: Client) -> None:
        answer = await ask.http.get("/v1/session")
        assert (answer.status_code, answer.json()["type"]) == (401, "urn:flowtape:problem:access")

    asking(settings, work)


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_token_becomes_a_cookie_that_lasts_as_long(settings: Settings, scheme: str) -> None:
    async def work(ask: Client) -> None:
        ask.http.base_url = httpx.URL(f"{scheme}://127.0.0.1:8000")
        token = ask.services.access.issue("ann", "pro", 1_234)
        signed_in = await sign_in(ask, token, Origin=f"{scheme}://127.0.0.1:8000")
        assert signed_in.status_code == 200, signed_in.text
        cookie = cookie_in(signed_in)
        assert cookie.value == token
        assert cookie["httponly"]
        assert cookie["samesite"] == "strict"
        assert cookie["path"] == "/"
        assert bool(cookie["secure"]) is (scheme == "https")
        assert 1_224 < int(cookie["max-age"]) <= 1_234
        # httpx keeps the cookie, as a browser does.
        read = await ask.http.get("/v1/session")
        assert read.json() == signed_in.json()
        assert token not in signed_in.text

        gone = await ask.http.delete("/v1/session", headers={"Sec-Fetch-Site": "same-origin"})
        assert (gone.status_code, gone.content) == (204, b"")
        assert (cookie_in(gone).value, cookie_in(gone)["max-age"]) == ("", "0")
        assert (await ask.http.get("/v1/session")).status_code == 401

    asking(settings, work)


def test_a_cookie_that_is_no_good_any_more_can_be_taken_back(settings: Settings) -> None:
    async def work(ask: Client) -> None:
        ask.http.cookies.set(COOKIE, "nonsense", domain="127.0.0.1")
        assert (await ask.http.get("/v1/session")).status_code == 401
        assert (await ask.http.delete("/v1/session", headers=OWN)).status_code == 204
        assert COOKIE not in ask.http.cookies

    asking(settings, work)


def test_a_token_that_is_refused_sets_no_cookie(settings: Settings) -> None:
    async def work(ask: Client) -> None:
        for token in ("nonsense", "", ask.services.access.issue("ann", "pro", 600)[:-2]):
            answer = await sign_in(ask, token)
            assert (answer.status_code, answer.json()["type"]) == (401, "urn:flowtape:problem:access")
            assert "set-cookie" not in answer.headers

    asking(settings, work)


def test_a_token_longer_than_a_cookie_is_refused_with_the_reason(settings: Settings) -> None:
    async def work(ask: Client) -> None:
        answer = await sign_in(ask, "a" * COOKIE_BYTES)
        assert answer.status_code == 400
        assert f"{COOKIE_BYTES}" in answer.json()["detail"]

    asking(settings, work)


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:8001"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {**OWN, "Sec-Fetch-Site": "cross-site"},
        {"Origin": "https://evil.example", "Sec-Fetch-Site": "same-origin"},
    ],
)
def test_another_sites_page_signs_nobody_in_or_out(settings: Settings, headers: dict[str, str]) -> None:
    async def work(ask: Client) -> None:
        token = ask.services.access.issue("mallory", "pro", 600)
        for answer in (
            await sign_in(ask, token, **headers),
            await ask.http.delete("/v1/session", headers=headers),
        ):
            assert (answer.status_code, answer.json()["type"]) == (403, "urn:flowtape:problem:origin")
            assert "set-cookie" not in answer.headers

    asking(settings, work)


@pytest.mark.parametrize(
    "headers", [{}, OWN, {**OWN, "Sec-Fetch-Site": "same-origin"}, {"Sec-Fetch-Site": "none"}]
)
def test_the_gateways_own_page_and_programs_sign_in(settings: Settings, headers: dict[str, str]) -> None:
    async def work(ask: Client) -> None:
        token = ask.services.access.issue("ann", "pro", 600)
        assert (await sign_in(ask, token, **headers)).status_code == 200
        assert (await ask.http.delete("/v1/session", headers=headers)).status_code == 204

    asking(settings, work)


def test_a_page_of_a_listed_origin_behind_a_proxy_signs_in(settings: Settings) -> None:
    async def work(ask: Client) -> None:
        token = ask.services.access.issue("ann", "pro", 600)
        answer = await sign_in(ask, token, Origin="https://flow.example.com")
        assert answer.status_code == 200

    asking(settings, work, origins="https://flow.example.com")


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        (b'{"token": "x"}', "text/plain", 415),
        (b'{"token": "x"}', "application/x-www-form-urlencoded", 415),
        (b'{"token": "x"}', "", 415),
        (b'{"token": "x"}', "Application/JSON; charset=utf-8", 401),
        (b"", "application/json", 400),
        (b"[]", "application/json", 400),
        (b'{"token": 5}', "application/json", 400),
        (b'{"token": "x", "tier": "premium"}', "application/json", 400),
        (b'{"token": "\xff"}', "application/json", 400),
        (b"[" * 5_000, "application/json", 400),
        (b" " * (BODY_BYTES + 1), "application/json", 413),
    ],
    ids=str,
)
def test_a_body_that_is_no_sign_in_is_refused(
    settings: Settings, body: bytes, content_type: str, status: int
) -> None:
    async def work(ask: Client) -> None:
        answer = await ask.http.put("/v1/session", content=body, headers={"Content-Type": content_type})
        assert answer.status_code == status, answer.text
        assert answer.headers["content-type"] == "application/problem+json"
        assert "set-cookie" not in answer.headers

    asking(settings, work)


def test_one_address_signs_in_so_often_and_one_user_asks_so_often(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SIGN_INS_PER_MINUTE", 3)
    monkeypatch.setattr(module, "SESSIONS_PER_MINUTE", 2)

    async def work(ask: Client) -> None:
        for _ in range(2):
            assert (await sign_in(ask, "nonsense")).status_code == 401
        assert (await ask.http.delete("/v1/session")).status_code == 204
        refused = await sign_in(ask, ask.services.access.issue("ann", "pro", 600))
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "20")
        # What another site's page tries counts against nobody.
        assert (await ask.http.delete("/v1/session", headers={"Origin": "null"})).status_code == 403

        assert [(await ask.get("/v1/session")).status_code for _ in range(3)] == [200, 200, 429]
        assert (await ask.get("/v1/session", user="bob")).status_code == 200

    asking(settings, work)
