"""What a stored document says: a channel, or why there is none that can be read."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from schemas.channel import Channel, UnreadableChannel, is_expected, tag_of
from schemas.errors import ChannelError, FilterError
from schemas.filter import Filter

if TYPE_CHECKING:
    from schemas.channel_document import ChannelDocument


def channel_of(document: Any) -> Channel | UnreadableChannel:
    """The channel of a document, readable or not."""
    key, link = document.key(), document.link
    try:
        wanted = Filter.from_json(document.filter)
    except FilterError as error:
        return UnreadableChannel(key, document.user, document.name, link, str(error))
    return Channel(
        key, document.user, document.name, link, wanted, document.revision, document.created, document.changed
    )


def readable(document: ChannelDocument) -> Channel:
    """The channel of a document. Raises ChannelError `unreadable_channel`."""
    channel = channel_of(document)
    if isinstance(channel, UnreadableChannel):
        raise unreadable(channel.name, channel.reason)
    return channel


def require(found: ChannelDocument | None, expected: Collection[str] | None, name: str) -> None:
    """Raises ChannelError `channel_changed` unless a channel is as `schemas.channel.is_expected` says."""
    tag = None if found is None else tag_of(found.created, found.revision)
    if not is_expected(tag, expected):
        state = "is not there" if found is None else f"is at {tag}"
        raise ChannelError(
            f"The channel {name!r} {state}, another state was expected.",
            "Read it, and decide again.",
            code="channel_changed",
        )


def unknown(name: str) -> ChannelError:
    """The user has no channel of this name."""
    return ChannelError(f"There is no channel {name!r}.", code="unknown_channel")


def unreadable(name: str, reason: str) -> ChannelError:
    """The channel of this name is not as this version writes them."""
    return ChannelError(
        f"The channel {name!r} cannot be read by this version: {reason}",
        "Use the version that saved it, or save it anew, or delete it.",
        code="unreadable_channel",
    )


def first_fault(error: ValidationError) -> str:
    """What is wrong with a document, in a sentence."""
    details = error.errors(include_url=False, include_input=False)[0]
    return f"{'.'.join(map(str, details['loc']))}: {details['msg']}."
