"""The body of a request, read up to a bound."""

from __future__ import annotations

from http import HTTPStatus

from starlette.exceptions import HTTPException
from starlette.requests import Request


async def read_body(request: Request, most: int) -> bytes:
    """The body; of one that is longer than `most` bytes no more is read. Raises HTTPException 413 for it."""
    raw = bytearray()
    async for chunk in request.stream():
        raw += chunk
        if len(raw) > most:
            raise HTTPException(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"The body may have {most} bytes at most."
            )
    return bytes(raw)
