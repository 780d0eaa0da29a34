"""Writes docs/settings.md from the table of settings; `scripts/docs` runs it, a test holds the page to it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic.fields import FieldInfo

from engine.settings import CONFIG_VARIABLE, DEFAULT_CONFIG, Settings

HEAD = f"""# Settings

This page is generated from `engine/settings.py` by `scripts/docs`.

Each setting has a name in the environment, `FLOWTAPE_` and the name in capitals, and the plain name in a TOML
file: `{DEFAULT_CONFIG}` in the working folder, or the file that `{CONFIG_VARIABLE}` names. The environment wins over
the file, and a flag of a command wins over both.

```toml
partitions = 4
symbols = "SPY,QQQ"
large_premium = 250000

[thresholds.SPY]
block_size = 2000
```

| setting | default | unit | meaning |
|---|---|---|---|
"""

BOUNDS = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below"}


def page() -> str:
    """The whole page."""
    return HEAD + "".join(f"{row}\n" for row in _rows())


def _rows() -> Iterator[str]:
    for name, field in Settings.model_fields.items():
        extra = field.json_schema_extra
        unit = extra["unit"] if isinstance(extra, dict) else ""
        meaning = " ".join(filter(None, (field.description, _bounds(field))))
        yield f"| `{name}` | {_default(field.default)} | {unit} | {meaning.replace('|', chr(92) + '|')} |"


def _default(value: Any) -> str:
    if value is None or value in ((), {}):
        return ""
    if isinstance(value, str):
        return f"`{value}`"
    return f"{value:,}".removesuffix(".0")


def _bounds(field: FieldInfo) -> str:
    words = []
    for bound in field.metadata:
        for attribute, word in BOUNDS.items():
            if (limit := getattr(bound, attribute, None)) is not None:
                words.append(f"{word} {limit:,}")
    sentence = ", ".join(words)
    return f"{sentence[0].upper()}{sentence[1:]}." if sentence else ""


if __name__ == "__main__":
    print(page(), end="")
