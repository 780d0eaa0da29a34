"""The AsyncAPI 3.0 document of the stream, made from the messages themselves; `scripts/docs` writes it into docs/."""

from __future__ import annotations

import ast
import inspect
import json
import textwrap
from typing import Any, Final, get_args

import msgspec

from engine import __version__
from schemas.flags import Flag
from schemas.messages import (
    HELLO_S,
    MESSAGE_BYTES,
    SUBPROTOCOLS,
    Batch,
    ClientMessage,
    CloseCode,
    Error,
    ErrorCode,
    Heartbeat,
    Hello,
    History,
    Page,
    Ping,
    Pong,
    ServerMessage,
    Snapshot,
    Subscribe,
    Unsubscribe,
    Welcome,
)
from schemas.trade import COLUMNS, Sentiment, Side, Trade

_CLIENT, _SERVER = get_args(ClientMessage), get_args(ServerMessage)

_ROW: Final[tuple[Any, ...]] = (
    "massive:t1", 41_002, 1_795_280_400_123, 1_795_280_400_171, "SPY", "SPY261218C00600000", "C", 20_261_218, 600.0,
    2.45, 1_200, 294_000.0, 2.4, 2.45, 598.31, 27, 0.2825, 5_000, 1_000, 5.0, 0.231, 0.44, Side.ASK.value,
    Sentiment.BULLISH.value, (Flag.ISO.value, Flag.SWEEP.value, Flag.BLOCK.value, Flag.LARGE_PREMIUM.value), ("S",),
    "XCBO",
)  # fmt: skip
_GONE: Final[tuple[Any, ...]] = (
    *_ROW[:1], 41_090, *_ROW[2:22], Side.NONE.value, Sentiment.NEUTRAL.value,
    (Flag.ISO.value, Flag.CANCELLED.value), *_ROW[25:],
)  # fmt: skip
_POS: Final = "p1_k6Y3YTljMzGRk88AAAGh_wzvKwDNoCrA"

EXAMPLES: Final[tuple[Any, ...]] = (
    Hello("eyJhbGciOiJIUzI1NiJ9.e30.signature"),
    Subscribe("big calls", "SPY,QQQ calls premium>=100k", snapshot=50),
    Subscribe("resumed", {"underlying": ["SPY"]}, since=_POS),
    Subscribe("mine", channel="whales"),
    Unsubscribe("big calls"),
    History("big calls", "MTc5NTI4MDQwMDEyMy40MTAwMi4w", 100),
    Ping(17),
    Welcome(
        "ann",
        "premium",
        {"subscriptions": 25, "rows": 200, "interval_ms": 50, "delay_s": 0, "message_bytes": MESSAGE_BYTES},
        "7a9c31",
        1_795_280_400_000,
    ),
    Snapshot("big calls", [_ROW], _POS, True, "MTc5NTI4MDQwMDEyMy40MTAwMi4w", False),
    Batch("big calls", [_ROW], _POS, 0),
    Batch("big calls", [], _POS, 12, gone=[_GONE]),
    Page("big calls", [_ROW], None, False),
    Heartbeat(1_795_280_410_000, 3),
    Error(ErrorCode.BAD_FILTER, "swep is no word of a filter; sweep is.", "big calls"),
    Pong(17),
)
"""At least one of each message."""

_REPLIES: Final[dict[type[Any], tuple[type[Any], ...]]] = {
    Hello: (Welcome,),
    Subscribe: (Snapshot, Batch, Error),
    Unsubscribe: (),
    History: (Page, Error),
    Ping: (Pong,),
}
"""What answers a client's message."""

_DESCRIPTION: Final = f"""\
The live stream of Flowtape: trades that pass a client's filters, in batches, over one WebSocket.

Ask for one of the subprotocols {" (binary frames, MessagePack) and ".join(SUBPROTOCOLS)} (text frames); both say the
same. A token travels as a bearer token of the handshake, or in `hello` within {HELLO_S:g} s, never in the address.

Close codes 4000 to 4099, and a connection that breaks: connect again with back-off, and subscribe with the last `pos`
as `since`. 4400 to 4499: do not, something must change first. \
{", ".join(f"{code.value} {code.name.lower()}" for code in CloseCode)}.

docs/stream.md says all of it in words."""


