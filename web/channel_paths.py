"""Saved channels in the OpenAPI document: paths and schemas, made from the tables that the program itself runs on."""

from __future__ import annotations

from typing import Any, Final

from schemas.channel import LINK_BYTES, LINK_PREFIX, NAME_CHARS
from schemas.filter import CHOICES, FLAGS, LIST_VALUES, LISTS, NUMBER_LIMIT, RANGES
from schemas.filter_text import TEXT_CHARS

_SECURITY: Final[list[dict[str, list[str]]]] = [{"bearer": []}, {"cookie": []}]
_LINK: Final = {"type": "string", "pattern": f"^{LINK_PREFIX}[0-9a-f]{{{2 * LINK_BYTES}}}$"}
_NAME: Final = {"type": "string", "minLength": 1, "maxLength": NAME_CHARS, "pattern": "^[^/]+$"}
_TIME: Final = {"type": "integer", "description": "Unix ms."}


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def _content(schema: dict[str, Any]) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}


def _object(properties: dict[str, Any], *optional: str) -> dict[str, Any]:
    required = [name for name in properties if name not in optional]
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def _list_of(items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items, "minItems": 1, "maxItems": LIST_VALUES}


def _filter() -> dict[str, Any]:
    def bound(field: str) -> dict[str, Any]:
        number = {"type": "number", "minimum": -NUMBER_LIMIT, "maximum": NUMBER_LIMIT}
        if field != "expiry":
            return number
        return {"type": ["integer", "string"], "description": "yyyymmdd or yyyy-mm-dd."}

    properties: dict[str, Any] = {
        name: _list_of({"type": "string", **({"enum": list(CHOICES[name])} if name in CHOICES else {})})
        for name in LISTS
    }
    flags = _list_of({"type": "string", "enum": list(FLAGS)})
    properties["flags"] = {
        **_object({"all": flags, "any": flags, "none": flags}, "all", "any", "none"),
        "minProperties": 1,
    }
    for name in RANGES:
        bounds = {each: bound(name) for each in ("gte", "gt", "lte", "lt")}
        properties[name] = {**_object(bounds, *bounds), "minProperties": 1}
    return {**_object(properties, *properties), "description": "Without any part it is every trade."}


def _schemas() -> dict[str, Any]:
    named = {"name": _NAME, "link": {"anyOf": [_LINK, {"type": "null"}]}}
    whole = {
        **named,
        "filter": _ref("Filter"),
        "text": {"type": "string", "description": "The filter as text."},
        "revision": {"type": "integer", "minimum": 1},
        "created": _TIME,
        "changed": _TIME,
    }
    unreadable = {**named, "filter": {"type": "null"}, "error": {"type": "string"}}
    given = {"anyOf": [_ref("Filter"), {"type": "string", "maxLength": TEXT_CHARS}]}
    return {
        "Filter": _filter(),
        "Channel": _object(whole),
        "UnreadableChannel": {
            **_object(unreadable),
            "description": "Another version saved it; `error` says what is wrong with its filter.",
        },
        "Channels": _object(
            {
                "channels": {
                    "type": "array",
                    "items": {"anyOf": [_ref("Channel"), _ref("UnreadableChannel")]},
                },
                "limit": {
                    "type": "integer",
                    "minimum": 0,
                    "description": "Channels that the tier saves at most.",
                },
            }
        ),
        "ChannelChange": {
            **_object({"filter": given, "name": _NAME}, "filter", "name"),
            "minProperties": 1,
            "description": "Another filter, another name, or both. A filter alone may stand by itself, too.",
        },
        "SharedChannel": _object({field: whole[field] for field in ("name", "filter", "text", "changed")}),
        "ChannelLink": _object({"link": _LINK}),
    }


def _operation(
    operation_id: str, summary: str, responses: dict[str, Any], *refused: int, **more: Any
) -> dict[str, Any]:
    problem = {"$ref": "#/components/responses/Problem"}
    refusals = {str(status): problem for status in sorted({401, 429, 503, *refused})}
    return {
        "operationId": operation_id,
        "summary": summary,
        "security": _SECURITY,
        "responses": {**responses, **refusals},
        **more,
    }


def _channel(description: str, schema: dict[str, Any]) -> dict[str, Any]:
    tag = {"ETag": {"description": "The channel's state, for If-Match.", "schema": {"type": "string"}}}
    return {"description": description, "headers": tag, "content": _content(schema)}


def _parameter(name: str, schema: dict[str, Any], description: str) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": schema, "description": description}


def _header(name: str, description: str) -> dict[str, Any]:
    return {"name": name, "in": "header", "schema": {"type": "string"}, "description": description}


def _paths() -> dict[str, Any]:
    name = _parameter("name", _NAME, "Name of a channel of the user's own.")
    link = _parameter("link", _LINK, "Link id of a shared channel.")
    if_match = _header("If-Match", "ETags of the state that is changed; * is any.")
    if_none_match = _header("If-None-Match", "* alone: only make a channel that is not there.")
    gone = {"204": {"description": "Done."}}
    either = {"anyOf": [_ref("Channel"), _ref("UnreadableChannel")]}
    return {
        "/v1/channels": {
            "get": _operation(
                "listChannels",
                "The user's saved channels, by name.",
                {"200": {"description": "All of them.", "content": _content(_ref("Channels"))}},
            )
        },
        "/v1/channels/{name}": {
            "parameters": [name],
            "get": _operation(
                "readChannel",
                "One channel.",
                {"200": _channel("The channel.", _ref("Channel"))},
                400,
                404,
                409,
            ),
            "put": _operation(
                "saveChannel",
                "Make a channel, or change its filter, its name, or both.",
                {
                    "200": _channel("It was changed, or was so already.", either),
                    "201": _channel("It was made.", _ref("Channel")),
                },
                *(400, 403, 404, 409, 412, 413),
                parameters=[if_match, if_none_match],
                requestBody={
                    "required": True,
                    "description": "Read as JSON whatever its Content-Type is.",
                    "content": _content({"anyOf": [_ref("ChannelChange"), _ref("Filter")]}),
                },
            ),
            "delete": _operation(
                "deleteChannel", "Delete a channel.", gone, 400, 404, 409, 412, parameters=[if_match]
            ),
        },
        "/v1/channels/{name}/share": {
            "parameters": [name],
            "post": _operation(
                "shareChannel",
                "Make a link id by which everybody may read the channel, in place of an earlier one.",
                {"200": {"description": "The link id.", "content": _content(_ref("ChannelLink"))}},
                *(400, 403, 404, 409),
            ),
            "delete": _operation("unshareChannel", "Take the link id back.", gone, 400, 404, 409),
        },
        "/v1/channels/shared/{link}": {
            "parameters": [link],
            "get": _operation(
                "readSharedChannel",
                "A channel that somebody shared; whose it is stays unsaid.",
                {"200": {"description": "The channel.", "content": _content(_ref("SharedChannel"))}},
                *(404, 409),
            ),
        },
    }


SCHEMAS: Final[dict[str, Any]] = _schemas()
"""By name, for `components.schemas`."""

PATHS: Final[dict[str, Any]] = _paths()
"""By path; the response `Problem` is the document's own."""
