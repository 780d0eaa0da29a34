"""One WebSocket connection to a vendor, with its errors told as FeedError and FeedRefusedError.

Addresses can carry a key, so no error names one: it names the vendor.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException
from websockets.frames import CloseCode

from engine.access.loopback import is_loopback
from engine.feeds.live import Frame
from schemas.errors import FeedError, FeedRefusedError

FRAME_BYTES = 8 * 1024 * 1024
"""Longest message that is taken; a longer one ends the connection."""
QUEUED_FRAMES = 64
"""Messages that wait to be read; beyond it the vendor is made to wait."""

CLOSE_S = 1.0
"""Seconds that the vendor has to answer a close."""

_REFUSALS = {
    400: "the request was not understood",
    401: "the key is not valid",
    402: "the plan does not include it",
    403: "the key may not do this",
    404: "there is no such address",
}


class WebSocketLine:
    """A connection that can be opened again after it was closed; errors name the other side `vendor`."""

    def __init__(self, vendor: str) -> None:
        self._vendor = vendor
        self._connection: ClientConnection | None = None

    async def open(self, url: str, headers: Mapping[str, str] | None = None) -> None:
        """Connect. Raises FeedRefusedError where the handshake is refused for good, FeedError otherwise."""
        try:
            self._connection = await connect(
                url,
                additional_headers=dict(headers or {}),
                compression=None,
                max_size=FRAME_BYTES,
                max_queue=QUEUED_FRAMES,
                open_timeout=None,  # the supervisor limits the whole of opening
                close_timeout=CLOSE_S,
                proxy=None if is_loopback(urlsplit(url).hostname or "") else True,
            )
        except InvalidStatus as error:
            status = error.response.status_code
            if status in _REFUSALS:
                raise FeedRefusedError(
                    f"{self._vendor} refused the connection with status {status}: {_REFUSALS[status]}.",
                    "Check the key, the plan and the address in the settings.",
                ) from None
            raise FeedError(f"{self._vendor} answered the connection with status {status}.") from None
        except (OSError, EOFError, WebSocketException, ValueError) as error:
            raise FeedError(f"{self._vendor} cannot be reached: {type(error).__name__}.") from None

    async def send(self, message: Frame) -> None:
        """Send one text or binary message."""
        try:
            await self._open_connection().send(message)
        except ConnectionClosed as error:
            raise self._closed(error) from None

    async def receive(self) -> Frame:
        """The next message, a text as its UTF-8 bytes; cancelling it loses none."""
        try:
            # Not decoded: what is damaged in it is the decoder's to reject, and no reason to lose the connection.
            return await self._open_connection().recv(decode=False)
        except ConnectionClosed as error:
            raise self._closed(error) from None

    async def close(self) -> None:
        """Close, where it is open."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()

    def _open_connection(self) -> ClientConnection:
        if self._connection is None:
            raise FeedError(f"The connection to {self._vendor} is not open.")
        return self._connection

    def _closed(self, error: ConnectionClosed) -> FeedError:
        close = error.rcvd
        if close is None and error.sent is not None and error.sent.code == CloseCode.MESSAGE_TOO_BIG:
            return FeedError(f"{self._vendor} sent a message of more than {FRAME_BYTES >> 20} MiB.")
        why = "without a close frame" if close is None else f"with {close.code} {close.reason}".rstrip()
        return FeedError(f"{self._vendor} closed the connection {why}.")
