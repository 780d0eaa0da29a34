"""The WebSocket of a session: uvicorn's own protocol, with what ASGI cannot say: is it full, send now, end now."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import CloseCode as CloseReason
from websockets.frames import Frame as WebSocketFrame
from websockets.frames import Opcode
from websockets.protocol import State

from engine.access.rates import Rate
from engine.gateway.frames import Frame
from schemas.messages import CloseCode

EXTENSION: Final = "flowtape.wire"
"""Where an ASGI scope holds the connection."""

LINGER_S: Final = 5.0
"""How long a connection that was closed may take to send what is left, before it is cut."""

CONTROLS_PER_MINUTE: Final = 600
"""Pings, pongs and further parts of messages from one client, at once and then each minute; more end it (4429)."""

_UNREADABLE: Final = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
"""The answer to a handshake whose headers are too many or too long."""


class Wire(WebSocketsSansIOProtocol):
    """One connection, as `engine.gateway.session.Outlet` wants it.

    Frames are written to the transport as they are: without compression and masks the bytes are the same for every
    client, so they are made once for all.
    """

    buffer_bytes = 262_144
    """Unsent bytes from which a connection is clogged; the server sets it."""

    on_unclog: Callable[[], None] | None = None

    clogged = False
    """Whether more is unsent than it should hold."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._controls = Rate(CONTROLS_PER_MINUTE)

    def connection_made(self, transport: Any) -> None:
        """The protocol's own, with the buffer's bound."""
        super().connection_made(transport)
        transport.set_write_buffer_limits(high=self.buffer_bytes)

    def data_received(self, data: bytes) -> None:
        """The protocol's own, which leaves a handshake that it cannot read without an answer, for ever."""
        super().data_received(data)
        if not self.handshake_initiated and self.conn.handshake_exc is not None:
            self.transport.write(_UNREADABLE)
            self.transport.close()

    def handle_connect(self, event: Any) -> None:
        """The protocol's own; the application finds this connection in its scope."""
        super().handle_connect(event)
        if self.response.status_code == 101:
            scope: Any = self.scope
            scope["extensions"][EXTENSION] = {"wire": self}

    def handle_ping(self) -> None:
        """The protocol's own, unless the client reads no answers: they would pile up."""
        if self.clogged:
            self.conn.data_to_send()
        else:
            super().handle_ping()
        self._count_control()

    def handle_pong(self, event: Any) -> None:
        """The protocol's own, counted."""
        super().handle_pong(event)
        self._count_control()

    def handle_cont(self, event: Any) -> None:
        """The protocol's own, counted: parts without content would add up to nothing for ever."""
        super().handle_cont(event)
        self._count_control()

    def send_receive_event_to_app(self) -> None:
        """The protocol's own, which would write a traceback into the log for each text that is none."""
        if self.curr_msg_data_type == "text" and not self.close_sent:
            try:
                b"".join(self.frames).decode()
            except UnicodeDecodeError:
                self.frames = []
                if self.conn.state is State.OPEN:
                    self.conn.send_close(CloseReason.INVALID_DATA)
                self.handle_parser_exception()
                return
        super().send_receive_event_to_app()

    def handle_close(self, event: Any) -> None:
        """The protocol's own, which waits for ever for a client that says farewell and reads nothing."""
        super().handle_close(event)
        self._linger()

    def handle_parser_exception(self) -> None:
        """The protocol's own; see `handle_close`."""
        super().handle_parser_exception()
        self._linger()

    def pause_writing(self) -> None:
        """The protocol's own, in a form that each frame can look at."""
        super().pause_writing()
        self.clogged = True

    def resume_writing(self) -> None:
        """The protocol's own; then the session may send what it held."""
        super().resume_writing()
        self.clogged = False
        if self.on_unclog is not None and not self.close_sent:
            self.on_unclog()

    def connection_lost(self, exc: Exception | None) -> None:
        """The protocol's own; nobody needs to wait any more until this connection takes frames."""
        super().connection_lost(exc)
        self.clogged = False
        if self.on_unclog is not None:
            self.on_unclog()

    def write(self, frame: Frame) -> None:
        """Send a frame, or leave it in the transport's buffer; after the end it does nothing."""
        if self.disconnected or self.conn.state is not State.OPEN:
            return
        if (wire := frame.wire) is None:
            opcode = Opcode.BINARY if frame.binary else Opcode.TEXT
            wire = frame.wire = WebSocketFrame(opcode, frame.payload).serialize(mask=False)
        self.transport.write(wire)

    def close(self, code: int, reason: str) -> None:
        """Say why, and cut the connection where it does not end by itself within LINGER_S."""
        if self.close_sent or self.disconnected or self.conn.state is not State.OPEN:
            return
        self.queue.put_nowait({"type": "websocket.disconnect", "code": code, "reason": reason})
        self.conn.send_close(code, reason)
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
        if self.read_paused:
            self.read_paused = False
            self.transport.resume_reading()
        self._linger()

    def keepalive_timeout(self) -> None:
        """No pong came: whoever was there is gone, and what is unsent with it."""
        self.pong_timer = None
        self.pending_ping_payload = None
        if not self.close_sent and not self.transport.is_closing():
            self.queue.put_nowait({"type": "websocket.disconnect", "code": int(CloseCode.HEARTBEAT_LOST)})
            self.conn.fail(CloseCode.HEARTBEAT_LOST, "No pong came.")
            self.transport.write(b"".join(self.conn.data_to_send()))
            self.close_sent = True
            self.close_timer = self.loop.call_later(1.0, self.transport.abort)

    def _count_control(self) -> None:
        if not self.close_sent and not self._controls.allow(self.loop.time()):
            self.close(CloseCode.TOO_MANY, f"More than {CONTROLS_PER_MINUTE} control frames a minute.")
            # Reading on, were it only for the client's farewell, is what it wants.
            self.transport.pause_reading()

    def _linger(self) -> None:
        if self.close_timer is None and not self.disconnected:
            self.close_timer = self.loop.call_later(LINGER_S, self.transport.abort)
