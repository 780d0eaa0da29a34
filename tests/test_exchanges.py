"""Exchanges by MIC, and by what vendors call them."""

from __future__ import annotations

import re

import pytest

from schemas.exchanges import CBOE, DATABENTO, MASSIVE, NAMES, OPRA_LETTERS, THETA, mic

PUBLISHERS = (
    "20 AMXO, 21 XBOX, 22 XCBO, 23 EMLD, 24 EDGO, 25 GMNI, 26 XISX, 27 MCRY, 28 XMIO, 29 ARCO, 30 OPRA, 31 MPRL, "
    "32 XNDQ, 33 XBXO, 34 C2OX, 35 XPHL, 36 BATO, 37 MXOP, 61 SPHR"
)


def test_databentos_publishers_are_those_of_its_documents() -> None:
    assert {int(n): code for n, code in (pair.split() for pair in PUBLISHERS.split(", "))} == DATABENTO


@pytest.mark.parametrize("table", [OPRA_LETTERS, DATABENTO, MASSIVE, THETA, CBOE])
def test_every_table_names_known_exchanges_only(table: dict[object, str]) -> None:
    assert set(table.values()) <= set(NAMES)
    assert all(re.fullmatch(r"[A-Z0-9]{4}", code) for code in table.values())


@pytest.mark.parametrize("table", [OPRA_LETTERS, DATABENTO])
def test_every_exchange_has_one_letter_and_one_publisher(table: dict[object, str]) -> None:
    assert sorted(table.values()) == sorted(NAMES)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("XPHO", "XPHL"), ("C2OX", "C2OX"), ("xcbo", "XCBO"), ("XNDO", "XNDQ"), ("GMNI", "GMNI"), ("ZZZZ", "ZZZZ"),
        ("", ""),
    ],
)  # fmt: skip
def test_a_vendors_variant_is_read_as_the_mic(text: str, code: str) -> None:
    assert mic(text) == code
    assert all(mic(known) == known for known in NAMES)
