"""Saved channels in Redis: made, changed, renamed, shared and deleted, the same from every gateway.

Each write is one transaction over the hash of its user's names and the channel's document: it watches both, decides,
and begins again where another gateway was faster.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeVar

import redis.asyncio
from pydantic import ValidationError
from redis.exceptions import ResponseError, WatchError

from engine.backoff import Backoff
from engine.channel_changes import follow
from engine.channel_reading import channel_of, first_fault, readable, require, unknown, unreadable
from engine.clock import now_ms
from engine.search_index import wanted_fields
from schemas import keys
from schemas.channel import (
    Channel,
    UnreadableChannel,
    is_link,
    is_whole_link,
    name_of,
    new_link,
)
from schemas.errors import ChannelError, IndexMismatchError, RedisSetupError
from schemas.filter import Filter

if TYPE_CHECKING:
    from schemas.channel_document import ChannelDocument

WRITES: Final = 8
"""Writes of one gateway at once; the others wait."""

ATTEMPTS: Final = 100
"""Of one write, each ended by a faster write of the same user."""

RETRY_S, RETRY_MAX_S = 0.002, 0.2
"""Ceilings of the pauses between attempts."""

LISTED: Final = 1_000
"""Channels of one user in a list at most; tiers allow fewer."""

Result = TypeVar("Result")
Pipe = Any
"""`redis.asyncio.client.Pipeline` in a watched state: redis-py types neither its replies nor its awaiting."""


class Channels:
    """The saved channels of all users. `now` tells the time in unix ms."""

    def __init__(self, client: redis.asyncio.Redis, now: Callable[[], int] | None = None) -> None:
        # redis-om takes a quarter of a second to import; only who uses channels pays for it.
        from schemas.channel_document import channel_document

        self._client = client
        self._document = channel_document(client)
        self._now = now or now_ms
        self._writes = asyncio.Semaphore(WRITES)
        self._rng = random.Random()
        self._prepared = False

    async def prepare(self) -> None:
        """Make the index of link ids where there is none.

        The first write does it too. Raises IndexMismatchError where it has other fields, and RedisSetupError where
        Redis has no search.
        """
        from schemas.channel_document import index_arguments

        name, wanted = keys.channel_index(), index_arguments(self._document)
        try:
            await self._client.execute_command("FT.CREATE", name, *wanted)
        except ResponseError as error:
            if "already exists" in str(error).lower():
                await self._check_index(name, wanted)
            elif "unknown command" in str(error).lower():
                raise RedisSetupError(
                    "This Redis has no search (FT.CREATE is unknown).",
                    "Use Redis 8, Redis Stack or Redis Enterprise with search; `flowtape doctor` says more.",
                ) from error
            else:
                raise
        self._prepared = True

    async def get(self, user: str, name_or_link: str) -> Channel:
        """The user's own channel of a name, or anybody's of a link id.

        Raises ChannelError: `unknown_channel`, `bad_name`, `unreadable_channel`.
        """
        if is_link(name_or_link):
            return readable(await self._shared(name_or_link))
        name = name_of(name_or_link)
        pk = await _reply(self._client.hget(keys.channel_names(user), name))
        found = None if pk is None else await self._load(pk.decode(), name)
        if found is None or found.user != user:
            raise unknown(name)
        return readable(found)

    async def read(self, key: str) -> Channel:
        """The channel of a key that `changes` named or an earlier `Channel` had, whatever its name is now.

        Raises ChannelError: `unknown_channel` where it was deleted, `unreadable_channel`.
        """
        found = await self._load(key.removeprefix(f"{keys.channel_prefix()}:"), key)
        if found is None:
            raise ChannelError("The channel was deleted.", code="unknown_channel")
        return readable(found)

    async def save(
        self,
        user: str,
        name: str,
        wanted: Filter,
        limit: int,
        *,
        expected: Collection[str] | None = None,
        new_name: str | None = None,
    ) -> tuple[Channel, bool]:
        """Save a filter under a name, or give the channel of that name another filter, and `new_name` with it.

        Gives the channel and whether it was made. `limit` is how many channels the user's tier saves; 0 is none.
        The same filter again changes nothing. `expected` as for `schemas.channel.is_expected`. Raises ChannelError:
        `bad_name`, `no_channels`, `channel_limit`, `unknown_channel` (renamed before it was made), `name_taken`,
        `channel_changed`, `unreadable_channel`, `busy`.
        """
        if limit <= 0:
            raise ChannelError("This tier saves no channels.", code="no_channels")
        name, new_name = name_of(name), None if new_name is None else name_of(new_name)

        async def step(pipe: Pipe) -> tuple[Channel, bool]:
            found = await self._own(pipe, user, name)
            if found is not None:
                fields = {"filter": wanted.key, "name": new_name or name}
                return readable(await self._rewrite(pipe, found, fields, expected)), False
            require(None, expected, name)
            if new_name not in (None, name):
                raise unknown(name)
            names = keys.channel_names(user)
            held = await _reply(pipe.hlen(names))
            # A name whose document is gone is counted already.
            if held >= limit and not await _reply(pipe.hexists(names, name)):
                raise ChannelError(
                    f"{held} channels are saved, and this tier saves {limit} at most.",
                    "Delete one, or change one that is there.",
                    code="channel_limit",
                )
            now = self._now()
            made = self._document(
                user=user, name=name, link="", filter=wanted.key, revision=1, created=now, changed=now
            )
            pipe.multi()
            await _reply(pipe.hset(names, name, made.pk))
            await _commit(pipe, made)
            return readable(made), True

        return await self._write(user, step)

    async def rename(
        self, user: str, name: str, new_name: str, *, expected: Collection[str] | None = None
    ) -> Channel | UnreadableChannel:
        """Give a channel another name; its key and link stay. The same name changes nothing.

        Raises ChannelError: `bad_name`, `unknown_channel`, `name_taken`, `channel_changed`, `busy`.
        """
        return await self._change(user, name, {"name": name_of(new_name)}, expected)

    async def share(self, user: str, name: str) -> str:
        """Make a link id by which everybody may read the channel, in place of an earlier one, and return it.

        Raises ChannelError: `bad_name`, `unknown_channel`, `busy`.
        """
        link = new_link()
        await self._change(user, name, {"link": link})
        return link

    async def unshare(self, user: str, name: str) -> None:
        """Take the link id back; nothing happens where there is none. Raises ChannelError as `share`."""
        await self._change(user, name, {"link": ""})

    async def delete(self, user: str, name: str, *, expected: Collection[str] | None = None) -> None:
        """Delete a channel. Raises ChannelError: `bad_name`, `unknown_channel`, `channel_changed`, `busy`."""
        name, names = name_of(name), keys.channel_names(user)

        async def step(pipe: Pipe) -> None:
            pk = await _reply(pipe.hget(names, name))
            if pk is None:
                raise unknown(name)
            if expected is not None:
                require(await self._own(pipe, user, name), expected, name)
            # Also what cannot be read may be deleted, so only the owner is looked at.
            key = self._document.make_primary_key(pk.decode())
            await pipe.watch(key)
            owner = await _reply(self._client.json().get(key, "$.user"))
            pipe.multi()
            await _reply(pipe.hdel(names, name))
            if owner == [user]:
                await self._document.delete(pk.decode(), pipeline=pipe)
                await _reply(pipe.publish(keys.CHANNEL_CHANGES, key))
            await pipe.execute()

        await self._write(user, step)

    def changes(self) -> AsyncGenerator[str | None, None]:
        """What `engine.channel_changes.follow` says."""
        return follow(self._client, self._rng)

    async def list(self, user: str) -> tuple[Channel | UnreadableChannel, ...]:
        """The user's channels by name; `LISTED` at most."""
        held: dict[bytes, bytes] = await _reply(self._client.hgetall(keys.channel_names(user)))
        names = {pk.decode(): name.decode() for name, pk in held.items()}
        ids = sorted(names)[:LISTED]
        if not ids:
            return ()
        found = await _reply(
            self._client.json().mget([self._document.make_primary_key(pk) for pk in ids], "$")
        )
        channels: Any = []
        for pk, matches in zip(ids, found, strict=True):
            # Deleted since the names were read.
            if matches is None:
                continue
            try:
                document = self._document.model_validate(matches[0])
            except ValidationError as error:
                key = self._document.make_primary_key(pk)
                channels.append(UnreadableChannel(key, user, names[pk], "", first_fault(error)))
            else:
                channels += [channel_of(document)] if document.user == user else []
        channels.sort(key=lambda channel: channel.name)
        return tuple(channels)

    async def _change(
        self, user: str, name: str, fields: dict[str, str], expected: Collection[str] | None = None
    ) -> Channel | UnreadableChannel:
        name = name_of(name)

        async def step(pipe: Pipe) -> Channel | UnreadableChannel:
            found = await self._own(pipe, user, name)
            if found is None:
                raise unknown(name)
            return channel_of(await self._rewrite(pipe, found, fields, expected))

        return await self._write(user, step)

    async def _rewrite(
        self, pipe: Pipe, found: ChannelDocument, fields: dict[str, str], expected: Collection[str] | None
    ) -> ChannelDocument:
        """Queue and execute what gives a channel other fields. Raises WatchError."""
        require(found, expected, found.name)
        if all(getattr(found, field) == value for field, value in fields.items()):
            return found
        names, new_name = keys.channel_names(found.user), fields.get("name", found.name)
        if new_name != found.name and await _reply(pipe.hexists(names, new_name)):
            raise ChannelError(
                f"A channel {new_name!r} is there already.", "Choose another name.", code="name_taken"
            )
        changed = self._document(
            **(found.model_dump() | fields | {"revision": found.revision + 1, "changed": self._now()})
        )
        pipe.multi()
        if new_name != found.name:
            await _reply(pipe.hdel(names, found.name))
            await _reply(pipe.hset(names, new_name, found.pk))
        await _commit(pipe, changed)
        return changed

    async def _write(self, user: str, step: Callable[[Pipe], Awaitable[Result]]) -> Result:
        """The result of a step that decides and writes with the user's names unchanged in between."""
        backoff = Backoff(RETRY_S, RETRY_MAX_S, self._rng)
        async with self._writes:
            # Before there is a document: one that is older than the index is found a moment later.
            if not self._prepared:
                await self.prepare()
            for _ in range(ATTEMPTS):
                async with self._client.pipeline(transaction=True) as pipe:
                    try:
                        await pipe.watch(keys.channel_names(user))
                        return await step(pipe)
                    except WatchError:
                        pass
                await asyncio.sleep(backoff.next())
        raise ChannelError(
            f"Other writes of the same user were faster {ATTEMPTS} times.", "Try again.", code="busy"
        )

    async def _own(self, pipe: Pipe, user: str, name: str) -> ChannelDocument | None:
        """The user's channel of a name, watched from here on."""
        pk = await _reply(pipe.hget(keys.channel_names(user), name))
        if pk is None:
            return None
        await pipe.watch(self._document.make_primary_key(pk.decode()))
        found = await self._load(pk.decode(), name)
        return found if found is not None and found.user == user else None

    async def _load(self, pk: str, name: str) -> ChannelDocument | None:
        """The document of a redis-om key; `name` is for the error."""
        from aredis_om import NotFoundError

        try:
            return await self._document.get(pk)
        except NotFoundError:
            return None
        except ValidationError as error:
            raise unreadable(name, first_fault(error)) from None

    async def _shared(self, link: str) -> ChannelDocument:
        from aredis_om import NotFoundError

        document: Any = self._document
        if is_whole_link(link):
            try:
                found: ChannelDocument = await self._first(document.find(document.link == link))
            except NotFoundError:
                pass
            except ValidationError as error:
                raise unreadable(link, first_fault(error)) from None
            else:
                if found.link == link:
                    return found
        raise ChannelError(
            "No channel is shared by this link id.", "Ask for a new one.", code="unknown_channel"
        )

    async def _first(self, query: Any) -> Any:
        """The first document of a query; the index is made anew where Redis lost it with all its data."""
        try:
            return await query.first()
        except ResponseError as error:
            if "no such index" not in str(error).lower():
                raise
        await self.prepare()
        return await query.first()

    async def _check_index(self, name: str, wanted: Sequence[str]) -> None:
        from aredis_om.search_reply import index_field_schema

        info = index_field_schema(await self._client.execute_command("FT.INFO", name))
        has = {(field, str(schema["type"])) for field, schema in info.items()}
        if has != (should := wanted_fields([*wanted])):
            differ = ", ".join(sorted(field for field, _ in has ^ should))
            raise IndexMismatchError(
                f"The index {name} was made by another version: it differs in {differ}.",
                f"Drop it with `FT.DROPINDEX {name}` (channels stay) and start again: it is made anew.",
            )


async def _commit(pipe: Pipe, document: Any) -> None:
    """Save a document, tell every gateway, and execute all that was queued. Raises WatchError."""
    await document.save(pipeline=pipe)
    await _reply(pipe.publish(keys.CHANNEL_CHANGES, document.key()))
    await pipe.execute()


async def _reply(command: Any) -> Any:
    """The reply of a command: redis-py types asyncio's and the other's alike."""
    return await command
