"""What the routes work with: everything that a gateway opens once, in one place."""

from __future__ import annotations

from dataclasses import dataclass

from redis.asyncio import Redis

from engine.access.connections import Connections
from engine.access.tokens import Access
from engine.channels import Channels
from engine.gateway.conversation import Conversation
from engine.gateway.hub import Hub
from engine.metrics import GatewayMetrics
from engine.search_async import AsyncSearch
from engine.settings import Settings
from web.page import BuiltPage


@dataclass(frozen=True, slots=True)
class Services:
    """The open parts of one gateway; `web/server.py` opens and closes them."""

    settings: Settings
    redis: Redis
    """For everything but reading the tape, which waits on a connection of its own."""
    access: Access
    connections: Connections
    search: AsyncSearch
    channels: Channels
    hub: Hub
    conversation: Conversation
    """What clients of the stream say to the hub."""
    metrics: GatewayMetrics
    page: BuiltPage | None
    """None where the page was not built."""
