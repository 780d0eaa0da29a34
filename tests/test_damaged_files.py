"""Recorded files of ten million damaged bytes: each row is accounted for, and nothing else than one sentence raised."""

from __future__ import annotations

import random
import re
import zipfile
from pathlib import Path

import databento_dbn as dbn
import pytest

from engine.feeds.file_format import Row, Skipped
from engine.feeds.registry import file_format
from engine.settings import Settings
from schemas.contract import parse_osi
from schemas.errors import FileFormatError
from schemas.print import RAW_BYTES, Print, Reject
from tests.recordings import CAPTURES, rows_of
from tests.test_databento_file import metadata
from tests.vendors.databento_bytes import consolidated, trade

DAMAGE_BYTES = 10_000_000
"""Bytes of damaged rows for each format."""

TEXTS = {
    "cboe": "cboe/trades.csv",
    "massive-flat": "massive_flat/trades.csv",
    "unusual-whales": "unusual_whales/recording.txt",
}


def damaged(line: bytes, rng: random.Random) -> bytes:
    """A line cut, changed in a bit or in bytes, doubled, or at random; never with a line's end in it."""
    made = bytearray(line)
    match rng.randrange(6):
        case 0:
            made = made[: rng.randint(0, len(made))]
        case 1 | 2 if made:
            made[rng.randrange(len(made))] ^= 1 << rng.randrange(8)
        case 3 if made:
            at = rng.randrange(len(made))
            made[at : at + 4] = rng.randbytes(4)
        case 4:
            made = made * 2
        case _:
            made = bytearray(rng.randbytes(rng.randint(0, 200)))
    return bytes(made).replace(b"\n", b" ")


def damaged_lines(sound: list[bytes], seed: int) -> list[bytes]:
    """DAMAGE_BYTES of damaged lines at least."""
    rng, lines, spent = random.Random(seed), [], 0
    while spent < DAMAGE_BYTES:
        line = damaged(rng.choice(sound), rng)
        spent += len(line) + 1
        lines.append(line)
    return lines


def check(rows: list[Row]) -> None:
    """What a reader may give back, each with what it promises."""
    for row in rows:
        match row:
            case Print():
                assert re.fullmatch(r"[A-Za-z0-9_]+", row.id)
                assert parse_osi(row.symbol).symbol == row.symbol
                assert row.size >= 1
                assert row.price >= 0
                assert row.ts > 0
            case Reject():
                assert row.reason
                assert len(row.raw) <= RAW_BYTES


@pytest.mark.parametrize("name", TEXTS)
def test_every_damaged_line_is_one_row(name: str, tmp_path: Path) -> None:
    sound = (CAPTURES / TEXTS[name]).read_bytes().splitlines()
    header = [sound[2] if name == "unusual-whales" else sound[0]]
    lines = damaged_lines(sound[1:], seed=1)
    path = tmp_path / "damaged.txt"
    path.write_bytes(b"\n".join([*header, *lines]) + b"\n")
    rows = rows_of(name, path)
    assert sum(row.rows if isinstance(row, Skipped) else 1 for row in rows) == 1 + len(lines)
    assert file_format(name).total(path) == 1 + len(lines)
    check(rows)
    assert sum(isinstance(row, Reject) for row in rows) > 1_000
    assert sum(isinstance(row, Print) for row in rows) > 1_000


def test_damaged_bars_are_rejected_one_by_one(tmp_path: Path) -> None:
    folder = CAPTURES / "lean" / "option_trade"
    entry = folder / "20260612_amd_minute_trade_american_call_1500000_20260618.csv"
    lines = damaged_lines(entry.read_bytes().splitlines(), seed=2)
    path = tmp_path / "20260612_trade_american.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(entry.name, b"\n".join(lines))
    rows = rows_of("lean", path)
    assert len(rows) == sum(1 for line in lines if line.strip())
    check(rows)
    assert sum(isinstance(row, Print) for row in rows) > 1_000


def test_damaged_dbn_is_rejects_and_one_sentence(tmp_path: Path) -> None:
    rng, spent, rejects, prints, refused = random.Random(3), 0, 0, 0, 0
    head = metadata(dbn.Schema.TRADES)
    records = [part for i in range(200) for part in (trade(i), consolidated(i))]
    path = tmp_path / "damaged.dbn"
    while spent < DAMAGE_BYTES:
        body = bytearray(head + b"".join(records))
        # Ever fewer faults, so that some files are read to the end; now and then in the metadata.
        for _ in range(rng.randint(1, 20)):
            start = 0 if rng.random() < 0.02 else len(head)
            body[rng.randrange(start, len(body))] ^= 1 << rng.randrange(8)
        if rng.random() < 0.3:
            del body[rng.randrange(len(body)) :]
        path.write_bytes(body)
        spent += len(body)
        rows: list[Row] = []
        try:
            rows.extend(file_format("databento").read(path, Settings()))
        except FileFormatError:
            refused += 1
        check(rows)
        rejects += sum(isinstance(row, Reject) for row in rows)
        prints += sum(isinstance(row, Print) for row in rows)
    assert rejects > 100
    assert prints > 10_000
    assert refused > 10