def document() -> dict[str, Any]:
    """The whole document."""
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Flowtape stream",
            "version": __version__,
            "description": _DESCRIPTION,
            "license": {"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
        },
        "defaultContentType": "application/json",
        "servers": {
            "local": {
                "host": "127.0.0.1:8000",
                "protocol": "ws",
                "description": "`flowtape serve` or `flowtape up` on this machine.",
                "security": [_ref("securitySchemes/bearer")],
            }
        },
        "channels": {
            "stream": {
                "address": "/v1/stream",
                "description": "One connection; any number of subscriptions that the tier allows.",
                "messages": {name: _ref(f"messages/{name}") for name in map(_name, (*_CLIENT, *_SERVER))},
                "bindings": {"ws": {"method": "GET", "headers": _HANDSHAKE, "bindingVersion": "0.1.0"}},
            }
        },
        "operations": {
            **{_name(kind): _operation(kind, "receive") for kind in _CLIENT},
            **{_name(kind): _operation(kind, "send") for kind in _SERVER},
        },
        "components": {
            "messages": {_name(kind): _message(kind) for kind in (*_CLIENT, *_SERVER)},
            "schemas": _schemas(),
            "securitySchemes": {
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "JWT",
                    "description": "A token with `sub`, `tier` and `exp`.",
                }
            },
        },
    }


def text() -> str:
    """The document as it stands in docs/asyncapi.json."""
    return json.dumps(document(), indent=2, ensure_ascii=False) + "\n"


_HANDSHAKE: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {
        "Sec-WebSocket-Protocol": {"type": "string", "enum": list(SUBPROTOCOLS)},
        "Authorization": {"type": "string", "pattern": "^Bearer "},
    },
    "required": ["Sec-WebSocket-Protocol"],
}


def _name(kind: type[Any]) -> str:
    return str(kind.__struct_config__.tag)


def _ref(path: str) -> dict[str, str]:
    return {"$ref": f"#/components/{path}"}


def _of_channel(kind: type[Any]) -> dict[str, str]:
    return {"$ref": f"#/channels/stream/messages/{_name(kind)}"}


def _operation(kind: type[Any], action: str) -> dict[str, Any]:
    """What the gateway does with a message: it receives a client's, it sends its own."""
    operation: dict[str, Any] = {
        "action": action,
        "channel": {"$ref": "#/channels/stream"},
        "summary": _summary(kind),
        "messages": [_of_channel(kind)],
    }
    if replies := _REPLIES.get(kind):
        operation["reply"] = {
            "channel": {"$ref": "#/channels/stream"},
            "messages": [_of_channel(reply) for reply in replies],
        }
    return operation


def _message(kind: type[Any]) -> dict[str, Any]:
    return {
        "name": _name(kind),
        "title": kind.__name__,
        "summary": _summary(kind),
        "payload": _ref(f"schemas/{kind.__name__}"),
        "examples": [{"payload": msgspec.to_builtins(told)} for told in EXAMPLES if type(told) is kind],
    }


def _summary(kind: type[Any]) -> str:
    return inspect.cleandoc(kind.__doc__ or "")


def _schemas() -> dict[str, Any]:
    """The payloads. In each, the text under a field of the struct is its description."""
    kinds = (*_CLIENT, *_SERVER)
    _, schemas = msgspec.json.schema_components(kinds, ref_template="#/components/schemas/{name}")
    for kind in kinds:
        properties = schemas[kind.__name__]["properties"]
        for field, described in _field_texts(kind).items():
            properties[field]["description"] = described
        if "rows" in properties:
            properties["rows"]["items"] = _ref("schemas/Row")
    schemas["Row"] = _row_schema()
    return schemas


def _row_schema() -> dict[str, Any]:
    """A row as a tuple (JSON Schema draft 7, which AsyncAPI takes by default): one schema a column."""
    _, schemas = msgspec.json.schema_components([Trade], ref_template="#/components/schemas/{name}")
    columns, texts = schemas["Trade"]["properties"], _field_texts(Trade)
    return {
        "title": "Row",
        "description": "A trade: its values in the order of `columns` in `welcome`. More may be added at the end.",
        "type": "array",
        "items": [
            {"title": name, **columns[name], **({"description": texts[name]} if name in texts else {})}
            for name in COLUMNS
        ],
        "minItems": len(COLUMNS),
    }


def _field_texts(kind: type[Any]) -> dict[str, str]:
    """The texts that stand under the fields of a class, by field."""
    (declared,) = ast.parse(textwrap.dedent(inspect.getsource(kind))).body
    assert isinstance(declared, ast.ClassDef)
    texts = {}
    for field, below in zip(declared.body, declared.body[1:], strict=False):
        if (
            isinstance(field, ast.AnnAssign)
            and isinstance(field.target, ast.Name)
            and isinstance(below, ast.Expr)
            and isinstance(below.value, ast.Constant)
            and isinstance(below.value.value, str)
        ):
            texts[field.target.id] = inspect.cleandoc(below.value.value)
    return texts


if __name__ == "__main__":
    print(text(), end="")
