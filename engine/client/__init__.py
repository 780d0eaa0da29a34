"""The client of the stream: connect, subscribe, follow, go on where it was. docs/stream.md describes the protocol."""

from engine.client.events import Disconnected, Event, Reconnected
from engine.client.stream import StreamClient
from engine.client.subscription import Subscription
from engine.client.view import Changes, View, as_trades

__all__ = [
    "Changes",
    "Disconnected",
    "Event",
    "Reconnected",
    "StreamClient",
    "Subscription",
    "View",
    "as_trades",
]
