"""What a subscription tells its reader: the server's messages as they came, and what became of the connection."""

from __future__ import annotations

from typing import Final

import msgspec

from schemas.messages import Batch, Error, ErrorCode, Snapshot


class Disconnected(msgspec.Struct, frozen=True):
    """The connection is lost; another one is tried after the pause."""

    why: str
    """A sentence."""
    pause_s: float


class Reconnected(msgspec.Struct, frozen=True):
    """The stream goes on; the message that follows says with what."""

    recovered: bool
    """True: all that was missed follows. False: a new snapshot follows, and replaces what there was."""


Event = Snapshot | Batch | Error | Disconnected | Reconnected

ENDING: Final = frozenset(
    {
        ErrorCode.BAD_FILTER,
        ErrorCode.UNKNOWN_CHANNEL,
        ErrorCode.CHANNEL_DELETED,
        ErrorCode.SUBSCRIPTION_LIMIT,
    }
)
"""Error codes with which a subscription does not begin, or ends."""
