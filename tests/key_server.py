"""An identity provider as tests see it: a real HTTP server with a key set, and the keys that sign."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

Private = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey


@dataclass(frozen=True)
class Signer:
    """One key of a provider."""

    kid: str
    algorithm: str
    private: Private

    @property
    def jwk(self) -> dict[str, Any]:
        """Its entry in the key set."""
        own = jwt.get_algorithm_by_name(self.algorithm)
        public: dict[str, Any] = own.to_jwk(self.private.public_key(), as_dict=True)
        return {**public, "kid": self.kid, "alg": self.algorithm, "use": "sig"}

    @property
    def private_jwk(self) -> dict[str, Any]:
        """What a provider must never publish."""
        own = jwt.get_algorithm_by_name(self.algorithm)
        private: dict[str, Any] = own.to_jwk(self.private, as_dict=True)
        return {**private, "kid": self.kid, "alg": self.algorithm, "key_ops": ["verify"]}

    @property
    def public_pem(self) -> bytes:
        """What everybody may know."""
        return self.private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    def token(self, claims: dict[str, Any], **headers: Any) -> str:
        """A token as the provider makes it."""
        return jwt.encode(claims, self.private, self.algorithm, headers={"kid": self.kid, **headers})


@cache
def signer(algorithm: str, kid: str = "one") -> Signer:
    """A key for an algorithm; the same for the same names."""
    private: Private
    if algorithm == "EdDSA":
        private = ed25519.Ed25519PrivateKey.generate()
    elif algorithm.startswith("ES"):
        curves = {"ES256": ec.SECP256R1(), "ES384": ec.SECP384R1(), "ES512": ec.SECP521R1()}
        private = ec.generate_private_key(curves[algorithm])
    else:
        private = rsa.generate_private_key(65_537, 2_048)
    return Signer(kid, algorithm, private)


class KeyServer:
    """Serves a key set on 127.0.0.1, and counts how often it was asked for."""

    def __init__(self) -> None:
        self.body = b'{"keys": []}'
        self.status = "200 OK"
        self.headers = ""
        self.fetched = 0
        self.request = b""
        self.asked = asyncio.Event()
        self.answering = asyncio.Event()
        self.answering.set()
        self.endless = False
        self.pause_s = 0.0
        self.url = ""

    def publish(self, *keys: Signer | dict[str, Any]) -> None:
        """Replace the key set."""
        entries = [key.jwk if isinstance(key, Signer) else key for key in keys]
        self.body = json.dumps({"keys": entries}).encode()

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request, one response, and the end of the connection."""
        try:
            self.request = await reader.readuntil(b"\r\n\r\n")
            self.fetched += 1
            self.asked.set()
            await self.answering.wait()
            head = f"HTTP/1.1 {self.status}\r\nConnection: close\r\n{self.headers}\r\n"
            writer.write(head.encode() + self.body)
            while self.endless:
                writer.write(b" " if self.pause_s else b" " * 65_536)
                await writer.drain()
                await asyncio.sleep(self.pause_s)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def key_server(*keys: Signer | dict[str, Any]) -> AsyncIterator[KeyServer]:
    """A running server that publishes these keys."""
    served = KeyServer()
    served.publish(*keys)
    server = await asyncio.start_server(served.answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    served.url = f"http://127.0.0.1:{port}/jwks.json"
    try:
        yield served
    finally:
        served.answering.set()
        served.endless = False
        server.close()
        await server.wait_closed()
