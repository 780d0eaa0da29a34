"""Where a client stands on the tape: epoch and offset of each partition, as one opaque text (`pos`)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from typing import Final, NamedTuple

import msgspec

from schemas.errors import PositionError

LONGEST: Final = 400_000
"""Characters of a position at most; 16,384 partitions take that many."""

_PREFIX: Final = "p1_"
_MARK: Final = "."
_DIGEST: Final = re.compile(r"[0-9a-f]{8}\Z")
_STREAM_ID_LIMIT: Final = 2**64


class Offset(NamedTuple):
    """The last announcement that was handled, of one partition; all zero is before the first."""

    ms: int
    n: int
    """`ms` and `n` are the entry's id on the tape."""
    seq: int
    """The trade's own `seq`, which grows along the tape."""

    @property
    def entry_id(self) -> str:
        """The id of the tape's entry."""
        return f"{self.ms}-{self.n}"


START: Final = Offset(0, 0, 0)


class StreamPosition(NamedTuple):
    """All announcements up to it have been sent, or passed over as not matching."""

    epoch: str
    """Changes when the tape begins anew: offsets of two epochs cannot be compared."""
    offsets: tuple[Offset, ...]
    """By partition."""
    until: int | None = None
    """For delayed tiers the newest exchange time that was shown, unix ms; None is live."""

    def text(self, mark: str = "") -> str:
        """The opaque text; `mark` is that of the filter whose trades have been sent."""
        packed = msgspec.msgpack.encode((self.epoch, self.offsets, self.until))
        return f"{_PREFIX}{base64.urlsafe_b64encode(packed).rstrip(b'=').decode()}{mark}"

    @classmethod
    def parse(cls, text: str) -> StreamPosition:
        """The position of such a text. Raises PositionError."""
        try:
            if len(text) > LONGEST or not text.startswith(_PREFIX):
                raise ValueError
            head, dot, digest = text.removeprefix(_PREFIX).partition(_MARK)
            if dot and not _DIGEST.match(digest):
                raise ValueError
            body = head.encode("ascii")
            packed = base64.b64decode(body + b"=" * (-len(body) % 4), altchars=b"-_", validate=True)
            position = _decode(packed)
            for offset in position.offsets:
                if not (min(offset) >= 0 and max(offset) < _STREAM_ID_LIMIT):
                    raise ValueError
        except (ValueError, binascii.Error, msgspec.DecodeError):
            raise PositionError(
                f"{text[:40]!r} is no position on the tape.",
                "Send the `pos` of a snapshot or batch as it came.",
            ) from None
        return position


def mark_of(filter_key: str) -> str:
    """What ends the positions of a filter's stream: who comes back with another has seen other trades."""
    return _MARK + hashlib.blake2s(filter_key.encode(), digest_size=4).hexdigest()


def has_mark(text: str, mark: str) -> bool:
    """Whether a position was given for the filter of that mark."""
    return text.endswith(mark)


def is_position(text: str) -> bool:
    """Whether a text is meant as a position on the tape, rather than as the cursor of a page."""
    return text.startswith(_PREFIX)


_decode = msgspec.msgpack.Decoder(StreamPosition).decode
