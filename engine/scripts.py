"""Loads the Lua of `lua/`, runs it, and turns its error codes into errors. Nothing else reads that folder.

A script's file is `<verb>_<object>-<keys>.lua`; `n` for keys means that the caller declares a varying number.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import redis
import redis.asyncio
from redis.exceptions import NoScriptError, ResponseError

from schemas.errors import FlowtapeError, NotOwnerError, StaleStateError

FOLDER = Path(__file__).parent.parent / "lua"

Argument = str | bytes | int | float


class Script:
    """One Lua script: its source, its SHA-1 and how many keys it takes."""

    def __init__(self, path: Path) -> None:
        self.name, _, keys = path.stem.rpartition("-")
        self.keys = None if keys == "n" else int(keys)
        self.source = path.read_text(encoding="utf-8")
        self.sha = hashlib.sha1(self.source.encode(), usedforsecurity=False).hexdigest()

    def command(self, keys: Sequence[str], arguments: Sequence[Argument]) -> tuple[Argument, ...]:
        """The EVALSHA command, for a connection that the caller drives."""
        if self.keys is not None and len(keys) != self.keys:
            raise ValueError(f"{self.name} takes {self.keys} keys, not {len(keys)}")
        return ("EVALSHA", self.sha, len(keys), *keys, *arguments)

    def run(self, client: redis.Redis, keys: Sequence[str], arguments: Sequence[Argument]) -> Any:
        """Run it, loading it first where Redis does not know it. Raises as `translate` says."""
        command = self.command(keys, arguments)
        try:
            try:
                return client.execute_command(*command)
            except NoScriptError:
                client.script_load(self.source)
                return client.execute_command(*command)
        except ResponseError as error:
            raise translate(error) from error

    async def run_async(
        self, client: redis.asyncio.Redis, keys: Sequence[str], arguments: Sequence[Argument]
    ) -> Any:
        """As `run`, on an asyncio client."""
        command = self.command(keys, arguments)
        try:
            try:
                return await client.execute_command(*command)
            except NoScriptError:
                await client.script_load(self.source)
                return await client.execute_command(*command)
        except ResponseError as error:
            raise translate(error) from error


@lru_cache(maxsize=64)
def script(name: str) -> Script:
    """The script of a verb, as `script("append_prints")`."""
    found = sorted(FOLDER.glob(f"{name}-*.lua"))
    if len(found) != 1:
        raise FlowtapeError(
            f"{FOLDER} holds {len(found)} scripts named {name}, expected one.", "Install again."
        )
    return Script(found[0])


def translate(error: ResponseError) -> Exception:
    """The error of a code that a script answered with; an error of Redis itself comes back as it is."""
    code, _, rest = str(error).partition(" ")
    if code == "NOTOWNER":
        return NotOwnerError(f"The partition is owned by {rest or 'nobody'}.")
    if code == "STALE":
        return StaleStateError("Redis holds another state than expected.", tuple(map(int, rest.split())))
    return error
