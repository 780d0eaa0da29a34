"""Cuts a stream of DBN bytes into records, whatever state they are in; used live and for files.

Databento's own decoder reads the records. It panics, with a trace on standard error, where a record is
shorter than its type, so the lengths are checked here first and only whole records are handed to it.
"""

from __future__ import annotations

from dataclasses import dataclass

import databento_dbn as dbn

LIVE_METADATA_BYTES = 64 * 1024 * 1024
"""Most that the metadata of a live session may take: it carries no names."""
FILE_METADATA_BYTES = 512 * 1024 * 1024
"""Most that the metadata of a file may take: the names of 1.5 million contracts take some 250 MiB."""

_PRELUDE = 8
_HEADER = 16
_RECORDS: dict[int, tuple[type, ...]] = {
    int(dbn.RType.MBP_0): (dbn.TradeMsg,) * 3,
    int(dbn.RType.MBP_1): (dbn.MBP1Msg,) * 3,
    int(dbn.RType.CMBP_1): (dbn.CMBP1Msg,) * 3,
    int(dbn.RType.TCBBO): (dbn.CMBP1Msg,) * 3,
    int(dbn.RType.CBBO_1S): (dbn.CBBOMsg,) * 3,
    int(dbn.RType.CBBO_1M): (dbn.CBBOMsg,) * 3,
    int(dbn.RType.BBO_1S): (dbn.BBOMsg,) * 3,
    int(dbn.RType.BBO_1M): (dbn.BBOMsg,) * 3,
    int(dbn.RType.OHLCV_1S): (dbn.OHLCVMsg,) * 3,
    int(dbn.RType.OHLCV_1M): (dbn.OHLCVMsg,) * 3,
    int(dbn.RType.OHLCV_1H): (dbn.OHLCVMsg,) * 3,
    int(dbn.RType.OHLCV_1D): (dbn.OHLCVMsg,) * 3,
    int(dbn.RType.STATUS): (dbn.StatusMsg,) * 3,
    int(dbn.RType.INSTRUMENT_DEF): (dbn.InstrumentDefMsgV1, dbn.InstrumentDefMsgV2, dbn.InstrumentDefMsg),
    int(dbn.RType.STATISTICS): (dbn.StatMsgV1, dbn.StatMsgV1, dbn.StatMsg),
    int(dbn.RType.ERROR): (dbn.ErrorMsgV1, dbn.ErrorMsg, dbn.ErrorMsg),
    int(dbn.RType.SYMBOL_MAPPING): (dbn.SymbolMappingMsgV1, dbn.SymbolMappingMsg, dbn.SymbolMappingMsg),
    int(dbn.RType.SYSTEM): (dbn.SystemMsgV1, dbn.SystemMsg, dbn.SystemMsg),
}
"""The record type of each `rtype` in DBN version 1, 2 and 3."""


@dataclass(frozen=True, slots=True)
class Damage:
    """Bytes that are no record."""

    reason: str
    raw: bytes


Item = dbn.DBNRecord | dbn.Metadata | Damage


def _sizes(version: int, ts_out: bool) -> dict[int, int]:
    """Bytes of each record type."""
    extra = 8 if ts_out else 0
    return {rtype: int(kinds[version - 1].size_hint) + extra for rtype, kinds in _RECORDS.items()}  # type: ignore[attr-defined]


class RecordStream:
    """Takes bytes in pieces of any size and gives back what is whole. It never raises.

    `broken` becomes true where the stream cannot be followed any further: what comes after is damage. A
    record of unknown type or of the wrong length for its type is damage by itself, and the next one is read.
    """

    def __init__(self, metadata_bytes: int = FILE_METADATA_BYTES) -> None:
        self._metadata_bytes = metadata_bytes
        self._buffer = bytearray()
        self._decoder: dbn.DBNDecoder | None = None
        self._sizes: dict[int, int] = {}
        self.broken = False

    @property
    def pending(self) -> int:
        """Bytes held of a record, or of the metadata, that is not whole yet."""
        return len(self._buffer)

    def write(self, data: bytes) -> list[Item]:
        """What became whole with these bytes, in their order."""
        if self.broken:
            return [Damage("Bytes came after the stream of records was lost.", bytes(data))] if data else []
        self._buffer += data
        items: list[Item] = []
        if self._decoder is None and not self._read_metadata(items):
            return items
        self._read_records(items)
        return items

    def _lose(self, items: list[Item], reason: str) -> None:
        items.append(Damage(reason, bytes(self._buffer)))
        self._buffer.clear()
        self.broken = True

    def _read_metadata(self, items: list[Item]) -> bool:
        """Read the metadata that every stream begins with; whether it is there."""
        buffer = self._buffer
        if not b"DBN".startswith(bytes(buffer[:3])):
            self._lose(items, f"DBN begins with the letters DBN, not with {bytes(buffer[:3])!r}.")
            return False
        if len(buffer) < _PRELUDE:
            return False
        version, length = buffer[3], int.from_bytes(buffer[4:8], "little")
        if not 1 <= version <= dbn.DBN_VERSION:
            self._lose(items, f"DBN version {version} is unknown; versions 1 to {dbn.DBN_VERSION} are read.")
            return False
        if length > self._metadata_bytes:
            self._lose(items, f"DBN metadata of {length} bytes is longer than {self._metadata_bytes}.")
            return False
        if len(buffer) < _PRELUDE + length:
            return False
        decoder = dbn.DBNDecoder()
        found = self._decode(decoder, bytes(buffer[: _PRELUDE + length]))
        if not isinstance(found, list) or len(found) != 1 or not isinstance(found[0], dbn.Metadata):
            why = found if isinstance(found, str) else "it holds none"
            self._lose(items, f"DBN metadata cannot be read: {why}.")
            return False
        metadata = found[0]
        items.append(metadata)
        self._decoder = decoder
        self._sizes = _sizes(version, metadata.ts_out)
        del buffer[: _PRELUDE + length]
        return True

    def _read_records(self, items: list[Item]) -> None:
        buffer, sizes = self._buffer, self._sizes
        start = at = 0
        end = len(buffer)
        while at < end:
            length = buffer[at] * 4
            if length < _HEADER:
                self._hand_over(items, start, at)
                del buffer[:at]
                self._lose(items, f"A record of {length} bytes is shorter than its header of {_HEADER}.")
                return
            if at + length > end:
                break
            rtype = buffer[at + 1]
            if sizes.get(rtype) != length:
                self._hand_over(items, start, at)
                expected = sizes.get(rtype)
                why = "is of an unknown type" if expected is None else f"has {length} bytes, not {expected}"
                items.append(Damage(f"A record (rtype {rtype}) {why}.", bytes(buffer[at : at + length])))
                start = at + length
            at += length
        self._hand_over(items, start, at)
        del buffer[:at]

    def _hand_over(self, items: list[Item], start: int, end: int) -> None:
        """Let the decoder read the whole records from `start` to `end`."""
        if end <= start or self._decoder is None:
            return
        data = bytes(self._buffer[start:end])
        found = self._decode(self._decoder, data)
        if isinstance(found, list):
            items.extend(found)
        else:
            items.append(Damage(f"Records cannot be read: {found}.", data))

    @staticmethod
    def _decode(decoder: dbn.DBNDecoder, data: bytes) -> list[dbn.DBNRecord | dbn.Metadata] | str:
        """What the decoder makes of some bytes, or why it makes nothing of them."""
        try:
            decoder.write(data)
            return decoder.decode()
        except BaseException as error:
            # A panic of the decoder is a BaseException of a module that cannot be imported.
            if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
                raise
            return str(error)
