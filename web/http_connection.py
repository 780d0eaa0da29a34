"""An HTTP connection of the gateway: uvicorn's own protocol, with an end to requests that never end."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

REQUEST_S: Final = 15.0
"""A request, head and body, is received within this, or its connection is cut."""

ANSWER_S: Final = 30.0
"""A client that has not read what it asked for within this is cut off."""


class HttpConnection(H11Protocol):
    """One connection. uvicorn itself waits for ever for a request's end, its beginning, and an answer's reader."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._request_timer: asyncio.TimerHandle | None = None
        self._answer_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """The protocol's own; the first request is due."""
        super().connection_made(transport)
        self._expect_request()

    def data_received(self, data: bytes) -> None:
        """The protocol's own; what has begun is to be there whole in time, however it trickles."""
        super().data_received(data)
        # After an upgrade this is another's connection, though this end never saw the end of the request.
        mine = self.transport.get_protocol() is self and not self.transport.is_closing()
        if mine and self.conn.their_state in (h11.IDLE, h11.SEND_BODY):
            self._expect_request()
        else:
            self._forget_request()

    def connection_lost(self, exc: Exception | None) -> None:
        """The protocol's own; nothing is due any more."""
        self._forget_request()
        self._forget_answer()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """The protocol's own; the client is behind."""
        super().pause_writing()
        self._answer_timer = self.loop.call_later(ANSWER_S, self.transport.abort)

    def resume_writing(self) -> None:
        """The protocol's own; the client reads."""
        super().resume_writing()
        self._forget_answer()

    def timeout_keep_alive_handler(self) -> None:
        """The protocol's own, which waits for ever where the last answer is not read."""
        super().timeout_keep_alive_handler()
        self.transport.abort()

    def _expect_request(self) -> None:
        if self._request_timer is None:
            self._request_timer = self.loop.call_later(REQUEST_S, self.transport.abort)

    def _forget_request(self) -> None:
        if self._request_timer is not None:
            self._request_timer.cancel()
            self._request_timer = None

    def _forget_answer(self) -> None:
        if self._answer_timer is not None:
            self._answer_timer.cancel()
            self._answer_timer = None
