"""The address of a gateway's stream, from how people name the gateway."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit, urlunsplit

from schemas.errors import StreamError

PATH: Final = "/v1/stream"

_SCHEMES: Final = {"ws": "ws", "wss": "wss", "http": "ws", "https": "wss"}


def stream_url(gateway: str) -> str:
    """`ws://` or `wss://` with the stream's path, of a gateway's address with any of four schemes.

    A path of its own is kept, so that a gateway may stand behind one. Raises StreamError for anything else;
    also where the address carries a name, a password or a query: a token never travels in an address.
    """
    try:
        parts = urlsplit(gateway)
        known = parts.scheme in _SCHEMES and bool(parts.hostname) and parts.port != 0
    except ValueError:
        known = False
    if not known:
        raise StreamError(f"{gateway!r} is no gateway's address.", "Expected one as http://127.0.0.1:8000.")
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise StreamError(
            f"The address of {parts.hostname} holds more than host, port and path.",
            "Give the token by itself: no address carries one.",
        )
    path = parts.path.rstrip("/")
    return urlunsplit(
        (_SCHEMES[parts.scheme], parts.netloc, path if path.endswith(PATH) else path + PATH, "", "")
    )
