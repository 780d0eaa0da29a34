"""Reads one partition's prints from the stream as a member of the consumer group, and the states of contracts.

It has a connection of its own, on which an answer is asked for before it is needed: so Redis reads while Python works.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
import redis

from engine.batch import Entry
from engine.pipe import Pipe
from schemas import keys
from schemas.contract import parse_osi
from schemas.errors import FlowtapeError
from schemas.print import Print, Reference

READ_COUNT = 500
"""Entries read from the stream at once."""

READ_BLOCK_MS = 200
"""How long a read waits for the first entry; the longest that stopping and keeping the partition may wait."""

_read_print = msgspec.msgpack.Decoder(Print).decode
_read_reference = msgspec.msgpack.Decoder(Reference).decode


class Unreadable(NamedTuple):
    """An entry that is neither a print nor reference data."""

    id: bytes
    raw: bytes
    kind: str
    reason: str


class Read(NamedTuple):
    """What one read of the stream brought."""

    entries: list[Entry]
    unreadable: list[Unreadable]
    full: bool
    """It brought all that was asked for, so more is waiting."""


class PrintReader:
    """`ask`, then `take`; `ask_states`, then `states`; never both kinds of answer outstanding in another order."""

    def __init__(self, client: redis.Redis, partition: int, name: str) -> None:
        self._client = client
        self._p = partition
        self._name = name
        self._pipe = Pipe(client)

    def close(self) -> None:
        """Give the connection back."""
        self._pipe.close()

    def ask(self, *, wait: bool) -> None:
        """Ask for new entries; with `wait` the answer may take READ_BLOCK_MS."""
        block = ("BLOCK", READ_BLOCK_MS) if wait else ()
        self._pipe.send(
            "XREADGROUP", "GROUP", keys.INDEXER_GROUP, self._name, "COUNT", READ_COUNT, *block,
            "STREAMS", keys.prints(self._p), ">",
        )  # fmt: skip

    def take(self) -> Read:
        """The answer to `ask`."""
        reply: Any = self._pipe.receive() or {}
        streams = reply.values() if isinstance(reply, dict) else (entries for _, entries in reply)
        return _read([(entry[0], _fields(entry[1])) for entries in streams for entry in entries])

    def claim(self, min_idle_ms: int) -> Iterator[Read]:
        """What was delivered to anyone so long ago and not acknowledged: its consumer is this one, or is gone."""
        start: bytes | str = "0-0"
        while True:
            start, entries, _ = self._client.xautoclaim(
                keys.prints(self._p),
                keys.INDEXER_GROUP,
                self._name,
                min_idle_ms,
                start_id=start,
                count=READ_COUNT,
            )
            if entries:
                yield _read(entries)
            if start == b"0-0":
                return

    def ask_states(self, symbols: Iterable[str]) -> None:
        """Ask for the hashes of contracts."""
        commands = [
            ("HMGET", keys.contract(self._p, symbol), "date", "volume", "open_interest") for symbol in symbols
        ]
        if commands:
            self._pipe.send_many(commands)

    def state(self) -> Sequence[bytes | None]:
        """The answer for the next contract: date, volume, open interest. Raises ResponseError for no hash."""
        found: Sequence[bytes | None] = self._pipe.receive()
        return found


def _read(entries: Sequence[tuple[bytes, Mapping[bytes, bytes]]]) -> Read:
    found: list[Entry] = []
    unreadable: list[Unreadable] = []
    for entry_id, fields in entries:
        raw = fields.get(b"d")
        event: Print | Reference
        try:
            if raw is not None:
                event = _read_print(raw)
            else:
                raw = fields[b"r"]
                event = _read_reference(raw)
            parse_osi(event.symbol)
        except KeyError:
            reason = "The entry has neither a field d nor a field r."
            unreadable.append(Unreadable(entry_id, b"", "print", reason))
        except (msgspec.DecodeError, FlowtapeError) as error:
            kind = "print" if b"d" in fields else "reference"
            unreadable.append(Unreadable(entry_id, raw or b"", kind, str(error)))
        else:
            found.append(Entry(entry_id, event, raw))
    return Read(found, unreadable, len(entries) >= READ_COUNT)


def _fields(fields: Any) -> dict[bytes, bytes]:
    if isinstance(fields, dict):
        return fields
    return dict(zip(fields[::2], fields[1::2], strict=True))
