"""What the end of a connection means: whether another one would help, and what to tell people if not."""

from __future__ import annotations

from typing import Final

from schemas.errors import StreamError
from schemas.messages import CloseCode

REFUSED: Final = frozenset({1007, 1009, *range(4400, 4500)})
"""Close codes after which connecting again would not help. After any other code, or none, it may."""

_REMEDIES: Final[dict[int, str]] = {
    CloseCode.BAD_MESSAGE: "Client and gateway are of different versions: update the older one.",
    CloseCode.NOT_AUTHENTICATED: "Get a fresh token; `flowtape token` makes one on the gateway's machine.",
    CloseCode.FORBIDDEN: "The token's user or tier, or the Origin, may not do this.",
    CloseCode.TOO_MANY: "Close other connections of this user, or ask for less at once.",
}

_STATUSES: Final = {
    400: CloseCode.BAD_MESSAGE,
    401: CloseCode.NOT_AUTHENTICATED,
    403: CloseCode.FORBIDDEN,
    429: CloseCode.TOO_MANY,
}


def refusal(code: int, reason: str) -> StreamError | None:
    """The error of a connection that was closed for good; None where connecting again may help."""
    if code not in REFUSED:
        return None
    said = f": {reason}" if reason else ""
    return StreamError(
        f"The gateway closed the stream with {code}{said.rstrip('.')}.", _REMEDIES.get(code, ""), code=code
    )


def handshake_refusal(url: str, status: int) -> StreamError | None:
    """The error of a handshake that was refused for good with an HTTP status; None where a later one may succeed."""
    if status in (408, 425) or not 300 <= status < 500:
        return None
    code = _STATUSES.get(status)
    remedy = (
        "Check the address; a gateway's is as http://127.0.0.1:8000." if code is None else _REMEDIES[code]
    )
    return StreamError(f"{url} refused the stream with HTTP status {status}.", remedy, code=code)
