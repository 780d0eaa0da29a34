"""Tokens: who their bearer is, checked; and new ones, signed."""

from __future__ import annotations

import hmac
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import httpx
import jwt

from engine.access.key_set import ALGORITHMS, KeySet
from engine.access.secret import SECRET_BYTES
from engine.settings import Settings
from schemas.errors import AccessError, SettingsError
from schemas.tier import Tier

TOKEN_BYTES: Final = 8_192
"""A longer token is refused unread."""

USER_LENGTH: Final = 128
"""Characters of a user's name (`sub`) at most."""

LEEWAY_S: Final = 10
"""How far the clock of who made a token may be ahead of ours (`nbf`, `iat`). `exp` has no leeway."""

LATEST_EXPIRY: Final = 253_402_300_799
"""The end of the year 9999: no token is for longer."""

REQUIRED: Final = ("sub", "tier", "exp")
"""Claims that every token has."""

SIGNATURE: Final = "HS256"
"""With a secret, this one alone."""

_SHOWN: Final = 64
"""Characters of a wrong value in a message."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a token's bearer is."""

    user: str
    tier: Tier
    expires: int
    """Unix s; from then on the token is worth nothing."""


class Access:
    """Checks tokens against the secret, the key set, or either; signs tokens with the secret.

    A token's kind says which of the two is asked: HS256 is checked with the secret and nothing else, and a public
    key checks the one algorithm that it is for. Raises SettingsError where neither is given or one is unusable.
    """

    def __init__(self, settings: Settings, secret: str | None, http: httpx.AsyncClient | None = None) -> None:
        if secret is None and settings.jwks_url is None:
            raise SettingsError(
                "Nothing says whose tokens are good.", "Set FLOWTAPE_JWT_SECRET or FLOWTAPE_JWKS_URL."
            )
        self._tiers = settings.tier_table()
        self._issuer, self._audience = settings.jwt_issuer, settings.jwt_audience
        self._key = None if secret is None else _hmac_key(secret)
        self._keys = None if settings.jwks_url is None else KeySet(settings.jwks_url, http)

    async def identify(self, token: str) -> Identity:
        """Whose token it is. Raises AccessError: `expired` if it was good once, `temporary` if it may yet be."""
        header = _header(token)
        algorithm = header.get("alg")
        if algorithm == SIGNATURE and self._key is not None:
            claims = self._claims(token, self._key, SIGNATURE)
        elif isinstance(algorithm, str) and algorithm in ALGORITHMS and self._keys is not None:
            key = await self._keys.find(header.get("kid"), algorithm)
            claims = self._claims(token, key, key.algorithm_name)
        else:
            accepted = [SIGNATURE] * (self._key is not None) + list(ALGORITHMS) * (self._keys is not None)
            raise AccessError(
                f"The token is signed with {shown(algorithm)}; expected {', '.join(accepted)}.",
                "Sign it as the gateway's settings say.",
            )
        return self.identity(claims)

    def identity(self, claims: Mapping[str, Any]) -> Identity:
        """Who checked claims speak of. Raises AccessError where one is missing, of the wrong type, or over."""
        user, tier, expires = (claims.get(name) for name in REQUIRED)
        if not isinstance(expires, int | float):
            raise AccessError(f"The token's `exp` is {shown(expires)}; expected seconds since 1970.")
        if not expires <= LATEST_EXPIRY:
            raise AccessError(f"The token's `exp` is {shown(expires)}; expected at most {LATEST_EXPIRY}.")
        if expires <= time.time():
            raise AccessError("The token has expired.", "Get a fresh one.", expired=True)
        return Identity(checked_user(user), self._tier(tier), int(expires))

    def issue(self, user: str, tier: str, lifetime_s: int) -> str:
        """A token of `user` for so many seconds. Raises AccessError for a wrong user or tier."""
        claims = self.claims_for(user, tier, lifetime_s)
        if self._issuer is not None:
            claims["iss"] = self._issuer
        if self._audience is not None:
            claims["aud"] = self._audience
        return jwt.encode(claims, self._signing_key(), SIGNATURE)

    def claims_for(self, user: str, tier: str, lifetime_s: int) -> dict[str, Any]:
        """Claims that `identity` accepts for so many seconds from now. Raises AccessError as `issue` does."""
        now = int(time.time())
        return {
            "sub": checked_user(user),
            "tier": self._tier(tier).name,
            "iat": now,
            "exp": now + lifetime_s,
        }

    def derived_key(self, purpose: str) -> bytes:
        """A key of its own for signatures that are no tokens, so that neither ever stands for the other."""
        return hmac.digest(self._signing_key(), f"flowtape {purpose}".encode(), "sha256")

    async def aclose(self) -> None:
        """Close what was opened for the key set; a client that was given stays open."""
        if self._keys is not None:
            await self._keys.aclose()

    def _claims(self, token: str, key: jwt.PyJWK | bytes, algorithm: str) -> dict[str, Any]:
        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                key,
                [algorithm],
                options={"require": list(REQUIRED), "verify_aud": self._audience is not None},
                audience=self._audience,
                issuer=self._issuer,
                leeway=LEEWAY_S,
            )
        except jwt.PyJWTError as error:
            raise refusal(error, "token") from None
        return claims

    def _signing_key(self) -> bytes:
        if self._key is None:
            raise SettingsError(
                "Only a key set is configured: its owner makes the tokens.",
                "Get them there, or set FLOWTAPE_JWT_SECRET too.",
            )
        return self._key

    def _tier(self, name: object) -> Tier:
        if not isinstance(name, str) or name not in self._tiers:
            raise AccessError(
                f"There is no tier {shown(name)}.", f"Known are {', '.join(sorted(self._tiers))}."
            )
        return self._tiers[name]


