"""A stand-in for Unusual Whales' socket."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs, urlsplit

from websockets.asyncio.server import ServerConnection
from websockets.http11 import Request

from tests.vendors.harness import WebSocketVendor

TOKEN = "token+of the/tests"  # noqa: S105


class Server(WebSocketVendor):
    feed = "unusual-whales"
    garbage = (
        "",
        "{",
        "not json",
        "{}",
        "[1,2,3]",
        '["option_trades",[]]',
        '["option_trades",{"id":7}]',
        b"\xff\x00",
    )

    def settings(self, right_key: bool) -> dict[str, Any]:
        return {"unusual_whales_url": self.url, "unusual_whales_token": TOKEN if right_key else "wrong"}

    def refuse_handshake(self, request: Request) -> HTTPStatus | None:
        given = parse_qs(urlsplit(request.path).query).get("token")
        return None if given == [TOKEN] else HTTPStatus.UNAUTHORIZED

    async def login(self, socket: ServerConnection) -> bool:
        asked = json.loads(await socket.recv())
        assert asked == {"channel": "option_trades", "msg_type": "join"}
        await socket.send(json.dumps(["option_trades", {"response": {}, "status": "ok"}]))
        return True

    def message(self, n: int) -> str:
        payload = {"id": f"00000000-0000-4000-8000-{n:012d}", "underlying_symbol": "SPY",
                   "executed_at": 1_781_278_205_000 + n, "nbbo_bid": "2.40", "nbbo_ask": "2.45", "size": n + 1,
                   "price": "2.45", "option_symbol": "SPY260618C00600000", "trade_code": "auto",
                   "exchange": "XPHO", "underlying_price": "598.11", "open_interest": 5120, "volume": 100 + n,
                   "implied_volatility": "0.14", "delta": "0.5", "report_flags": [], "tags": []}  # fmt: skip
        return json.dumps(["option_trades", payload])

    def print_id(self, n: int) -> str:
        return f"uw_00000000000040008000{n:012d}"
