"""Databento's DBN files of OPRA.PILLAR, plain or as zstd.

Trades become prints. Open interest in `statistics` becomes reference data. Quotes, bars and definitions hold no
print: they are counted by kind and schema.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import databento_dbn as dbn
import zstandard

from engine.feeds.databento_records import FEED_NAME, RecordReader
from engine.feeds.databento_stream import Damage, Item, RecordStream
from engine.feeds.file_format import FileFormat, Row, Skipped
from engine.settings import Settings
from schemas.errors import FileFormatError

DATASET = "OPRA.PILLAR"

READ_BYTES = 256 * 1024
"""Bytes of a plain file read at once."""

ZSTD_BYTES = 4_096
"""Compressed bytes undone at once: of a file made to burst they become 128 MiB at most."""

ZSTD_WINDOW = 1 << 27
"""Largest window, bytes, that a compressed file may ask for."""

_ZSTD = b"\x28\xb5\x2f\xfd"
_DBN = b"DBN"

_KINDS: tuple[tuple[type, str], ...] = (
    (dbn.CMBP1Msg, "quote"),
    (dbn.MBP1Msg, "quote"),
    (dbn.CBBOMsg, "quote"),
    (dbn.BBOMsg, "quote"),
    (dbn.OHLCVMsg, "bar"),
    (dbn.InstrumentDefMsg, "definition"),
    (dbn.StatMsg, "statistic"),
    (dbn.StatusMsg, "status"),
    (dbn.SymbolMappingMsg, "symbol mapping"),
)


def _plain(path: Path) -> Iterator[bytes]:
    """The bytes of a file, decompressed. Raises FileFormatError where it is damaged, after what came before."""
    try:
        with path.open("rb") as file:
            start = file.read(4)
            file.seek(0)
            if not start:
                raise FileFormatError(f"{path} is empty.", "Download it again.")
            if start != _ZSTD:
                while data := file.read(READ_BYTES):
                    yield data
                return
            decompressor = zstandard.ZstdDecompressor(max_window_size=ZSTD_WINDOW)
            stream = decompressor.decompressobj()
            while data := file.read(ZSTD_BYTES):
                while data:
                    if stream.eof:
                        stream = decompressor.decompressobj()
                    yield stream.decompress(data)
                    data = stream.unused_data
            if not stream.eof:
                raise FileFormatError(
                    f"{path} ends in the middle of its zstd stream.",
                    "Download it again; what came before is used.",
                )
    except zstandard.ZstdError as error:
        raise FileFormatError(
            f"{path} is damaged zstd: {error}.", "Download it again; what came before is used."
        ) from None
    except OSError as error:
        raise FileFormatError(
            f"{path} cannot be read: {error.strerror or error}.", "Check the path and its permissions."
        ) from None


def _kind(item: Item) -> str:
    return next((name for kind, name in _KINDS if isinstance(item, kind)), "other record")


def read(path: Path, settings: Settings) -> Iterator[Row]:
    """The records of a file. Raises FileFormatError where it is no DBN of OPRA, or is cut in the middle."""
    reader, stream = RecordReader(settings.quote_cache), RecordStream()
    received, schema = time.time_ns() // 1_000_000, ""
    for data in _plain(path):
        without: Counter[str] = Counter()
        for item in stream.write(data):
            if isinstance(item, dbn.Metadata):
                if item.dataset != DATASET:
                    raise FileFormatError(f"{path} is of {item.dataset}, not of {DATASET}.")
                schema = str(item.schema or "mixed schemas")
            elif isinstance(item, Damage) and not schema:
                raise FileFormatError(f"{path} is no DBN file: {item.reason}", "Check --format.")
            row = reader.read(item, received)
            if row is not None:
                yield row
            elif not isinstance(item, dbn.Metadata):
                without[f"no print in {schema}: {_kind(item)}"] += 1
        for reason, records in without.items():
            yield Skipped(reason, records)
        if stream.broken:
            raise FileFormatError(f"{path} is damaged: its records cannot be followed any further.")
    if stream.pending or not schema:
        raise FileFormatError(
            f"{path} ends in the middle of {'a record' if schema else 'its metadata'}.",
            "Download it again; what came before is used.",
        )


def total(path: Path) -> None:
    """Unknown: only reading it whole would tell."""
    del path


def recognise(path: Path, head: bytes) -> bool:
    """Whether it begins as DBN does."""
    del path
    return head.startswith(_DBN)


FORMAT = FileFormat(
    name=FEED_NAME,
    summary="Databento DBN of OPRA.PILLAR, plain or zstd",
    read=read,
    total=total,
    recognise=recognise,
)
