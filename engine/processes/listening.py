"""The address that a gateway listens on: bound by one process, or held by the parent of several that share it."""

from __future__ import annotations

import errno
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from engine.settings import Settings
from schemas.errors import FlowtapeError, SettingsError

SEND_BUFFER: Final = 131_072
"""Bytes that the kernel holds for a connection; without a bound it takes megabytes for one that does not read."""

EVERYWHERE: Final = frozenset({"", "0", "0.0.0.0", "::"})  # noqa: S104
"""Hosts that mean all addresses of this machine."""


def listen(settings: Settings, *, shared: bool = False) -> socket.socket:
    """A socket bound to the settings' host and port; `shared` ones let several workers listen beside each other.

    It takes no connections before `listen` is called on it. Raises SettingsError for a host that is none, and
    FlowtapeError where the address is taken, not allowed, or none of this machine.
    """
    host, port = settings.host, settings.port
    try:
        family, kind, protocol, _, where = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except (OSError, UnicodeError) as error:
        said = getattr(error, "strerror", None) or "it is no host name"
        raise SettingsError(f"FLOWTAPE_HOST {host!r} is no address: {said}.") from None
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        # Connections inherit it.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        listener.bind(where)
    except OSError as error:
        listener.close()
        raise _unusable(settings, error) from error
    return listener


@contextmanager
def reserved(settings: Settings) -> Iterator[int]:
    """Hold the settings' port for workers that share it, and yield it; port 0 becomes a free one.

    What holds it takes no connections itself. Raises as `listen` does.
    """
    if settings.port:
        # A socket that shares its port would not notice a strange server that shares it too.
        listen(settings).close()
    with listen(settings, shared=True) as held:
        port: int = held.getsockname()[1]
        with _claimed(settings, port):
            yield port


@contextmanager
def _claimed(settings: Settings, port: int) -> Iterator[None]:
    """Keep others that share ports off this one: until workers listen on it the system would let them in too.

    A name in Linux's abstract namespace, which goes with its holder; elsewhere there is none.
    """
    if sys.platform != "linux":
        yield
        return
    with socket.socket(socket.AF_UNIX) as claim:
        try:
            claim.bind(f"\0flowtape {settings.host}:{port}")
        except OSError as error:
            raise _unusable(settings, error) from error
        yield


def _unusable(settings: Settings, error: OSError) -> FlowtapeError:
    remedy = "Choose another with --port or --host, or stop what uses it."
    if error.errno in (errno.EACCES, errno.EPERM):
        remedy = "Low ports are for root: choose one from 1024 with --port, behind a proxy on the low one."
    elif error.errno == errno.EADDRNOTAVAIL:
        remedy = "It is no address of this machine: choose another with --host."
    return FlowtapeError(f"{settings.host}:{settings.port} cannot be listened on: {error.strerror}.", remedy)


def is_taken(error: FlowtapeError) -> bool:
    """Whether an error of `listen` says that someone else listens there."""
    return isinstance(error.__cause__, OSError) and error.__cause__.errno == errno.EADDRINUSE


def address(host: str, port: int) -> str:
    """The address of a gateway that listens there, without a path."""
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def local_address(settings: Settings) -> str:
    """The address at which this machine reaches the settings' gateway, without a path."""
    return address("127.0.0.1" if settings.host in EVERYWHERE else settings.host, settings.port)