def checked_user(user: object) -> str:
    """A user's name as it is. Raises AccessError unless it is 1 to USER_LENGTH printable characters."""
    if not isinstance(user, str) or not 1 <= len(user) <= USER_LENGTH or not user.isprintable():
        raise AccessError(
            f"The user (`sub`) is {shown(user)}; expected 1 to {USER_LENGTH} printable characters."
        )
    return user


def refusal(error: jwt.PyJWTError, what: str) -> AccessError:
    """Why a token or ticket is refused, in a sentence without anything of it."""
    match error:
        case jwt.ExpiredSignatureError():
            return AccessError(f"The {what} has expired.", "Get a fresh one.", expired=True)
        case jwt.ImmatureSignatureError():
            return AccessError(f"The {what} is not valid yet.", "Compare the clocks of both machines.")
        case jwt.InvalidSignatureError():
            return AccessError(f"The {what} is not signed with the right key.")
        case jwt.MissingRequiredClaimError():
            return AccessError(f"The {what} has no `{error.claim}`; expected {', '.join(REQUIRED)}.")
        case jwt.InvalidIssuerError():
            return AccessError(f"The {what} is of another issuer (`iss`).")
        case jwt.InvalidAudienceError():
            return AccessError(f"The {what} is for another audience (`aud`).")
        case _:
            return AccessError(f"The {what} is no JWT that can be checked.")


def shown(value: object) -> str:
    """A wrong value as a message shows it, cut short."""
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def _header(token: object) -> dict[str, Any]:
    """What a token says of itself, unchecked."""
    if not isinstance(token, str) or not token.isascii():
        raise AccessError("The token is no JWT.")
    if len(token) > TOKEN_BYTES:
        raise AccessError(f"The token has {len(token)} bytes; expected at most {TOKEN_BYTES}.")
    try:
        header: dict[str, Any] = jwt.get_unverified_header(token)
    except jwt.PyJWTError:
        raise AccessError("The token is no JWT.") from None
    return header


def _hmac_key(secret: str) -> bytes:
    """The secret as PyJWT takes it without a warning: `resolve_secret` has judged its length already.

    HMAC itself fills a short key up with zeros, so filling it up here changes no signature.
    """
    key = secret.encode().ljust(SECRET_BYTES, b"\0")
    try:
        jwt.encode({}, key, SIGNATURE)
    except jwt.InvalidKeyError:
        raise SettingsError(
            "FLOWTAPE_JWT_SECRET holds a key or certificate that others may know; expected a secret.",
            "Name a key set in FLOWTAPE_JWKS_URL for tokens that are signed with a private key.",
        ) from None
    return key
