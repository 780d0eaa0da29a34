"""The WebSocket protocol, version 1: every message, close codes, error codes, and both encodings.

A message is a map with `op`. `flowtape.v1.msgpack` sends binary frames, `flowtape.v1.json` text frames; they say the
same. Rows are arrays in the order of `columns`, which `welcome` names.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum, StrEnum
from typing import Annotated, Any, Final

import msgspec

from schemas.errors import MessageError
from schemas.trade import COLUMNS

MSGPACK: Final = "flowtape.v1.msgpack"
JSON: Final = "flowtape.v1.json"
SUBPROTOCOLS: Final = (MSGPACK, JSON)
"""In the order in which the server prefers them."""

MESSAGE_BYTES: Final = 65_536
"""A client's message may have so many bytes."""

HELLO_S: Final = 5.0
"""A client that was not let in by its handshake says `hello` within this."""

HEARTBEAT_S: Final = 10.0
"""A heartbeat follows when nothing else was sent for this long."""

Text = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
Count = Annotated[int, msgspec.Meta(ge=0, le=1_000_000)]
Scalar = bool | int | float | str | None
Row = tuple[Any, ...]


class CloseCode(IntEnum):
    """4000 to 4099: connect again with back-off. 4400 to 4499: do not, something must change first."""

    GOING_AWAY = 4001
    TOO_SLOW = 4008
    HEARTBEAT_LOST = 4009
    BAD_MESSAGE = 4400
    NOT_AUTHENTICATED = 4401
    FORBIDDEN = 4403
    TOO_MANY = 4429


class ErrorCode(StrEnum):
    """`code` of an `error` message; the connection stays."""

    BAD_FILTER = "bad_filter"
    BAD_POSITION = "bad_position"
    UNKNOWN_SUB = "unknown_sub"
    UNKNOWN_CHANNEL = "unknown_channel"
    CHANNEL_DELETED = "channel_deleted"
    """The subscribed channel is gone; its subscription has ended."""
    SUBSCRIPTION_LIMIT = "subscription_limit"
    RATE_LIMITED = "rate_limited"
    SOURCE_UNAVAILABLE = "source_unavailable"
    """Redis does not answer; what was missed follows when it does."""
    PAGE_FAILED = "page_failed"
    """A page of history could not be found; ask again."""
    SEARCH_FAILED = "search_failed"
    """A search could not be done in time; it is tried again."""


class _Message(msgspec.Struct, tag_field="op"):
    pass


class Hello(_Message, tag="hello"):
    """First message of a client that carried no token in its handshake."""

    token: str | None = None


class Subscribe(_Message, tag="subscribe"):
    """Begin a subscription, or replace the one of that name. Either `filter` or `channel` is given."""

    sub: Text
    """The client's own name for it."""
    filter: Annotated[Any, msgspec.Meta(extra_json_schema={"type": ["object", "string", "null"]})] = None
    """A filter's JSON object or its text; `{}` is every trade."""
    channel: Text | None = None
    """Name of a saved channel of the user, or the link id of a shared one."""
    snapshot: Count | None = None
    """Rows wanted at first; None is as many as the tier allows."""
    since: str | None = None
    """`pos` of the last message that the client has."""


class Unsubscribe(_Message, tag="unsubscribe"):
    """End a subscription."""

    sub: Text


class History(_Message, tag="history"):
    """Ask for older rows: below a page (`before` of `snapshot` or `page`), or below the snapshot (its `pos`)."""

    sub: Text
    before: Annotated[str, msgspec.Meta(max_length=400_000)] | None
    """None, as the last page has it, is below all: there is nothing."""
    limit: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)]


class Ping(_Message, tag="ping"):
    """A round trip of the application; `t` comes back as it was."""

    t: Scalar = None


ClientMessage = Hello | Subscribe | Unsubscribe | History | Ping


class Welcome(_Message, tag="welcome"):
    """The client is let in."""

    user: str
    tier: str
    limits: dict[str, int]
    """By name; docs/stream.md says what each means."""
    epoch: str
    server_time: int
    """Unix ms."""
    columns: tuple[str, ...] = COLUMNS
    """Names of a row's values, in order."""


class Snapshot(_Message, tag="snapshot"):
    """Newest first; replaces what the client had."""

    sub: str
    rows: list[Row]
    pos: str
    more: bool
    before: str | None
    """What `history` asks with for the rows below these; None where there are none."""
    recovered: bool


class Batch(_Message, tag="batch", omit_defaults=True):
    """Newest first; upsert by id."""

    sub: str
    rows: list[Row]
    pos: str
    skipped: int
    """Matching trades that were left out because the batch was full."""
    gone: list[Row] = []
    """Trades that passed the filter before and no longer do, as they are now."""
    recovered: bool = False
    """It is part of what was missed since the position that the client came back with; nothing is left out."""


class Page(_Message, tag="page"):
    """Answer to `history`, newest first."""

    sub: str
    rows: list[Row]
    before: str | None
    more: bool


class Heartbeat(_Message, tag="heartbeat"):
    """Nothing else was sent for a while."""

    t: int
    """Unix ms."""
    lag_ms: int
    """How long ago the gateway was last known to have read the whole tape."""


class Error(_Message, tag="error", omit_defaults=True):
    """Something was refused or failed; the connection stays."""

    code: str
    message: str
    sub: str | None = None


class Pong(_Message, tag="pong"):
    """Answer to `ping`."""

    t: Scalar


ServerMessage = Welcome | Snapshot | Batch | Page | Heartbeat | Error | Pong


class Encoding:
    """One of the two encodings of the protocol."""

    def __init__(self, subprotocol: str) -> None:
        self.subprotocol = subprotocol
        self.binary = subprotocol == MSGPACK
        codec: Any = msgspec.msgpack if self.binary else msgspec.json
        self.encode: Callable[[Any], bytes] = codec.Encoder().encode
        """Bytes of a message, or of a row."""
        self._to_client_message = codec.Decoder(ClientMessage).decode
        self._to_server_message = codec.Decoder(ServerMessage).decode

    def client_message(self, frame: bytes | str) -> ClientMessage:
        """What a client said. Raises MessageError, also for a frame of the other encoding."""
        size = len(frame) if isinstance(frame, bytes) else len(frame.encode())
        if size > MESSAGE_BYTES:
            raise MessageError(f"The message has {size} bytes, at most {MESSAGE_BYTES} are allowed.")
        if isinstance(frame, bytes) is not self.binary:
            expected = "binary frames of MessagePack" if self.binary else "text frames of JSON"
            raise MessageError(f"{self.subprotocol} has {expected}.")
        try:
            message: ClientMessage = self._to_client_message(frame)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise MessageError(f"The message is none of {self.subprotocol}: {error}.") from None
        return message

    def server_message(self, frame: bytes | str) -> ServerMessage:
        """What a server said, for clients. Raises MessageError."""
        try:
            message: ServerMessage = self._to_server_message(frame)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise MessageError(f"The message is none of {self.subprotocol}: {error}.") from None
        return message


ENCODINGS: Final[dict[str, Encoding]] = {name: Encoding(name) for name in SUBPROTOCOLS}
