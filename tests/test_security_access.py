"""Who is not let in, over real sockets: each refusal has its close code, and nothing is sent before it."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from typing import Any

import httpx
import jwt
import pytest
import redis
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from engine.access.tickets import PARAMETER, mint
from engine.settings import Settings
from schemas.messages import JSON, MSGPACK, CloseCode, Hello, Ping, Subscribe, Welcome
from tests.attacks import refused, watched
from tests.gateways import Gateway, run
from tests.http_gateway import SECRET
from tests.key_server import key_server, signer
from web import stream
from web.access import COOKIE

FOREIGN = "https://evil.example"


def claims(**changes: Any) -> dict[str, Any]:
    """Claims of a premium user, with changes; None leaves one out."""
    made = {"sub": "ann", "tier": "premium", "exp": int(time.time()) + 600, **changes}
    return {name: value for name, value in made.items() if value is not None}


def encoded(part: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()


def tampered(token: str, **changes: Any) -> str:
    """A token whose payload was changed after it was signed."""
    head, body, signature = token.split(".")
    payload = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    return f"{head}.{encoded(payload | changes)}.{signature}"


def signed_by_hand(header: dict[str, Any], key: bytes, algorithm: str) -> str:
    """A premium token with a header and key that no library would sign with."""
    signing = f"{encoded(header)}.{encoded(claims())}"
    signature = jwt.get_algorithm_by_name(algorithm).sign(signing.encode(), key)
    return f"{signing}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


FORGED = {
    "no token": "",
    "another secret": jwt.encode(claims(), "another secret that is long enough too", "HS256"),
    "expired": jwt.encode(claims(exp=1_000_000_000), SECRET, "HS256"),
    "no alg": f"{encoded({'typ': 'JWT'})}.{encoded(claims())}.",
    "alg none": f"{encoded({'alg': 'none'})}.{encoded(claims())}.",
    "alg NoNe with a signature": f"{encoded({'alg': 'NoNe'})}.{encoded(claims())}.c2lnbmF0dXJl",
    "HS512 of the secret": signed_by_hand({"alg": "HS512"}, SECRET.encode(), "HS512"),
    "free made premium": tampered(jwt.encode(claims(tier="free"), SECRET, "HS256"), tier="premium"),
    "another user": tampered(jwt.encode(claims(), SECRET, "HS256"), sub="bob"),
    "an unknown tier": jwt.encode(claims(tier="root"), SECRET, "HS256"),
    "no expiry": jwt.encode(claims(exp=None), SECRET, "HS256"),
    "an empty user": jwt.encode(claims(sub=""), SECRET, "HS256"),
    "a user with a line": jwt.encode(claims(sub="ann\nbob"), SECRET, "HS256"),
    "two parts": "a.b",
    "noise": "\x01\x02",
}


def test_a_forged_or_useless_token_lets_nobody_in(settings: Settings) -> None:
    async def scenario() -> None:
        async with watched(settings, messages_per_minute=1_000) as running:
            for name, token in FORGED.items():
                for encoding in (MSGPACK, JSON):
                    async with running.connected(encoding=encoding) as peer:
                        await peer.say(Hello(token))
                        assert await refused(peer) == CloseCode.NOT_AUTHENTICATED, name
                if token.isprintable() and token:
                    async with running.connected(token) as peer:
                        assert await refused(peer) == CloseCode.NOT_AUTHENTICATED, name
            assert not running.services.hub.sessions

    run(scenario())


def test_the_providers_public_key_signs_nothing(settings: Settings) -> None:
    async def scenario() -> None:
        own = signer("RS256")
        async with key_server(own) as served, watched(settings, jwks_url=served.url) as running:
            for public in (own.public_pem, json.dumps(own.jwk).encode()):
                forged = signed_by_hand({"alg": "HS256", "kid": own.kid}, public, "HS256")
                async with running.connected(forged) as peer:
                    assert await refused(peer) == CloseCode.NOT_AUTHENTICATED
            async with running.connected(own.token(claims())) as peer:
                await peer.expect(Welcome)

    run(scenario())


def test_a_key_set_that_is_away_sends_clients_off_to_come_back(settings: Settings) -> None:
    async def scenario() -> None:
        own = signer("RS256")
        async with key_server(own) as served, watched(settings, jwks_url=served.url) as running:
            served.status = "503 Service Unavailable"
            async with running.connected(own.token(claims())) as peer:
                assert await refused(peer) == CloseCode.GOING_AWAY

    run(scenario())


def test_without_a_hello_in_time_or_with_another_message_nobody_gets_in(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "HELLO_S", 0.5)

    async def scenario() -> None:
        async with watched(settings) as running:
            async with running.connected() as silent:
                assert await refused(silent) == CloseCode.NOT_AUTHENTICATED
            monkeypatch.setattr(stream, "HELLO_S", 30.0)
            for message in (Subscribe("a", {}), Ping(1), Hello()):
                async with running.connected() as peer:
                    await peer.say(message)
                    assert await refused(peer) == CloseCode.NOT_AUTHENTICATED
            for nonsense in (b"\xc1", b"", b"\x80" * 70_000):
                async with running.connected() as peer:
                    await peer.socket.send(nonsense)
                    assert await refused(peer) == CloseCode.BAD_MESSAGE

    run(scenario())


def test_a_token_in_the_address_counts_for_nothing(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "HELLO_S", 0.3)

    async def scenario() -> None:
        async with watched(settings) as running:
            token = running.token()
            for name in ("token", "access_token", "authorization", "jwt"):
                async with connect(f"{running.url}?{name}={token}", compression=None) as socket:
                    await socket.wait_closed()
                    assert socket.close_code == CloseCode.NOT_AUTHENTICATED
            async with httpx.AsyncClient(base_url=f"http://{running.address}") as http:
                for name in ("token", "access_token", "ticket"):
                    assert (await http.get("/v1/trades", params={name: token})).status_code == 401

    run(scenario())


def test_a_foreign_page_or_name_is_not_let_in_whatever_it_bears(settings: Settings) -> None:
    async def scenario() -> None:
        async with watched(settings, origins=("https://flow.example.com",)) as running:
            token = running.token()
            for origin in (
                FOREIGN,
                "null",
                "https://flow.example.com.evil.example",
                f"http://{running.address}0",
            ):
                async with running.connected(token, headers={"Origin": origin}) as peer:
                    assert await refused(peer) == CloseCode.FORBIDDEN, origin
            for origin in (f"http://{running.address}", "https://flow.example.com"):
                async with running.connected(token, headers={"Origin": origin}) as peer:
                    await peer.expect(Welcome)
            port = running.address.rpartition(":")[2]
            rebound = f"ws://evil.example:{port}/v1/stream"
            async with connect(
                rebound, host="127.0.0.1", additional_headers={"Authorization": f"Bearer {token}"}
            ) as socket:
                await socket.wait_closed()
                assert socket.close_code == CloseCode.FORBIDDEN

    run(scenario())


def test_a_cookie_counts_for_programs_and_our_own_pages_and_for_no_other_page(settings: Settings) -> None:
    async def scenario() -> None:
        async with watched(settings) as running:
            cookie = {"Cookie": f"{COOKIE}={running.token()}"}
            own = f"http://{running.address}"
            pages: dict[str, dict[str, str]] = {
                origin: {"Origin": origin} for origin in (own, FOREIGN, "null")
            }
            for origin, page in {"": {}, **pages}.items():
                ours = origin in ("", own)
                async with running.connected(headers={**cookie, **page}) as peer:
                    if ours:
                        await peer.expect(Welcome)
                    else:
                        assert await refused(peer) == CloseCode.FORBIDDEN, origin
                async with httpx.AsyncClient(base_url=own, headers={**cookie, **page}) as http:
                    saved = await http.put("/v1/channels/a", json={"filter": "SPY"})
                    deleted = await http.delete("/v1/channels/a")
                    statuses = (saved.status_code, deleted.status_code)
                    assert statuses == ((201, 204) if ours else (401, 401)), origin

    run(scenario())


def test_a_ticket_lets_one_in_once_and_is_no_token(settings: Settings, client: redis.Redis) -> None:
    async def scenario() -> None:
        async with watched(settings) as running:
            ticket = mint(running.services.access, "ann", "premium")
            async with running.connected(ticket) as peer:
                assert await refused(peer) == CloseCode.NOT_AUTHENTICATED

            async def land() -> httpx.Response:
                async with httpx.AsyncClient(base_url=f"http://{running.address}") as http:
                    return await http.get("/", params={PARAMETER: ticket})

            answers = await asyncio.gather(*(land() for _ in range(8)))
            assert sorted(answer.status_code for answer in answers) == [303] + [403] * 7
            assert sum(COOKIE in answer.cookies for answer in answers) == 1
            assert not any(ticket in answer.text + str(answer.headers) for answer in answers)
            assert not any(ticket.encode() in key for key in client.scan_iter())

    run(scenario())


def test_a_refused_token_is_not_sent_back(settings: Settings) -> None:
    async def scenario() -> None:
        async with watched(settings) as running:
            for token in FORGED.values():
                async with running.connected() as peer:
                    await peer.say(Hello(token))
                    await peer.closed()
                    assert len(token) < 5 or token not in (peer.socket.close_reason or "")

    run(scenario())


async def status(running: Gateway, path: str) -> int:
    """The status that a handshake on another path is refused with."""
    with pytest.raises(InvalidStatus) as refusal:
        await connect(f"ws://{running.address}{path}")
    return refusal.value.response.status_code


def test_a_subprotocol_that_nobody_speaks_is_refused(settings: Settings) -> None:
    async def scenario() -> None:
        async with watched(settings) as running:
            token = running.token()
            async with connect(
                running.url,
                subprotocols=["flowtape.v9"],  # type: ignore[list-item]
                additional_headers={"Authorization": f"Bearer {token}"},
            ) as socket:
                await socket.wait_closed()
                assert socket.close_code == CloseCode.BAD_MESSAGE
            assert await status(running, "/v1/other") == 403

    run(scenario())
