"""`/v1/channels`: a user's saved channels, and the read-only view of one that another user shared."""

from __future__ import annotations

import re
import time
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Any, Final, Protocol
from urllib.parse import quote

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from engine.access.rates import UserRates
from engine.access.tokens import Access, Identity
from engine.channels import Channels
from engine.settings import Settings
from schemas.channel import ANY_TAG, Channel, UnreadableChannel, described, described_to_others, is_link
from schemas.errors import ChannelError, MessageError
from schemas.filter import JSON_BYTES, Filter
from schemas.filter_text import parse_filter
from web.access import require_identity
from web.body import read_body

BODY_BYTES: Final = JSON_BYTES + 1_024
"""Bytes of a request's body at most: the longest filter, and a name beside it."""

REQUESTS_PER_MINUTE: Final = 120
"""Requests of one user to these addresses at one gateway."""

EXPECTED_TAGS: Final = 32
"""Entity tags in one `If-Match` at most."""

_TAG = re.compile(r'(?:W/)?"([\x21\x23-\x7e]*)"\Z')

_Handler = Callable[[Request, Identity], Awaitable[Response]]


class ChannelServices(Protocol):
    """The services that these routes use."""

    @property
    def settings(self) -> Settings: ...
    @property
    def access(self) -> Access: ...
    @property
    def channels(self) -> Channels: ...


class _Body(msgspec.Struct, forbid_unknown_fields=True):
    filter: msgspec.Raw = msgspec.Raw()
    """Empty where it is not given."""
    name: str | None = None


BODY_KEYS: Final = frozenset(_Body.__struct_fields__)
"""What a body that is no filter itself has; no field of a filter is called so."""


def routes(services: ChannelServices) -> list[BaseRoute]:
    """The routes of saved channels."""
    requests = _ChannelRequests(services)
    return [
        Route("/v1/channels", requests.by_method({"GET": requests.list}), methods=["GET"]),
        Route("/v1/channels/shared/{link}", requests.by_method({"GET": requests.shared}), methods=["GET"]),
        Route(
            "/v1/channels/{name}/share",
            requests.by_method({"POST": requests.share, "DELETE": requests.unshare}),
            methods=["POST", "DELETE"],
        ),
        Route(
            "/v1/channels/{name}",
            requests.by_method({"GET": requests.get, "PUT": requests.put, "DELETE": requests.delete}),
            methods=["GET", "PUT", "DELETE"],
        ),
    ]


class _ChannelRequests:
    """One request each; all that is decided is decided in `engine.channels`."""

    def __init__(self, services: ChannelServices) -> None:
        self._services = services
        self._channels = services.channels
        tiers = services.settings.tier_table().values()
        self._saving = [f"{tier.name} ({tier.channels})" for tier in tiers if tier.channels > 0]
        self._rates = UserRates(REQUESTS_PER_MINUTE, "requests for saved channels", "Wait a moment.")

    def by_method(self, handlers: Mapping[str, _Handler]) -> Callable[[Request], Awaitable[Response]]:
        """An endpoint that asks who it is, counts the request, and calls the handler of the method."""

        async def endpoint(request: Request) -> Response:
            identity = await require_identity(request.scope, self._services.settings, self._services.access)
            self._rates.count(identity.user, time.monotonic())
            return await handlers["GET" if request.method == "HEAD" else request.method](request, identity)

        return endpoint

    async def get(self, request: Request, identity: Identity) -> Response:
        """One's own channel of a name."""
        name = request.path_params["name"]
        if is_link(name):
            raise ChannelError(
                "This is a link id, not a name.", "Ask for /v1/channels/shared/<link id>.", code="bad_name"
            )
        return _shown(await self._channels.get(identity.user, name))

    async def put(self, request: Request, identity: Identity) -> Response:
        """Save, change or rename a channel."""
        name, tier = request.path_params["name"], identity.tier
        self._require_saving(identity)
        wanted, new_name = await _wanted(request)
        expected = _expected(request)
        if wanted is None:
            if new_name is None:
                raise MessageError("The body has neither a filter nor a name.", 'Send {"filter": ...}.')
            renamed = await self._channels.rename(identity.user, name, new_name, expected=expected)
            return _shown(renamed, {"Content-Location": _address(renamed.name)})
        channel, made = await self._channels.save(
            identity.user, name, wanted, tier.channels, expected=expected, new_name=new_name
        )
        address = _address(channel.name)
        if made:
            return _shown(channel, {"Location": address}, HTTPStatus.CREATED)
        return _shown(channel, {"Content-Location": address})

    async def delete(self, request: Request, identity: Identity) -> Response:
        """Delete a channel; its link id is worth nothing from then on."""
        name = request.path_params["name"]
        await self._channels.delete(identity.user, name, expected=_expected(request))
        return _empty()

    async def share(self, request: Request, identity: Identity) -> Response:
        """Make a link id in place of an earlier one."""
        self._require_saving(identity)
        return _json({"link": await self._channels.share(identity.user, request.path_params["name"])})

    async def unshare(self, request: Request, identity: Identity) -> Response:
        """Take the link id back."""
        await self._channels.unshare(identity.user, request.path_params["name"])
        return _empty()

    async def shared(self, request: Request, identity: Identity) -> Response:
        """What a link id lets everybody read; whose the channel is stays unsaid."""
        link = request.path_params["link"]
        if not is_link(link):
            raise ChannelError(
                "No channel is shared by this link id.", "Ask for a new one.", code="unknown_channel"
            )
        return _json(described_to_others(await self._channels.get(identity.user, link)))

    async def list(self, _request: Request, identity: Identity) -> Response:
        """All of one's own, by name."""
        found = await self._channels.list(identity.user)
        return _json({"channels": [described(channel) for channel in found], "limit": identity.tier.channels})

    def _require_saving(self, identity: Identity) -> None:
        if identity.tier.channels <= 0:
            saving = f"Tiers that save channels: {', '.join(self._saving)}." if self._saving else ""
            raise ChannelError(
                f"The tier {identity.tier.name} saves no channels.", saving, code="no_channels"
            )


