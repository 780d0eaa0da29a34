"""Errors as RFC 9457 problem documents: the one place that says which error has which status."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final

import msgspec
from redis.exceptions import BusyLoadingError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ExceptionHandler

from schemas.errors import (
    AccessError,
    ChannelError,
    FilterError,
    MessageError,
    PositionError,
    RateError,
    RedisSetupError,
    SearchError,
    SearchRequestError,
)
from web.headers import HEADERS

MEDIA_TYPE: Final = "application/problem+json"

RETRY_S: Final = 5
"""After which a client may ask again where the gateway cannot answer for a while."""

_CHANNELS: Final = {
    "bad_name": HTTPStatus.BAD_REQUEST,
    "unknown_channel": HTTPStatus.NOT_FOUND,
    "no_channels": HTTPStatus.FORBIDDEN,
    "name_taken": HTTPStatus.CONFLICT,
    "channel_limit": HTTPStatus.CONFLICT,
    "unreadable_channel": HTTPStatus.CONFLICT,
    "channel_changed": HTTPStatus.PRECONDITION_FAILED,
    "busy": HTTPStatus.SERVICE_UNAVAILABLE,
}
"""Status of a ChannelError by its code."""

_DETAILS: Final = {
    HTTPStatus.NOT_FOUND: "There is nothing at this address. /v1/openapi.json says what there is.",
    HTTPStatus.METHOD_NOT_ALLOWED: "This address does not take that method; Allow says which it takes.",
}
"""What is said where the router finds nothing."""


@dataclass(frozen=True)
class Problem:
    """One problem document; `code` is the last word of its type."""

    status: HTTPStatus
    code: str
    detail: str
    members: Mapping[str, Any] = field(default_factory=dict)
    """Members beside those of every problem, such as the `field` of a filter that is wrong."""
    headers: Mapping[str, str] = field(default_factory=dict)

    def document(self) -> dict[str, Any]:
        """The document as JSON has it."""
        return {
            "type": f"urn:flowtape:problem:{self.code}",
            "title": self.status.phrase,
            "status": int(self.status),
            "detail": self.detail,
            **self.members,
        }

    def response(self) -> Response:
        """The answer that carries it, never cached."""
        headers = {**HEADERS, "Cache-Control": "no-store", **self.headers}
        body = msgspec.json.encode(self.document())
        return Response(body, int(self.status), headers, MEDIA_TYPE)


def problem_of(error: Exception) -> Problem:
    """What a client is told of an error; nothing of the inside where it is not the client's to act on."""
    match error:
        case FilterError():
            members: dict[str, Any] = {"field": error.field} if error.field else {}
            if error.position >= 0:
                members |= {"position": error.position, "length": error.length}
            return Problem(HTTPStatus.BAD_REQUEST, "filter", str(error), members)
        case SearchRequestError():
            return Problem(HTTPStatus.BAD_REQUEST, "parameter", str(error), {"field": error.parameter})
        case MessageError() | PositionError():
            return Problem(HTTPStatus.BAD_REQUEST, "request", str(error))
        case AccessError():
            return _access(error)
        case RateError():
            return Problem(
                HTTPStatus.TOO_MANY_REQUESTS, "rate", str(error), {}, {"Retry-After": str(error.retry_s)}
            )
        case ChannelError():
            status = _CHANNELS.get(error.code, HTTPStatus.BAD_REQUEST)
            waits = status is HTTPStatus.SERVICE_UNAVAILABLE
            return Problem(status, error.code, str(error), {}, {"Retry-After": "1"} if waits else {})
        case SearchError():
            return _unavailable("search", str(error))
        case RedisSetupError():
            # It may name addresses, and `/readyz` tells who may know.
            return _unavailable("source", "Redis is not as it should be. /readyz says what is missing.")
        case BusyLoadingError():
            return _unavailable("source", "Redis still reads its data. Try again in a moment.")
        case RedisConnectionError() | RedisTimeoutError():
            return _unavailable("source", "Redis does not answer. Try again in a moment.")
        case HTTPException():
            status = HTTPStatus(error.status_code)
            detail = _DETAILS.get(status, error.detail or status.phrase)
            return Problem(status, "request", detail, {}, error.headers or {})
        case _:
            return Problem(
                HTTPStatus.INTERNAL_SERVER_ERROR, "internal", "The gateway failed; its log says why."
            )


async def answer(_request: Request, error: Exception) -> Response:
    """The exception handler of the app."""
    return problem_of(error).response()


_ANSWERED: Final[tuple[type[Exception], ...]] = (
    AccessError,
    ChannelError,
    FilterError,
    MessageError,
    PositionError,
    RateError,
    RedisSetupError,
    SearchError,
    HTTPException,
    RedisConnectionError,
    RedisTimeoutError,
    Exception,
)

HANDLERS: Final[Mapping[Any, ExceptionHandler]] = dict.fromkeys(_ANSWERED, answer)
"""The app's exception handlers. What only the one of Exception answers goes on to the server's log."""


def _access(error: AccessError) -> Problem:
    if error.temporary:
        return _unavailable("access", str(error))
    return Problem(
        HTTPStatus.UNAUTHORIZED,
        "access",
        str(error),
        {"expired": True} if error.expired else {},
        {"WWW-Authenticate": 'Bearer realm="flowtape"'},
    )


def _unavailable(code: str, detail: str) -> Problem:
    return Problem(HTTPStatus.SERVICE_UNAVAILABLE, code, detail, {}, {"Retry-After": str(RETRY_S)})
