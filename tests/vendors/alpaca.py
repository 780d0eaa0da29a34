"""A stand-in for Alpaca's option stream."""

from __future__ import annotations

from typing import Any

import msgpack
from websockets.asyncio.server import ServerConnection

from engine.feeds.alpaca import AlpacaDecoder
from tests.vendors.harness import WebSocketVendor

KEY, SECRET = "alpaca-key-of-the-tests", "alpaca-secret-of-the-tests"


class Server(WebSocketVendor):
    feed = "alpaca"
    garbage = (
        b"", b"\xc1", b"text", b"\xdd\xff\xff\xff\xff", "a text frame", msgpack.packb({"T": "t"}),
        msgpack.packb([1, {"T": "t"}, {"T": "t", "S": "SPY", "t": "now", "p": -1, "s": 0}]),
        msgpack.packb([{"T": "t", "S": "SPY261218C00600000", "t": "2026-13-01T00:00:00Z", "p": 1, "s": 1}]),
    )  # fmt: skip

    def settings(self, right_key: bool) -> dict[str, Any]:
        return {
            "alpaca_url": self.url,
            "alpaca_key": KEY,
            "alpaca_secret": SECRET if right_key else "wrong",
        }

    async def login(self, socket: ServerConnection) -> bool:
        await self._tell(socket, {"T": "success", "msg": "connected"})
        asked = msgpack.unpackb(await socket.recv())
        if asked != {"action": "auth", "key": KEY, "secret": SECRET}:
            await self._tell(socket, {"T": "error", "code": 402, "msg": "auth failed"})
            return False
        await self._tell(socket, {"T": "success", "msg": "authenticated"})
        asked = msgpack.unpackb(await socket.recv())
        if "*" in asked.get("quotes", []):
            await self._tell(socket, {"T": "error", "code": 413, "msg": "option quotes * not allowed"})
            return False
        await self._tell(socket, {"T": "subscription", "trades": asked["trades"], "quotes": []})
        return True

    def message(self, n: int) -> bytes:
        return bytes(msgpack.packb([self._quote(n), self._trade(n)]))

    def print_id(self, n: int) -> str:
        # The id is a digest of the whole trade: that it is stable is what test_alpaca.py says of it.
        (made,) = AlpacaDecoder().decode(msgpack.packb([self._trade(n)]), 0)
        return made.id

    @staticmethod
    def _quote(n: int) -> dict[str, Any]:
        return {"T": "q", "S": "SPY261218C00600000", "t": "2026-06-12T15:30:05.000000001Z", "bx": "C", "bp": 1.2,
                "bs": 10, "ax": "N", "ap": 1.3, "as": 12, "c": "A"}  # fmt: skip

    @staticmethod
    def _trade(n: int) -> dict[str, Any]:
        return {"T": "t", "S": "SPY261218C00600000", "t": f"2026-06-12T15:30:05.{n:09d}Z", "p": 1.25, "s": 3,
                "x": "C", "c": "I"}  # fmt: skip

    @staticmethod
    async def _tell(socket: ServerConnection, message: dict[str, Any]) -> None:
        await socket.send(msgpack.packb([message]))
