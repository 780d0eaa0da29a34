"""Key sets: which keys check which tokens, how seldom they are fetched, and what a provider cannot do to us."""

from __future__ import annotations

import asyncio
import base64
import hmac
import json
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from engine.access import key_set
from engine.access.key_set import ALGORITHMS, FRESH_S, KEY_SET_BYTES, KEYS, REFETCH_S, KeySet, read_keys
from engine.access.tokens import Access
from engine.settings import Settings
from schemas.errors import AccessError, SettingsError
from tests.key_server import KeyServer, Signer, key_server, signer

SECRET = "a secret for tests that is long enough"  # noqa: S105


def claims(**changed: Any) -> dict[str, Any]:
    return {"sub": "ann", "tier": "pro", "exp": int(time.time()) + 600, **changed}


def part(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def serve(
    scenario: Callable[[KeyServer, Access], Awaitable[None]],
    *keys: Signer | dict[str, Any],
    secret: str | None = None,
) -> None:
    """Run a scenario with a running key server and an Access that asks it."""

    async def run() -> None:
        async with key_server(*keys) as server:
            access = Access(Settings.load(jwks_url=server.url), secret)
            try:
                await scenario(server, access)
            finally:
                await access.aclose()

    asyncio.run(run())


async def refused(access: Access, token: str) -> AccessError:
    with pytest.raises(AccessError) as caught:
        await access.identify(token)
    return caught.value


def let_time_pass(access: Access, seconds: float) -> None:
    """The key set's fetches become that much older."""
    keys = access._keys
    assert keys is not None
    assert keys._tried_at is not None
    keys._tried_at -= seconds
    if keys._fetched_at is not None:
        keys._fetched_at -= seconds


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_key_of_each_algorithm_checks_its_tokens(algorithm: str) -> None:
    key = signer(algorithm)

    async def scenario(server: KeyServer, access: Access) -> None:
        assert (await access.identify(key.token(claims()))).user == "ann"
        header, _, signature = key.token(claims()).split(".")
        changed = f"{header}.{part(json.dumps(claims(tier='premium')).encode())}.{signature}"
        assert "right key" in (await refused(access, changed)).message
        assert (await refused(access, key.token(claims(exp=1)))).expired

    serve(scenario, key)


def test_a_token_of_another_key_with_a_known_id_is_refused() -> None:
    forger = Signer("one", "RS256", rsa.generate_private_key(65_537, 2_048))

    async def scenario(server: KeyServer, access: Access) -> None:
        assert "right key" in (await refused(access, forger.token(claims()))).message

    serve(scenario, signer("RS256"))


@pytest.mark.parametrize("secret", [None, SECRET])
def test_a_public_key_is_never_a_secret(secret: str | None) -> None:
    key = signer("RS256")
    header = part(json.dumps({"alg": "HS256", "kid": key.kid}).encode())
    body = f"{header}.{part(json.dumps(claims()).encode())}"

    async def scenario(server: KeyServer, access: Access) -> None:
        for known in (key.public_pem, key.public_pem.strip(), json.dumps(key.jwk).encode(), server.body):
            forged = f"{body}.{part(hmac.digest(known, body.encode(), 'sha256'))}"
            await refused(access, forged)
        assert server.fetched == 0

    serve(scenario, key, secret=secret)


@pytest.mark.parametrize("named", ["PS256", "RS512", "ES256", "EdDSA", "none", "HS256"])
def test_a_token_cannot_choose_the_algorithm_of_a_key(named: str) -> None:
    key = signer("RS256")

    async def scenario(server: KeyServer, access: Access) -> None:
        if named in ("PS256", "RS512"):
            forged = jwt.encode(claims(), key.private, named, headers={"kid": key.kid})
        else:
            header = part(json.dumps({"alg": named, "kid": key.kid}).encode())
            forged = f"{header}.{key.token(claims()).partition('.')[2]}"
        reason = "expected RS256" if named in ("none", "HS256") else f"not for {named}"
        assert reason in (await refused(access, forged)).message
        assert (await access.identify(key.token(claims()))).user == "ann"

    serve(scenario, key)


def test_a_key_without_alg_is_for_rs256_or_the_one_of_its_curve() -> None:
    bare = [
        {
            name: value
            for name, value in signer(algorithm, algorithm).jwk.items()
            if name not in ("alg", "use")
        }
        for algorithm in ("RS256", "ES384", "EdDSA")
    ]
    keys = read_keys(json.dumps({"keys": bare}).encode())
    assert set(keys) == {("RS256", "RS256"), ("ES384", "ES384"), ("EdDSA", "EdDSA")}


def test_secret_and_key_set_each_check_their_own_kind() -> None:
    key = signer("ES256")

    async def scenario(server: KeyServer, access: Access) -> None:
        assert (await access.identify(access.issue("bob", "free", 60))).user == "bob"
        assert server.fetched == 0
        assert (await access.identify(key.token(claims()))).user == "ann"
        # A token of the secret that names a key is still one of the secret.
        named = jwt.encode(claims(), SECRET, "HS256", headers={"kid": key.kid})
        assert (await access.identify(named)).user == "ann"

    serve(scenario, key, secret=SECRET)


@pytest.mark.parametrize("kid", [None, "", "x" * 1_000])
def test_a_token_that_names_no_key_is_refused_without_a_fetch(kid: str | None) -> None:
    key = signer("RS256")
    token = jwt.encode(claims(), key.private, "RS256", headers={} if kid is None else {"kid": kid})

    async def scenario(server: KeyServer, access: Access) -> None:
        assert "`kid`" in (await refused(access, token)).message
        assert server.fetched == 0

    serve(scenario, key)


def test_a_key_that_the_issuer_does_not_have_is_refused_for_good() -> None:
    async def scenario(server: KeyServer, access: Access) -> None:
        error = await refused(access, signer("RS256", "unknown").token(claims()))
        assert "issuer does not have" in error.message
        assert not error.temporary

    serve(scenario, signer("RS256"))


def test_a_flood_of_unknown_keys_makes_one_fetch_an_interval() -> None:
    key = signer("RS256")
    tokens = [jwt.encode(claims(), key.private, "RS256", headers={"kid": f"k{n}"}) for n in range(50)]

    async def scenario(server: KeyServer, access: Access) -> None:
        server.answering.clear()
        flood = [asyncio.create_task(refused(access, token)) for token in tokens]
        await server.asked.wait()
        server.answering.set()
        await asyncio.gather(*flood)
        for token in tokens:
            assert (await refused(access, token)).temporary
        assert server.fetched == 1
        assert (await access.identify(key.token(claims()))).user == "ann"
        let_time_pass(access, REFETCH_S)
        for token in tokens:
            await refused(access, token)
        assert server.fetched == 2

    serve(scenario, key)


def test_a_new_key_is_fetched_when_a_token_names_it_and_the_withdrawn_one_is_refused() -> None:
    old, new = signer("ES256", "old"), signer("ES256", "new")

    async def scenario(server: KeyServer, access: Access) -> None:
        assert (await access.identify(old.token(claims()))).user == "ann"
        server.publish(old, new)
        assert (await refused(access, new.token(claims()))).temporary
        let_time_pass(access, REFETCH_S)
        assert (await access.identify(new.token(claims()))).user == "ann"
        assert (await access.identify(old.token(claims()))).user == "ann"
        server.publish(new)
        let_time_pass(access, FRESH_S)
        # The stale set still answers at once; the fetch that this token began brings the new one.
        assert (await access.identify(old.token(claims()))).user == "ann"
        fetching = access._keys and access._keys._fetching
        assert fetching
        await fetching
        assert not (await refused(access, old.token(claims()))).expired
        assert (await access.identify(new.token(claims()))).user == "ann"

    serve(scenario, old)


@pytest.mark.parametrize(
    ("status", "headers", "body"),
    [
        ("500 Internal Server Error", "", b"{}"),
        ("404 Not Found", "", b"{}"),
        ("200 OK", "", b""),
        ("200 OK", "", b"[]"),
        ("200 OK", "", b'{"keys": 5}'),
        ("200 OK", "", b"\xff\xfe"),
        ("200 OK", "", b"[" * 100_000),
        ("200 OK", "", b'{"keys": [' + b" " * KEY_SET_BYTES + b"]}"),
        ("200 OK", "Content-Encoding: gzip\r\n", b"\x1f\x8b\x08\x00"),
        ("200 OK", "Content-Length: 5000\r\n", b"{"),
    ],
)
def test_old_keys_work_while_the_server_is_away(
    status: str, headers: str, body: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    key = signer("ES256")

    async def scenario(server: KeyServer, access: Access) -> None:
        await access.identify(key.token(claims()))
        server.status, server.headers, server.body = status, headers, body
        let_time_pass(access, FRESH_S)
        error = await refused(access, signer("ES256", "unknown").token(claims()))
        assert error.temporary
        assert server.fetched == 2
        assert (await access.identify(key.token(claims()))).user == "ann"

    serve(scenario, key)
    assert "127.0.0.1" in caplog.text
    assert "eyJ" not in caplog.text


def test_a_redirect_is_not_followed() -> None:
    key = signer("ES256")

    async def scenario(server: KeyServer, access: Access) -> None:
        async with key_server(key) as elsewhere:
            server.status, server.headers = "302 Found", f"Location: {elsewhere.url}\r\n"
            assert (await refused(access, key.token(claims()))).temporary
            assert (server.fetched, elsewhere.fetched) == (1, 0)

    serve(scenario)


def test_a_client_that_follows_redirects_does_not_follow_this_one() -> None:
    key = signer("ES256")

    async def run() -> None:
        async with (
            key_server(key) as elsewhere,
            key_server() as server,
            httpx.AsyncClient(follow_redirects=True) as http,
        ):
            server.status, server.headers = "302 Found", f"Location: {elsewhere.url}\r\n"
            access = Access(Settings.load(jwks_url=server.url), None, http)
            assert (await refused(access, key.token(claims()))).temporary
            await access.aclose()
            assert not http.is_closed
            assert elsewhere.fetched == 0

    asyncio.run(run())


def test_a_set_without_end_is_given_up() -> None:
    async def scenario(server: KeyServer, access: Access) -> None:
        server.endless = True
        assert (await refused(access, signer("ES256").token(claims()))).temporary

    serve(scenario, signer("ES256"))


def test_a_server_that_does_not_answer_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_set, "FETCH_S", 0.2)

    async def scenario(server: KeyServer, access: Access) -> None:
        server.answering.clear()
        assert (await refused(access, signer("ES256").token(claims()))).temporary

    serve(scenario, signer("ES256"))


def test_a_server_that_answers_in_drops_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_set, "FETCH_S", 0.5)

    async def scenario(server: KeyServer, access: Access) -> None:
        server.endless, server.pause_s = True, 0.02
        assert (await refused(access, signer("ES256").token(claims()))).temporary

    async def within() -> None:
        # Each drop is in time; without a bound for all of them the fetch would never end.
        async with asyncio.timeout(60), key_server(signer("ES256")) as server:
            access = Access(Settings.load(jwks_url=server.url), None)
            await scenario(server, access)
            await access.aclose()

    asyncio.run(within())


