"""A connection whose replies are fetched later, so that Python works while Redis does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

import redis
from hiredis import pack_command

from engine.scripts import Argument

_pack = cast(Callable[[tuple[Argument, ...]], bytes], pack_command)


class Pipe:
    """One connection of a client's pool, driven by hand: `send` commands, then `receive` as many replies."""

    def __init__(self, client: redis.Redis) -> None:
        self._pool = client.connection_pool
        self._connection = self._pool.get_connection()
        self.waiting = 0
        """Replies that are still to be received."""

    def send(self, *command: Argument) -> None:
        """Send one command."""
        # The client's own packing looks at each of a batch's hundreds of arguments in Python first.
        self._connection.send_packed_command([_pack(command)])
        self.waiting += 1

    def send_many(self, commands: Sequence[tuple[Argument, ...]]) -> None:
        """Send several commands in one write."""
        self._connection.send_packed_command([b"".join(map(_pack, commands))])
        self.waiting += len(commands)

    def receive(self) -> Any:
        """The next reply. Raises what Redis answered as an error, and redis.ConnectionError."""
        self.waiting -= 1
        return self._connection.read_response()

    def close(self) -> None:
        """Give the connection back; one with replies outstanding is cut, since they would confuse its next user."""
        if self.waiting:
            self._connection.disconnect()
        self._pool.release(self._connection)
