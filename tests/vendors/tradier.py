"""A stand-in for Tradier: an HTTP address that makes sessions, and the market WebSocket that takes them."""

from __future__ import annotations

import asyncio
import json
from http import HTTPStatus
from typing import Any, Self

from websockets.asyncio.server import ServerConnection

from tests.vendors.harness import WebSocketVendor

TOKEN = "tradier-token-of-the-tests"  # noqa: S105
SYMBOL = "SPY260618C00600000"


class Server(WebSocketVendor):
    feed = "tradier"
    garbage = (
        "{",
        "not json",
        "[]",
        "{}",
        '{"type":"timesale"}',
        '{"type":"quote","symbol":"SPY"}',
        b"\xff\x00",
    )

    def __init__(self) -> None:
        super().__init__()
        self._sessions: set[str] = set()

    def settings(self, right_key: bool) -> dict[str, Any]:
        port = self._http.sockets[0].getsockname()[1]
        return {
            "tradier_url": self.url,
            "tradier_session_url": f"http://127.0.0.1:{port}/v1/markets/events/session",
            "tradier_token": TOKEN if right_key else "wrong",
            "symbols": (SYMBOL,),
        }

    async def __aenter__(self) -> Self:
        self._http = await asyncio.start_server(self._make_session, "127.0.0.1", 0)
        return await super().__aenter__()

    async def __aexit__(self, *exc: object) -> None:
        self._http.close()
        await self._http.wait_closed()
        await super().__aexit__(*exc)

    async def _make_session(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        assert head.startswith("POST /v1/markets/events/session ")
        session = f"session-{len(self._sessions)}"
        if f"authorization: bearer {TOKEN}" in head.lower():
            status = HTTPStatus.OK
            self._sessions.add(session)
            body = json.dumps(
                {"stream": {"url": "https://stream.tradier.com/v1/markets/events", "sessionid": session}}
            )
        else:
            self.attempts += 1
            status, body = HTTPStatus.UNAUTHORIZED, "Invalid Access Token"
        answer = f"HTTP/1.1 {status.value} {status.phrase}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        writer.write((answer + body).encode())
        await writer.drain()
        writer.close()

    async def login(self, socket: ServerConnection) -> bool:
        asked = json.loads(await socket.recv())
        # A session is good for one connection.
        self._sessions.remove(asked.pop("sessionid"))
        assert asked == {
            "symbols": [SYMBOL, "SPY"], "filter": ["timesale", "quote"], "linebreak": True, "validOnly": False,
        }  # fmt: skip
        return True

    def message(self, n: int) -> str:
        event = {"type": "timesale", "symbol": SYMBOL, "exch": "Q", "bid": "2.40", "ask": "2.45", "last": "2.45",
                 "size": str(n + 1), "date": str(1_781_278_205_000 + n), "seq": n, "flag": "", "cancel": False,
                 "correction": False, "session": "normal"}  # fmt: skip
        return json.dumps(event) + "\n"

    def print_id(self, n: int) -> str:
        return f"td_{SYMBOL}_260612_{n}"