def test_a_key_set_is_asked_for_unpacked() -> None:
    async def scenario(server: KeyServer, access: Access) -> None:
        await access.identify(signer("ES256").token(claims()))
        assert b"accept-encoding: identity\r\n" in server.request.lower()

    serve(scenario, signer("ES256"))


def test_a_caller_that_gives_up_does_not_end_the_fetch_of_others() -> None:
    key = signer("ES256")

    async def scenario(server: KeyServer, access: Access) -> None:
        server.answering.clear()
        first = asyncio.create_task(access.identify(key.token(claims())))
        await server.asked.wait()
        second = asyncio.create_task(access.identify(key.token(claims())))
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        server.answering.set()
        assert (await second).user == "ann"
        assert server.fetched == 1

    serve(scenario, key)


def test_closing_ends_a_fetch_under_way() -> None:
    async def scenario(server: KeyServer, access: Access) -> None:
        server.answering.clear()
        waiting = asyncio.create_task(access.identify(signer("ES256").token(claims())))
        await server.asked.wait()
        await access.aclose()
        with pytest.raises(asyncio.CancelledError):
            await waiting

    serve(scenario, signer("ES256"))


def changed(**members: Any) -> dict[str, Any]:
    jwk = {**signer("RS256").jwk, **members}
    return {name: value for name, value in jwk.items() if value is not ...}