async def _wanted(request: Request) -> tuple[Filter | None, str | None]:
    """Filter and new name of a body, which is JSON whatever its type is called. An object with neither is a filter.

    Raises FilterError, MessageError, and HTTPException 413.
    """
    raw = await read_body(request, BODY_BYTES)
    try:
        if not msgspec.json.decode(raw, type=dict[str, msgspec.Raw]).keys() & BODY_KEYS:
            return Filter.from_json(raw), None
        body = msgspec.json.decode(raw, type=_Body)
        source = bytes(body.filter)
        text = msgspec.json.decode(source, type=str) if source.startswith(b'"') else None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MessageError(
            f"The body is not what was expected: {error}.",
            'Send a filter, or {"filter": {...}}, {"filter": "SPY calls"}, and "name" for another name.',
        ) from None
    if text is not None:
        return parse_filter(text), body.name
    # The filter is read from its own text, so that a field named twice is seen.
    return Filter.from_json(source) if source else None, body.name


def _expected(request: Request) -> frozenset[str] | None:
    """What the writer says that the channel's state is; None where it says nothing. Raises MessageError."""
    match = request.headers.get("if-match")
    none_match = request.headers.get("if-none-match")
    if none_match is not None:
        if match is not None or none_match.strip() != "*":
            raise MessageError("If-None-Match may be * alone: the channel must not exist.")
        return frozenset()
    if match is None:
        return None
    if match.strip() == "*":
        return frozenset((ANY_TAG,))
    tags = [_TAG.match(part.strip()) for part in match.split(",", EXPECTED_TAGS)]
    if len(tags) > EXPECTED_TAGS or not all(tags):
        raise MessageError(
            f"If-Match is no list of at most {EXPECTED_TAGS} entity tags.", 'Expected the ETag, as "19f0-1".'
        )
    # A weak tag equals none (RFC 9110, 13.1.1), `*` in quotes is a tag like any other, and no channel's tag is empty.
    strong = {tag[1] for tag in tags if tag and not tag[0].startswith("W/")} - {ANY_TAG}
    return frozenset(strong or {""})


def _shown(
    channel: Channel | UnreadableChannel,
    headers: Mapping[str, str] | None = None,
    status: HTTPStatus = HTTPStatus.OK,
) -> Response:
    tag = {"ETag": f'"{channel.tag}"'} if isinstance(channel, Channel) else {}
    return _json(described(channel), {**tag, **(headers or {})}, status)


def _json(
    value: dict[str, Any], headers: Mapping[str, str] | None = None, status: HTTPStatus = HTTPStatus.OK
) -> Response:
    return Response(
        msgspec.json.encode(value),
        int(status),
        {"Cache-Control": "no-store", **(headers or {})},
        "application/json",
    )


def _empty() -> Response:
    return Response(status_code=int(HTTPStatus.NO_CONTENT), headers={"Cache-Control": "no-store"})


def _address(name: str) -> str:
    return f"/v1/channels/{quote(name, safe='')}"
