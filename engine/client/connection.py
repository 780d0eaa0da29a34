"""One connection to a gateway: open and let in, messages either way, and what its end means."""

from __future__ import annotations

import asyncio
from typing import Final, NoReturn, Self
from urllib.parse import urlsplit

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException
from websockets.frames import CloseCode
from websockets.typing import Subprotocol

from engine.access.loopback import is_loopback
from engine.client.closing import handshake_refusal, refusal
from schemas.errors import MessageError, StreamError
from schemas.messages import MESSAGE_BYTES, Encoding, Hello, ServerMessage, Welcome

OPEN_S: Final = 20.0
"""Seconds in which a connection must be open and let in."""

CLOSE_S: Final = 1.0
"""Seconds that the gateway has to answer a close."""

FRAME_BYTES: Final = 64 * 1024 * 1024
"""Longest message that is taken; a longer one ends the connection."""

QUEUED_FRAMES: Final = 64
"""Messages that wait to be read; beyond it the gateway is made to wait."""


class LostError(StreamError):
    """A connection could not be made, or ended; another one may help."""


class Connection:
    """An open connection. Its methods raise LostError where it broke, StreamError where it ended for good."""

    def __init__(self, url: str, encoding: Encoding, socket: ClientConnection) -> None:
        self._url, self._encoding, self._socket = url, encoding, socket
        self.welcome: Welcome

    @classmethod
    async def open(cls, url: str, encoding: Encoding, token: str | None, *, token_in_hello: bool) -> Self:
        """Connect and be let in. Raises MessageError for a gateway that says something else than it should."""
        try:
            async with asyncio.timeout(OPEN_S):
                connection = cls(
                    url, encoding, await _connect(url, encoding, None if token_in_hello else token)
                )
                try:
                    await connection._enter(Hello(token) if token_in_hello else None)
                except BaseException:
                    await connection.close()
                    raise
        except TimeoutError:
            raise LostError(f"{url} did not let us in within {OPEN_S:g} s.") from None
        return connection

    async def _enter(self, hello: Hello | None) -> None:
        if hello is not None:
            await self.send(hello)
        first = await self.receive()
        if not isinstance(first, Welcome):
            raise MessageError(f"{self._url} began with {first!r:.80}, expected a welcome.")
        self.welcome = first

    async def send(self, message: msgspec.Struct) -> None:
        """Send a message of at most MESSAGE_BYTES. Raises LostError after any end: `receive` knows why it ended."""
        frame = self._encoding.encode(message)
        if len(frame) > MESSAGE_BYTES:
            raise StreamError(f"The message has {len(frame)} bytes, at most {MESSAGE_BYTES} are allowed.")
        try:
            await self._socket.send(frame if self._encoding.binary else frame.decode())
        except ConnectionClosed:
            raise LostError(f"The connection to {self._url} is closed.") from None

    async def receive(self) -> ServerMessage:
        """The next message. Raises MessageError for what is none."""
        try:
            # Undecoded, a text frame is its bytes too.
            frame = await self._socket.recv(decode=False)
        except ConnectionClosed as closed:
            self._ended(closed)
        return self._encoding.server_message(frame)

    async def close(self) -> None:
        """Close it, by force where the gateway does not answer."""
        try:
            await self._socket.close()
        finally:
            self._socket.transport.abort()

    def _ended(self, closed: ConnectionClosed) -> NoReturn:
        if closed.rcvd is None:
            if closed.sent is not None and closed.sent.code == CloseCode.MESSAGE_TOO_BIG:
                raise LostError(f"{self._url} sent a message of more than {FRAME_BYTES >> 20} MiB.") from None
            raise LostError(f"The connection to {self._url} broke.") from None
        code, reason = closed.rcvd.code, closed.rcvd.reason
        said = f" {reason}" if reason else ""
        lost = LostError(f"{self._url} closed the stream with {code:d}{said}.")
        raise (refusal(code, reason) or lost) from None


async def _connect(url: str, encoding: Encoding, bearer: str | None) -> ClientConnection:
    try:
        socket = await connect(
            url,
            additional_headers={} if bearer is None else {"Authorization": f"Bearer {bearer}"},
            subprotocols=[Subprotocol(encoding.subprotocol)],
            compression=None,
            max_size=FRAME_BYTES,
            max_queue=QUEUED_FRAMES,
            ping_interval=None,  # the gateway's heartbeats and pings tell both that the other lives
            open_timeout=None,
            close_timeout=CLOSE_S,
            proxy=None if is_loopback(urlsplit(url).hostname or "") else True,
        )
    except InvalidStatus as answered:
        status = answered.response.status_code
        if (refused := handshake_refusal(url, status)) is not None:
            raise refused from None
        raise LostError(f"{url} answered with HTTP status {status}.") from None
    except (OSError, EOFError, WebSocketException) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else type(error).__name__
        raise LostError(
            f"No gateway answers at {url}: {why}.", "Start one with `flowtape serve` or `flowtape up`."
        ) from None
    if socket.subprotocol != encoding.subprotocol:
        await socket.close()
        raise StreamError(f"{url} does not speak {encoding.subprotocol}.", "Check the address.")
    return socket
