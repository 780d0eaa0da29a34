"""A saved channel: a filter that a user gave a name; and which texts are names and which are link ids."""

from __future__ import annotations

import re
import secrets
import unicodedata
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final

from schemas.errors import ChannelError
from schemas.filter import Filter
from schemas.filter_text import filter_text

NAME_CHARS: Final = 64
"""Characters (code points in NFC) of a name at most."""

LINK_PREFIX: Final = "ftlink_"
"""What every link id begins with, and no name."""

LINK_BYTES: Final = 16
"""Random bytes of a link id: 128 bits can't be guessed."""

ANY_TAG: Final = "*"
"""Among the tags that a writer expects: whichever it is, the channel must exist."""

_LINK = re.compile(rf"{LINK_PREFIX}[0-9a-f]{{{2 * LINK_BYTES}}}\Z")

_RAW_CHARS: Final = 4 * NAME_CHARS
"""A longer text is not even normalized."""


@dataclass(frozen=True, slots=True)
class Channel:
    """A saved channel as it was read; times in unix ms."""

    key: str
    """The Redis key: it stays the same while the channel is renamed, shared and changed."""
    user: str
    """Whose it is; nobody else is told."""
    name: str
    link: str
    """Link id by which everybody may read it; empty where it is not shared."""
    filter: Filter
    revision: int
    """1 when it was made, and one more with each change."""
    created: int
    changed: int

    @property
    def tag(self) -> str:
        """Differs between any two states of a name, also where a channel was deleted and made again."""
        return tag_of(self.created, self.revision)


@dataclass(frozen=True, slots=True)
class UnreadableChannel:
    """A saved channel whose filter this version cannot read; it can be renamed, deleted and saved anew."""

    key: str
    user: str
    name: str
    link: str
    reason: str
    """What is wrong with the filter."""


def described(channel: Channel | UnreadableChannel) -> dict[str, Any]:
    """What its owner is shown of a channel: JSON of the HTTP part and of the command line."""
    shown: dict[str, Any] = {"name": channel.name, "link": channel.link or None}
    if isinstance(channel, UnreadableChannel):
        return shown | {"filter": None, "error": channel.reason}
    return shown | {
        "filter": channel.filter.to_json(),
        "text": filter_text(channel.filter),
        "revision": channel.revision,
        "created": channel.created,
        "changed": channel.changed,
    }


def described_to_others(channel: Channel) -> dict[str, Any]:
    """What everybody who has its link id is shown of a channel: nothing says whose it is."""
    shown = described(channel)
    return {field: shown[field] for field in ("name", "filter", "text", "changed")}


def tag_of(created: int, revision: int) -> str:
    """The tag of a state of a channel."""
    return f"{created:x}-{revision}"


def is_expected(tag: str | None, expected: Collection[str] | None) -> bool:
    """Whether a writer may go on: `tag` of the channel as it is, None where there is none.

    `expected` holds the tags that the writer has seen, or `ANY_TAG`; empty, the channel must not exist; None, all
    is right.
    """
    if expected is None:
        return True
    if tag is None:
        return not expected
    return tag in expected or ANY_TAG in expected


def is_link(text: str) -> bool:
    """Whether a text is meant as a link id; no name is."""
    return text.startswith(LINK_PREFIX)


def is_whole_link(text: str) -> bool:
    """Whether a text has the form of a link id, all of it."""
    return _LINK.match(text) is not None


def new_link() -> str:
    """A link id that nobody can guess."""
    return LINK_PREFIX + secrets.token_hex(LINK_BYTES)


def name_of(text: str) -> str:
    """The name that a text stands for: without white space around it, in Unicode's NFC. Raises ChannelError.

    Names are compared exactly after that: case and look-alikes make different names.
    """
    name = unicodedata.normalize("NFC", text.strip()) if len(text) <= _RAW_CHARS else text
    if not 1 <= len(name) <= NAME_CHARS:
        raise _bad_name(f"The name has {len(name)} characters.", f"Expected 1 to {NAME_CHARS}.")
    wrong = next((char for char in name if not char.isprintable() or char in "/\ufffd"), None)
    if wrong is not None:
        raise _bad_name(
            f"The name holds {wrong!a}.", "Expected printable characters; only the slash is not allowed."
        )
    if name in (".", ".."):
        raise _bad_name(f"{name} is no name: it means something else in an address.", "Choose another.")
    if unicodedata.normalize("NFKC", name).casefold().startswith(LINK_PREFIX):
        raise _bad_name(f"A name does not begin with {LINK_PREFIX}: link ids do.", "Choose another.")
    return name


def _bad_name(message: str, remedy: str) -> ChannelError:
    return ChannelError(message, remedy, code="bad_name")
