"""Messages on their way out, encoded once for all who get the same."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from engine.gateway.announced import Announced
from schemas.messages import Encoding, ServerMessage


class Frame:
    """One encoded message."""

    __slots__ = ("binary", "payload", "size", "wire")

    def __init__(self, payload: bytes, binary: bool) -> None:
        self.payload = payload
        self.size = len(payload)
        self.binary = binary
        self.wire: bytes | None = None
        """The same within a WebSocket frame; whoever makes it first leaves it here."""


def frame_of(message: ServerMessage, encoding: Encoding) -> Frame:
    """The frame of a message for one session."""
    return Frame(encoding.encode(message), encoding.binary)


class Batch:
    """One batch of a group, encoded once for each encoding and name of the subscription."""

    __slots__ = ("_frames", "gone", "pos", "recovered", "rows", "skipped")

    def __init__(
        self,
        rows: Sequence[Announced],
        skipped: int,
        gone: Sequence[Announced],
        pos: str,
        *,
        recovered: bool = False,
    ) -> None:
        self.rows = rows
        self.skipped = skipped
        self.gone = gone
        self.pos = pos
        self.recovered = recovered
        self._frames: dict[tuple[str, str], Frame] = {}

    def frame(self, sub: str, encoding: Encoding) -> Frame:
        """The frame for a subscription of that name."""
        key = (sub, encoding.subprotocol)
        frame = self._frames.get(key)
        if frame is None:
            # As schemas.messages.Batch, whose rows here are encoded already.
            message: dict[str, Any] = {
                "op": "batch",
                "sub": sub,
                "rows": [announced.row(encoding) for announced in self.rows],
                "pos": self.pos,
                "skipped": self.skipped,
            }
            if self.gone:
                message["gone"] = [announced.row(encoding) for announced in self.gone]
            if self.recovered:
                message["recovered"] = True
            frame = self._frames[key] = Frame(encoding.encode(message), encoding.binary)
        return frame


def rows_message(message: dict[str, Any], rows: Sequence[Announced], encoding: Encoding) -> Frame:
    """The frame of a snapshot or page, whose other fields `message` holds."""
    message["rows"] = [announced.row(encoding) for announced in rows]
    return Frame(encoding.encode(message), encoding.binary)
