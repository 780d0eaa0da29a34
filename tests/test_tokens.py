"""Tokens: what lets a bearer in, and all that does not."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from typing import Any

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.access.tickets import mint
from engine.access.tokens import LEEWAY_S, TOKEN_BYTES, USER_LENGTH, Access, Identity
from engine.settings import Settings
from schemas.errors import AccessError, SettingsError
from schemas.tier import TIERS
from tests.key_server import signer

SECRET = "a secret for tests that is long enough"  # noqa: S105


def access(secret: str | None = SECRET, **settings: Any) -> Access:
    return Access(Settings.load(**settings), secret)


def identify(token: str, within: Access | None = None) -> Identity:
    return asyncio.run((within or access()).identify(token))


def refused(token: str, within: Access | None = None) -> AccessError:
    with pytest.raises(AccessError) as caught:
        identify(token, within)
    return caught.value


def claims(**changed: Any) -> dict[str, Any]:
    whole = {"sub": "ann", "tier": "pro", "exp": int(time.time()) + 600, **changed}
    return {name: value for name, value in whole.items() if value is not ...}


def signed(secret: str = SECRET, algorithm: str = "HS256", **changed: Any) -> str:
    return jwt.encode(claims(**changed), secret.encode().ljust(64, b"\0"), algorithm)


def part(content: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).rstrip(b"=").decode()


def test_an_issued_token_says_who_its_bearer_is() -> None:
    before = int(time.time())
    identity = identify(access().issue("ann", "premium", 60))
    assert (identity.user, identity.tier) == ("ann", TIERS["premium"])
    assert before + 60 <= identity.expires <= time.time() + 60


def test_a_token_of_another_library_is_taken() -> None:
    assert identify(signed()).user == "ann"


def test_a_tier_of_the_settings_comes_with_its_overrides() -> None:
    within = access(tiers={"pro": {"rows": 7}})
    assert identify(signed(), within).tier.rows == 7


def test_an_expired_token_is_refused_as_such() -> None:
    error = refused(signed(exp=int(time.time()) - 1))
    assert error.expired
    assert "expired" in error.message


def test_a_token_expired_long_ago_and_tampered_with_is_not_called_expired() -> None:
    assert not refused(signed("another secret that is long enough too", exp=1)).expired


@pytest.mark.parametrize("claim", ["nbf", "iat"])
def test_a_token_of_the_future_is_refused(claim: str) -> None:
    error = refused(signed(**{claim: int(time.time()) + LEEWAY_S + 60}))
    assert "not valid yet" in error.message
    assert not error.expired


def test_an_issuer_whose_clock_is_a_little_ahead_is_taken() -> None:
    assert identify(signed(iat=int(time.time()) + LEEWAY_S // 2)).user == "ann"


def test_a_token_signed_with_another_secret_is_refused() -> None:
    assert "right key" in refused(signed("another secret that is long enough too")).message


@pytest.mark.parametrize("changed", [{"tier": "premium"}, {"sub": "bob"}, {"exp": 9_999_999_999}])
def test_a_payload_that_was_changed_is_refused(changed: dict[str, Any]) -> None:
    header, _, signature = signed().split(".")
    assert "right key" in refused(f"{header}.{part(claims(**changed))}.{signature}").message


@pytest.mark.parametrize("name", ["none", "None", "NONE", "nOnE", "", None, 5, ["HS256"], {"a": 1}])
def test_a_token_without_a_signature_is_refused(name: object) -> None:
    body = f"{part({'alg': name, 'typ': 'JWT'})}.{part(claims())}"
    for signature in ("", "AA", signed().rpartition(".")[2]):
        assert not refused(f"{body}.{signature}").expired


def test_a_token_without_alg_is_refused() -> None:
    _, body, signature = signed().split(".")
    refused(f"{part({'typ': 'JWT'})}.{body}.{signature}")


@pytest.mark.parametrize("algorithm", ["HS384", "HS512"])
def test_the_secret_checks_one_algorithm_alone(algorithm: str) -> None:
    assert "expected HS256" in refused(signed(algorithm=algorithm)).message


@pytest.mark.parametrize("missing", ["sub", "tier", "exp"])
def test_a_token_that_lacks_a_claim_is_refused_by_its_name(missing: str) -> None:
    assert f"`{missing}`" in refused(signed(**{missing: ...})).message
    assert f"`{missing}`" in refused(signed(**{missing: None})).message


@pytest.mark.parametrize("tier", [5, True, [], {}, "", "PRO", "gold", ["pro"]])
def test_an_unknown_tier_is_refused_and_the_known_are_named(tier: object) -> None:
    error = refused(signed(tier=tier))
    assert "free, premium, pro" in str(error)


@pytest.mark.parametrize(
    "user", ["", "x" * (USER_LENGTH + 1), "a\nb", "a\0", "a\u202eb", "\ud800", 5, {}, []]
)
def test_a_user_that_is_no_printable_name_is_refused(user: object) -> None:
    header, _, _ = signed().split(".")
    body = f"{header}.{part(claims(sub=user))}"
    signature = jwt.get_algorithm_by_name("HS256").sign(body.encode(), SECRET.encode())
    refused(f"{body}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}")


@pytest.mark.parametrize("user", ["a", "x" * USER_LENGTH, "Ann Lee", "ann@example.com", "安", "a:}{b"])
def test_any_printable_name_is_a_user(user: str) -> None:
    assert identify(access().issue(user, "free", 60)).user == user


@pytest.mark.parametrize(
    "expiry", ["9999999999", True, [], {}, 1e300, 10**30, float("nan"), float("inf"), -1, "soon"]
)
def test_an_expiry_that_is_no_time_is_refused(expiry: object) -> None:
    refused(signed(exp=expiry))


def test_a_fraction_of_a_second_in_the_expiry_is_cut_off() -> None:
    assert identify(signed(exp=4_000_000_000.75)).expires == 4_000_000_000


def test_a_huge_token_is_refused_unread() -> None:
    huge = signed(more="x" * TOKEN_BYTES)
    assert str(TOKEN_BYTES) in refused(huge).message
    assert identify(signed(more="x" * 1_000)).user == "ann"


@pytest.mark.parametrize(
    "text", ["", ".", "..", "...", "a.b.c", "a" * 500, "é.é.é", "\ud800", f"{'[' * 4000}", "{}.{}.{}", " "]
)
def test_what_is_no_token_is_refused(text: str) -> None:
    refused(text)


@pytest.mark.parametrize(
    "header", [[], "x", 5, None, {"alg": "HS256", "kid": 5}, {"alg": "HS256", "crit": ["x"]}]
)
def test_a_header_that_is_none_is_refused(header: object) -> None:
    refused(f"{part(header)}.{part(claims())}.AA")


@pytest.mark.parametrize("payload", [[], "x", 5, None])
def test_a_payload_that_is_no_object_is_refused(payload: object) -> None:
    body = f"{part({'alg': 'HS256'})}.{part(payload)}"
    signature = jwt.get_algorithm_by_name("HS256").sign(body.encode(), SECRET.encode())
    refused(f"{body}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}")


def test_a_message_holds_nothing_of_the_token() -> None:
    token = signed("another secret that is long enough too")
    assert not any(piece in str(refused(token)) for piece in token.split("."))


def test_issuer_and_audience_are_asked_for_where_they_are_set() -> None:
    within = access(jwt_issuer="https://id.example.com", jwt_audience="flowtape")
    good = {"iss": "https://id.example.com", "aud": ["other", "flowtape"]}
    assert identify(signed(**good), within).user == "ann"
    assert identify(within.issue("ann", "pro", 60), within).user == "ann"
    for wrong in (
        {"iss": "x"},
        {"iss": ...},
        {"aud": "x"},
        {"aud": ...},
        {"aud": 5},
        {"aud": []},
        {"iss": 5},
    ):
        header, _, _ = signed().split(".")
        body = f"{header}.{part(claims(**(good | wrong)))}"
        signature = jwt.get_algorithm_by_name("HS256").sign(body.encode(), SECRET.encode())
        refused(f"{body}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}", within)


def test_any_issuer_and_audience_do_where_none_is_set() -> None:
    assert identify(signed(iss="https://id.example.com", aud="anything")).user == "ann"


def test_a_ticket_is_no_token() -> None:
    for within in (access(), access(jwt_audience="flowtape-ticket")):
        assert "right key" in refused(mint(within, "ann", "pro", 60), within).message


def test_a_short_secret_signs_and_checks_as_it_would_anywhere() -> None:
    token = jwt.encode(claims(), b"short".ljust(32, b"\0"), "HS256")
    body, _, signature = token.rpartition(".")
    own = jwt.get_algorithm_by_name("HS256").sign(body.encode(), b"short")
    assert signature == base64.urlsafe_b64encode(own).rstrip(b"=").decode()
    assert identify(token, access("short")).user == "ann"


def test_issuing_refuses_what_would_be_refused_later() -> None:
    with pytest.raises(AccessError, match="free, premium, pro"):
        access().issue("ann", "gold", 60)
    with pytest.raises(AccessError, match="printable"):
        access().issue("a\nb", "pro", 60)


def test_nothing_to_check_with_is_a_wrong_setting() -> None:
    with pytest.raises(SettingsError, match="FLOWTAPE_JWKS_URL"):
        access(None)


def test_a_public_key_is_no_secret() -> None:
    with pytest.raises(SettingsError, match="others may know"):
        access(signer("RS256").public_pem.decode())
    with pytest.raises(SettingsError, match="others may know"):
        access(json.dumps(signer("RS256").jwk))


def test_a_key_set_alone_issues_nothing() -> None:
    async def scenario() -> None:
        within = access(None, jwks_url="https://id.example.com/jwks.json")
        try:
            with pytest.raises(SettingsError, match="FLOWTAPE_JWT_SECRET"):
                within.issue("ann", "pro", 60)
            with pytest.raises(SettingsError, match="FLOWTAPE_JWT_SECRET"):
                mint(within, "ann", "pro", 60)
            with pytest.raises(AccessError, match="expected RS256"):
                await within.identify(signed())
        finally:
            await within.aclose()

    asyncio.run(scenario())


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
NAMES = st.sampled_from(
    ["alg", "kid", "typ", "crit", "b64", "jku", "jwk", "sub", "tier", "exp", "nbf", "iat", "aud", "jti"]
)
OBJECTS = st.dictionaries(
    NAMES, JSON | st.sampled_from(["HS256", "none", "RS256", "b64", ["b64"]]), max_size=6
)


@given(
    st.text(max_size=300) | st.builds(lambda parts: ".".join(parts), st.lists(st.text("ab-_=.", max_size=9)))
)
def test_any_text_is_refused_with_a_reason(text: str) -> None:
    refused(text)


@given(OBJECTS | JSON, OBJECTS | JSON, st.binary(max_size=40))
def test_any_header_and_payload_without_the_key_is_refused_with_a_reason(
    header: object, payload: object, signature: bytes
) -> None:
    end = base64.urlsafe_b64encode(signature).rstrip(b"=").decode()
    assert not refused(f"{part(header)}.{part(payload)}.{end}").expired


@given(OBJECTS)
def test_any_signed_claims_make_a_user_of_a_known_tier_or_are_refused(payload: dict[str, Any]) -> None:
    body = f"{part({'alg': 'HS256'})}.{part(payload)}"
    signature = jwt.get_algorithm_by_name("HS256").sign(body.encode(), SECRET.encode())
    try:
        identity = identify(f"{body}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}")
    except AccessError:
        return
    assert identity.user == payload["sub"]
    assert identity.tier is TIERS[payload["tier"]]
