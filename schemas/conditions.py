"""OPRA sale conditions: one letter each, what vendors call it, and the flags that follow from it.

Source: OPRA Pillar output specification, trade message type; Massive numbers a letter by its place in the
alphabet (200 + place, A = 1 .. Z = 26, a = 27 ..), Theta Data and Cboe DataShop share codes of their own.
"""

from __future__ import annotations

from schemas.flags import Flag

FLAG_LETTERS: dict[Flag, frozenset[str]] = {
    Flag.ISO: frozenset("Sbd"),
    # L, M and Q are the spread, straddle and combination of tapes before 2019.
    Flag.MULTI_LEG: frozenset("fghijlmtLMQ"),
    # P is the buy-write of tapes before 2019.
    Flag.STOCK_TIED: frozenset("knopqrsP"),
    Flag.FLOOR: frozenset("eimpst"),
    Flag.AUCTION: frozenset("abgklr"),
    Flag.CROSS: frozenset("cdho"),
    Flag.LATE: frozenset("BDFH"),
    Flag.CANCELLED: frozenset("ACEG"),
    Flag.EXTENDED: frozenset("v"),
}
"""Which letters raise which flag."""

COMPRESSION = "u"
"""Multilateral compression: kept, but neither flow nor volume, and never notable."""

NAMES: dict[str, str] = {
    "A": "CANC", "B": "OSEQ", "C": "CNCL", "D": "LATE", "E": "CNCO", "F": "OPEN", "G": "CNOL", "H": "OPNL",
    "I": "AUTO", "J": "REOP", "L": "SPRD", "M": "STDL", "N": "STPD", "P": "BWRT", "Q": "CMBO", "S": "ISOI",
    "a": "SLAN", "b": "SLAI", "c": "SLCN", "d": "SLCI", "e": "SLFT", "f": "MLET", "g": "MLAT", "h": "MLCT",
    "i": "MLFT", "j": "MESL", "k": "TLAT", "l": "MASL", "m": "MFSL", "n": "TLET", "o": "TLCT", "p": "TLFT",
    "q": "TESL", "r": "TASL", "s": "TFSL", "t": "CBMO", "u": "MCTP", "v": "EXHT",
}  # fmt: skip
"""OPRA's own abbreviation of each letter, upper case."""

BY_NAME: dict[str, str] = {name.lower(): letter for letter, name in NAMES.items()}
"""The letter of an abbreviation in lower case, as Unusual Whales writes `trade_code`."""

BY_MASSIVE: dict[int, str] = {
    200 + (ord(letter) - 64 if letter.isupper() else ord(letter) - 70): letter for letter in NAMES
}
"""The letter of Massive's condition id."""

TO_MASSIVE: dict[str, int] = {letter: number for number, letter in BY_MASSIVE.items()}
"""Massive's condition id of a letter."""

BY_THETA: dict[int, str] = {
    2: "B", 5: "D", 6: "D", 7: "D", 13: "D", 18: "I", 21: "J",
    35: "L", 36: "M", 37: "P", 38: "Q", 39: "N", 106: "N",
    40: "A", 41: "C", 42: "E", 43: "G", 44: "A", 95: "S", 118: "v",
    125: "a", 126: "b", 127: "c", 128: "d", 129: "e", 130: "f", 131: "g", 132: "h", 133: "i", 134: "j",
    135: "k", 136: "l", 137: "m", 138: "n", 139: "o", 140: "p", 141: "q", 142: "r", 143: "s", 144: "t",
    147: "u", 148: "v",
}  # fmt: skip
"""The letter of a Theta Data or Cboe DataShop condition id; 0 is a regular trade and has none."""

_BY_LETTER: dict[str, tuple[Flag, ...]] = {
    letter: tuple(flag for flag, letters in FLAG_LETTERS.items() if letter in letters) for letter in NAMES
}


def flags_of(conditions: tuple[str, ...]) -> tuple[Flag, ...]:
    """The flags that follow from the sale conditions, each once, in the order of `Flag`."""
    if len(conditions) == 1:
        return _BY_LETTER.get(conditions[0], ())
    found = {flag for letter in conditions for flag in _BY_LETTER.get(letter, ())}
    return tuple(flag for flag in FLAG_LETTERS if flag in found)
