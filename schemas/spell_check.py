"""The nearest known word to a wrong one, for the hint in an error."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

WORD_CHARS = 40
"""A longer word is compared by its beginning: the comparison takes the square of the length."""


def close_match(word: str, known: Iterable[str], cutoff: float = 0.6) -> str | None:
    """The known word most like `word`, or None where none comes near; `cutoff` is a ratio from 0 to 1."""
    spelled = {name.lower(): name for name in known}
    found = get_close_matches(word[:WORD_CHARS].lower(), spelled, n=1, cutoff=cutoff)
    return spelled[found[0]] if found else None


def nearest(word: str, known: Iterable[str]) -> str:
    """` (nearest: <word>)` to put into a sentence, or nothing."""
    match = close_match(word, known)
    return f" (nearest: {match})" if match else ""
