"""A stand-in for the Theta Terminal; it has no key, but the login it was started with can be wrong."""

from __future__ import annotations

import json
from typing import Any

from websockets.asyncio.server import ServerConnection

from tests.vendors.harness import WebSocketVendor

CONTRACT = {"security_type": "OPTION", "root": "SPY", "expiration": 20260618, "strike": 600000, "right": "C"}


class Server(WebSocketVendor):
    feed = "theta"
    garbage = (
        "", "{", "not json", "[]", "{}", '{"header":{}}', '{"header":{"type":"TRADE"},"contract":{}}', b"\xff\x00",
        '{"header":{"type":"STATUS","status":7}}',
    )  # fmt: skip

    def settings(self, right_key: bool) -> dict[str, Any]:
        self._verified = right_key
        return {"theta_url": self.url}

    async def login(self, socket: ServerConnection) -> bool:
        asked = json.loads(await socket.recv())
        status = "CONNECTED" if self._verified else "UNVERIFIED"
        await socket.send(json.dumps({"header": {"type": "STATUS", "status": status}}))
        if not self._verified:
            return False
        assert asked == {
            "msg_type": "STREAM_BULK", "sec_type": "OPTION", "req_type": "TRADE", "add": True, "id": 0,
        }  # fmt: skip
        answer = {
            "type": "REQ_RESPONSE",
            "status": "CONNECTED",
            "response": "SUBSCRIBED",
            "req_id": asked["id"],
        }
        await socket.send(json.dumps({"header": answer}))
        return True

    def message(self, n: int) -> str:
        trade = {"ms_of_day": 41_405_000 + n, "sequence": n, "size": n + 1, "condition": 18, "price": 2.45,
                 "exchange": 5, "date": 20260612}  # fmt: skip
        return json.dumps(
            {"header": {"type": "TRADE", "status": "CONNECTED"}, "contract": CONTRACT, "trade": trade}
        )

    def print_id(self, n: int) -> str:
        return f"th_SPY260618C00600000_260612_{n}"
