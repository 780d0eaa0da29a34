"""A stand-in for Massive's options cluster."""

from __future__ import annotations

import json
from typing import Any

from websockets.asyncio.server import ServerConnection

from tests.vendors.harness import WebSocketVendor

KEY = "massive-key-of-the-tests"


class Server(WebSocketVendor):
    feed = "massive"
    garbage = (
        "", "[", "not json", "{}", "[1,2]", '[{"ev":"T"}]', '[{"ev":"T","sym":"O:SPY","p":-1}]', b"\xff\xfe\x00", "[]"
    )  # fmt: skip

    def settings(self, right_key: bool) -> dict[str, Any]:
        return {"massive_url": self.url, "massive_key": KEY if right_key else "wrong"}

    async def login(self, socket: ServerConnection) -> bool:
        await self._status(socket, "connected", "Connected Successfully")
        asked = json.loads(await socket.recv())
        if asked != {"action": "auth", "params": KEY}:
            await self._status(socket, "auth_failed", "authentication failed")
            return False
        await self._status(socket, "auth_success", "authenticated")
        asked = json.loads(await socket.recv())
        assert asked["action"] == "subscribe"
        for channel in asked["params"].split(","):
            await self._status(socket, "success", f"subscribed to: {channel}")
        return True

    def message(self, n: int) -> str:
        quote = {"ev": "Q", "sym": "O:SPY261218C00600000", "bx": 302, "ax": 313, "bp": 1.2, "ap": 1.3,
                 "bs": 10, "as": 12, "t": 1_781_278_205_000 + n, "q": n}  # fmt: skip
        trade = {"ev": "T", "sym": "O:SPY261218C00600000", "x": 302, "p": 1.25, "s": n + 1, "c": [209],
                 "t": 1_781_278_205_000 + n, "q": n}  # fmt: skip
        return json.dumps([quote, trade])

    def print_id(self, n: int) -> str:
        return f"ms_SPY261218C00600000_260612_{n}"

    @staticmethod
    async def _status(socket: ServerConnection, status: str, message: str) -> None:
        await socket.send(json.dumps([{"ev": "status", "status": status, "message": message}]))
