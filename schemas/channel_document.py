"""The saved channel as redis-om stores it, and the index over all of them.

Kept apart from `schemas/channel.py` because redis-om takes a quarter of a second to import. Only the link id is
indexed: nothing that a user wrote is ever part of a query.
"""

from __future__ import annotations

from typing import Any

from aredis_om import Field, JsonModel

from schemas import keys


class ChannelDocument(JsonModel):
    """One saved channel; redis-om makes its primary key `pk`."""

    user: str
    name: str
    link: str = Field(index=True, case_sensitive=True)
    """Empty where it is not shared."""
    filter: str
    """Canonical JSON, `Filter.key`."""
    revision: int
    created: int
    """Unix ms."""
    changed: int
    """Unix ms."""

    def __init__(self, **fields: Any) -> None:
        # JsonModel's own asks, on asyncio, a coroutine that it never awaits whether Redis has JSON, and remembers it
        # together with the client for ever; making the index has answered that already.
        super(JsonModel, self).__init__(**fields)


def channel_document(client: Any) -> type[ChannelDocument]:
    """The document class on a client (`redis.asyncio.Redis`): redis-om keeps both in one class."""
    prefix, kind = keys.channel_prefix().rsplit(":", 1)

    class StoredChannel(ChannelDocument, index=True):
        class Meta:
            global_key_prefix = prefix
            model_key_prefix = kind
            index_name = keys.channel_index()
            database = client

    return StoredChannel


def index_arguments(document: type[ChannelDocument]) -> list[str]:
    """What follows `FT.CREATE <index>`: `ON JSON PREFIX 1 ... SCHEMA ...`, made from the document class."""
    untyped: Any = document
    return str(untyped.redisearch_schema()).split()