SHORT = rsa.generate_private_key(65_537, 1_024)  # noqa: S505


@pytest.mark.parametrize(
    "entry",
    [
        5,
        None,
        [],
        {},
        changed(use="enc"),
        changed(use=5),
        changed(key_ops=["sign"]),
        changed(key_ops="verify"),
        changed(kid=...),
        changed(kid=5),
        changed(kid="x" * 1_000),
        changed(kty=...),
        changed(kty="EC"),
        changed(kty=["RSA"]),
        changed(alg="HS256"),
        changed(alg="none"),
        changed(alg="ES256"),
        changed(alg="RSA-OAEP"),
        changed(alg=["RS256"]),
        changed(n=...),
        changed(n=5),
        changed(n="!!"),
        changed(e="AA"),
        changed(d="AQAB"),
        signer("RS256").private_jwk,
        signer("ES256").private_jwk,
        signer("EdDSA").private_jwk,
        {"kty": "oct", "kid": "one", "k": part(SECRET.encode()), "alg": "HS256"},
        {"kty": "oct", "kid": "one", "k": part(SECRET.encode())},
        {"kty": "OKP", "crv": "X25519", "kid": "one", "x": part(bytes(32))},
        {"kty": "EC", "crv": "P-256", "kid": "one", "x": part(bytes(32)), "y": part(bytes(32))},
        {**signer("ES384").jwk, "alg": "ES256"},
        {**signer("ES256").jwk, "crv": ["P-256"]},
        Signer("one", "RS256", SHORT).jwk,
    ],
)
def test_an_entry_that_is_no_sound_public_key_for_signatures_is_left_out(entry: Any) -> None:
    sound = signer("ES256", "sound")
    keys = read_keys(json.dumps({"keys": [entry, sound.jwk]}).encode())
    assert set(keys) == {("sound", "ES256")}


