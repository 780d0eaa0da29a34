"""Reads the captures: messages of our own making in a vendor's form, each with what it must become.

`tests/captures/<vendor>/messages.jsonl` has one JSON object a line: `about`, `frame` (text) or `hex` (bytes),
and `becomes`: the prints, references and reasons of rejects, in their order. All were received at RECEIVED.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from schemas.print import Event, Print, Reference

CAPTURES = Path(__file__).parents[1] / "captures"
RECEIVED = 1_767_225_600_000
"""Unix ms."""


@dataclass(frozen=True)
class Message:
    about: str
    frame: bytes | str
    becomes: list[dict[str, Any]]


def captured(vendor: str) -> list[Message]:
    """The messages of a vendor, in the order in which they came."""
    lines = (CAPTURES / vendor / "messages.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    return [
        Message(row["about"], bytes.fromhex(row["hex"]) if "hex" in row else row["frame"], row["becomes"])
        for row in rows
    ]


def told(event: Event) -> dict[str, Any]:
    """An event as a capture writes it."""
    if isinstance(event, Print):
        return {"print": json.loads(msgspec.json.encode(event))}
    if isinstance(event, Reference):
        return {"reference": json.loads(msgspec.json.encode(event))}
    return {"reject": event.reason}
