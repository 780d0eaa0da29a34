"""An HTTP connection of the gateway: uvicorn's own protocol, with an end to requests that never end."""

from __future__ import annotations

import asyncio
import fcntl
import struct
import termios
from contextlib import suppress
from typing import Any, Final

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

REQUEST_S: Final = 15.0
"""A request, head and body, is received within this, or its connection is cut."""

ANSWER_S: Final = 30.0
ANSWER_BYTES: Final = 32_768
"""A client that is behind reads at least so many bytes of its answer in each such time, or it is cut off."""


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
        self._expect_reading()

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

    def _expect_reading(self) -> None:
        self._answer_timer = self.loop.call_later(ANSWER_S, self._check_reading, self._unread())

    def _check_reading(self, before: int) -> None:
        if self._unread() > before - ANSWER_BYTES:
            self.transport.abort()
        else:
            self._expect_reading()

    def _unread(self) -> int:
        """Bytes of answers that the client has not acknowledged, as far as the system tells."""
        unread: int = self.transport.get_write_buffer_size()
        connection = self.transport.get_extra_info("socket")
        # The system takes large lumps: a slow reader would seem to stand still between two of them.
        with suppress(OSError, AttributeError, ValueError):
            (queued,) = struct.unpack("i", fcntl.ioctl(connection.fileno(), termios.TIOCOUTQ, bytes(4)))
            unread += queued
        return unread

    def _forget_answer(self) -> None:
        if self._answer_timer is not None:
            self._answer_timer.cancel()
            self._answer_timer = None