def test_a_set_of_many_keys_is_cut_off() -> None:
    entries = [{**signer("ES256").jwk, "kid": f"k{n}"} for n in range(KEYS + 5)]
    assert len(read_keys(json.dumps({"keys": entries}).encode())) == KEYS


@pytest.mark.parametrize(
    ("known", "fetched", "tried", "expected"),
    [
        (False, None, None, True),
        (False, 100.0, 100.0, True),
        (True, 100.0, 100.0, False),
        (True, 200.0 - FRESH_S, 200.0 - FRESH_S, True),
        (False, 100.0, 200.0 - REFETCH_S / 2, False),
        (True, 200.0 - FRESH_S, 200.0 - REFETCH_S / 2, False),
        (False, None, 200.0 - REFETCH_S / 2, False),
        (False, None, 200.0 - REFETCH_S, True),
    ],
)
def test_when_a_fetch_is_due(known: bool, fetched: float | None, tried: float | None, expected: bool) -> None:
    keys = KeySet("https://id.example.com/jwks.json")
    keys._fetched_at, keys._tried_at = fetched, tried
    assert keys.must_fetch(known, 200.0) is expected
    asyncio.run(keys.aclose())


@pytest.mark.parametrize(
    "url", ["", "jwks.json", "file:///etc/passwd", "ftp://id.example.com/jwks", "https:///x"]
)
def test_an_address_that_cannot_be_fetched_is_a_wrong_setting(url: str) -> None:
    with pytest.raises(SettingsError, match="FLOWTAPE_JWKS_URL"):
        KeySet(url)


def test_an_address_without_encryption_is_warned_of_unless_it_stays_here(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.WARNING)
    asyncio.run(KeySet("http://127.0.0.1:1/jwks.json").aclose())
    assert not caplog.records
    asyncio.run(KeySet("http://id.example.com/jwks.json").aclose())
    assert "not https" in caplog.text
