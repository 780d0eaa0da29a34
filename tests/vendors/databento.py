"""A stand-in for Databento's live gateway."""

from __future__ import annotations

import asyncio
import hashlib
from typing import Any

from tests.vendors.databento_bytes import OPENING_NS, heartbeat, mapping, metadata, trade
from tests.vendors.harness import TcpVendor

KEY = "db-ABCDEFGHIJKLMNOPQRSTUVWXYZ012"
CHALLENGE = "t7kNhwj4xqR0QYjzFKtBEG2ec2pXJ4FK"


class Server(TcpVendor):
    feed = "databento"
    garbage = (bytes(16), b"not a record", b"\xff" * 200, b"")

    def __init__(self) -> None:
        super().__init__()
        self.subscribed: list[str] = []
        """Subscription lines of all connections."""

    def settings(self, right_key: bool) -> dict[str, Any]:
        key = KEY if right_key else "db-00000000000000000000000000000"
        return {"databento_url": f"tcp://127.0.0.1:{self.port}", "databento_key": key}

    async def login(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        writer.write(f"lsg_version=0.7.2\ncram={CHALLENGE}\n".encode())
        asked = dict(part.split("=", 1) for part in (await reader.readline()).decode().strip().split("|"))
        digest = hashlib.sha256(f"{CHALLENGE}|{KEY}".encode()).hexdigest()
        if asked["auth"] != f"{digest}-{KEY[-5:]}":
            writer.write(b"success=0|error=Authentication failed.\n")
            await writer.drain()
            return False
        assert asked["dataset"] == "OPRA.PILLAR"
        assert asked["encoding"] == "dbn"
        writer.write(b"success=1|session_id=1781271000\n")
        while (line := (await reader.readline()).decode()) != "start_session\n":
            assert line.endswith("\n")
            self.subscribed.append(line.strip())
        writer.write(metadata() + mapping() + heartbeat())
        return True

    def message(self, n: int) -> bytes:
        return trade(n * 1_000, size=n + 1)

    def print_id(self, n: int) -> str:
        return f"db_SPY260618C00600000_23_{OPENING_NS + n * 1_000:x}"
