"""The public keys of an identity provider (JWKS), fetched when they are needed and kept while it is away."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from contextlib import suppress
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
import jwt
from cryptography.exceptions import UnsupportedAlgorithm

from engine.access.loopback import is_loopback
from schemas.errors import AccessError, SettingsError

ALGORITHMS: Final = (
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA",
)  # fmt: skip
"""Signatures that a public key checks; all others, and `none`, are refused."""

FRESH_S: Final = 600.0
"""Keys are used without asking for so long; then they are fetched again, behind the next token."""

REFETCH_S: Final = 10.0
"""Between two fetches at least, whatever unknown keys tokens name and however the last one ended."""

FETCH_S: Final = 5.0
"""A fetch may take so long in all."""

KEY_SET_BYTES: Final = 262_144
"""A key set may have so many bytes."""

KEYS: Final = 100
"""Keys of a set that are used; more are left out."""

KID_LENGTH: Final = 256
"""Characters of a key's id (`kid`) at most."""

Keys = dict[tuple[str, str], jwt.PyJWK]
"""Keys by id and by the one algorithm that each is for."""

_log = logging.getLogger(__name__)


class KeySet:
    """The keys at an address. Raises SettingsError where it is none that can be fetched."""

    def __init__(self, url: str, http: httpx.AsyncClient | None = None) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise SettingsError(
                "FLOWTAPE_JWKS_URL is no address of a key set.",
                "Expected https://host/path, as in jwks.json.",
            )
        self._host = parts.hostname
        if parts.scheme == "http" and not is_loopback(self._host):
            _log.warning(
                "FLOWTAPE_JWKS_URL is not https: whoever is between %s and here can forge.", self._host
            )
        self._url = url
        self._own_http = http is None
        self._http = http or httpx.AsyncClient()
        self._keys: Keys = {}
        self._fetched_at: float | None = None
        self._tried_at: float | None = None
        self._fetching: asyncio.Task[None] | None = None

    async def find(self, kid: object, algorithm: str) -> jwt.PyJWK:
        """The key of that id and algorithm. Waits for a fetch only where the id is unknown.

        Raises AccessError where there is none; `temporary` where the key set could not be asked for it just now.
        """
        if not isinstance(kid, str) or not 1 <= len(kid) <= KID_LENGTH:
            raise AccessError(f"The token names no key; expected a `kid` of 1 to {KID_LENGTH} characters.")
        known, fetched_at = self._knows(kid), self._fetched_at
        if self._fetching is None and self.must_fetch(known, time.monotonic()):
            self._fetching = asyncio.create_task(self._fetch())
        if self._fetching is not None and not known:
            # Many may wait for one fetch, and none of them ends it by going away.
            await asyncio.shield(self._fetching)
        key = self._keys.get((kid, algorithm))
        if key is not None:
            return key
        if self._knows(kid):
            raise AccessError(f"The token's key is not for {algorithm}.")
        if self._fetched_at == fetched_at:
            raise AccessError("The token's key cannot be looked up now.", "Try again later.", temporary=True)
        raise AccessError("The token names a key that its issuer does not have.", "Get a fresh one.")

    def must_fetch(self, known: bool, now: float) -> bool:
        """Whether a token with a known or unknown key makes us ask, at `now` (monotonic s)."""
        if self._tried_at is not None and now - self._tried_at < REFETCH_S:
            return False
        return not known or self._fetched_at is None or now - self._fetched_at >= FRESH_S

    async def aclose(self) -> None:
        """End a fetch that is under way, and the client unless it was given."""
        if self._fetching is not None:
            self._fetching.cancel()
            with suppress(asyncio.CancelledError):
                await self._fetching
        if self._own_http:
            await self._http.aclose()

    def _knows(self, kid: str) -> bool:
        return any((kid, algorithm) in self._keys for algorithm in ALGORITHMS)

    async def _fetch(self) -> None:
        tried_at = self._tried_at = time.monotonic()
        try:
            async with asyncio.timeout(FETCH_S):
                self._keys = read_keys(await self._body())
            self._fetched_at = tried_at
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError, ValueError) as error:
            reason = str(error) or type(error).__name__
            _log.warning("The key set of %s cannot be read, old keys stay: %s", self._host, reason)
        finally:
            self._fetching = None

    async def _body(self) -> bytes:
        # Unpacked, so that the bound holds for what is kept in memory; a redirect could lead anywhere.
        headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
        async with self._http.stream(
            "GET", self._url, headers=headers, follow_redirects=False, timeout=FETCH_S
        ) as response:
            if response.status_code != httpx.codes.OK:
                raise ValueError(f"expected status 200, got {response.status_code}")
            body = bytearray()
            async for chunk in response.aiter_raw():
                body += chunk
                if len(body) > KEY_SET_BYTES:
                    raise ValueError(f"expected at most {KEY_SET_BYTES} bytes")
        return bytes(body)


def read_keys(body: bytes) -> Keys:
    """The keys of a JWK set (RFC 7517) that check signatures; others in it are left out.

    Raises ValueError where it is no key set.
    """
    try:
        content = json.loads(body)
    except RecursionError:
        raise ValueError("expected a JWK set, got JSON that is too deep") from None
    listed = content.get("keys") if isinstance(content, dict) else None
    if not isinstance(listed, list):
        raise ValueError("expected a JWK set with `keys`")
    found: Keys = {}
    for entry in listed[:KEYS]:
        key = _usable(entry)
        if key is not None:
            found.setdefault((entry["kid"], key.algorithm_name), key)
    return found


def _usable(entry: Any) -> jwt.PyJWK | None:
    """The key of an entry, None unless it is a public one for signatures, of a sound kind and length.

    Its algorithm is the one that it names, else RS256 for RSA and the curve's own for the others.
    """
    if not isinstance(entry, dict) or entry.get("use", "sig") != "sig" or "d" in entry:
        return None
    kid, operations = entry.get("kid"), entry.get("key_ops", ["verify"])
    if not isinstance(kid, str) or not 1 <= len(kid) <= KID_LENGTH:
        return None
    if not isinstance(operations, list) or "verify" not in operations:
        return None
    if entry.get("alg", ALGORITHMS[0]) not in ALGORITHMS:
        return None
    try:
        key = jwt.PyJWK(entry)
        prepared = key.Algorithm.prepare_key(key.key)
        too_short = key.Algorithm.check_key_length(prepared)
    except (jwt.PyJWTError, UnsupportedAlgorithm, ValueError, TypeError, KeyError, AttributeError):
        return None
    return None if too_short or key.algorithm_name not in ALGORITHMS else key
