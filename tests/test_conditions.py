"""Sale conditions: FEEDS' table of OPRA letters, and what each vendor calls them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from schemas.conditions import (
    BY_MASSIVE,
    BY_NAME,
    BY_THETA,
    COMPRESSION,
    FLAG_LETTERS,
    NAMES,
    TO_MASSIVE,
    flags_of,
)
from schemas.flags import NOTABLE, Flag

# letter, Massive's id, OPRA's abbreviation, Theta Data's id (None: it has none of its own), flags
TABLE = [
    ("A", 201, "CANC", 40, "cancelled"), ("C", 203, "CNCL", 41, "cancelled"),
    ("E", 205, "CNCO", 42, "cancelled"), ("G", 207, "CNOL", 43, "cancelled"),
    ("B", 202, "OSEQ", 2, "late"), ("D", 204, "LATE", 5, "late"), ("F", 206, "OPEN", None, "late"),
    ("H", 208, "OPNL", None, "late"), ("I", 209, "AUTO", 18, ""), ("J", 210, "REOP", 21, ""),
    ("S", 219, "ISOI", 95, "iso"), ("a", 227, "SLAN", 125, "auction"), ("b", 228, "SLAI", 126, "iso auction"),
    ("c", 229, "SLCN", 127, "cross"), ("d", 230, "SLCI", 128, "iso cross"), ("e", 231, "SLFT", 129, "floor"),
    ("f", 232, "MLET", 130, "multi_leg"), ("g", 233, "MLAT", 131, "multi_leg auction"),
    ("h", 234, "MLCT", 132, "multi_leg cross"), ("i", 235, "MLFT", 133, "multi_leg floor"),
    ("j", 236, "MESL", 134, "multi_leg"), ("k", 237, "TLAT", 135, "stock_tied auction"),
    ("l", 238, "MASL", 136, "multi_leg auction"), ("m", 239, "MFSL", 137, "multi_leg floor"),
    ("n", 240, "TLET", 138, "stock_tied"), ("o", 241, "TLCT", 139, "stock_tied cross"),
    ("p", 242, "TLFT", 140, "stock_tied floor"), ("q", 243, "TESL", 141, "stock_tied"),
    ("r", 244, "TASL", 142, "stock_tied auction"), ("s", 245, "TFSL", 143, "stock_tied floor"),
    ("t", 246, "CBMO", 144, "multi_leg floor"), ("u", 247, "MCTP", 147, ""), ("v", 248, "EXHT", 148, "extended"),
]  # fmt: skip


def test_every_letter_has_its_names_and_flags() -> None:
    for letter, massive, name, theta, flags in TABLE:
        assert NAMES[letter] == name
        assert BY_NAME[name.lower()] == letter
        assert BY_MASSIVE[massive] == letter
        assert TO_MASSIVE[letter] == massive
        assert theta is None or BY_THETA[theta] == letter
        assert {flag.value for flag in flags_of((letter,))} == set(flags.split())


def test_older_conditions_of_recorded_files_have_their_flags() -> None:
    flags = {code: flags_of((BY_THETA[code],)) for code in (5, 6, 7, 13, 35, 36, 37, 38, 39, 44, 106)}
    assert [flags[code] for code in (5, 6, 7, 13)] == [(Flag.LATE,)] * 4
    assert [flags[code] for code in (35, 36, 38)] == [(Flag.MULTI_LEG,)] * 3
    assert flags[37] == (Flag.STOCK_TIED,)
    assert flags[39] == flags[106] == ()
    assert flags[44] == (Flag.CANCELLED,)
    assert 0 not in BY_THETA


def test_compression_raises_no_flag() -> None:
    assert flags_of((COMPRESSION,)) == ()
    assert not NOTABLE & set(FLAG_LETTERS)


def test_no_flag_names_a_letter_that_does_not_exist() -> None:
    assert {letter for letters in FLAG_LETTERS.values() for letter in letters} <= set(NAMES)
    assert set(BY_THETA.values()) <= set(NAMES)


@given(st.lists(st.sampled_from([*NAMES, "?", ""]), max_size=4))
def test_several_conditions_raise_the_flags_of_each_once_and_in_order(letters: list[str]) -> None:
    found = flags_of(tuple(letters))
    assert set(found) == {flag for letter in letters for flag in flags_of((letter,))}
    assert list(found) == [flag for flag in Flag if flag in found]
