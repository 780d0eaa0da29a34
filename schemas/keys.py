"""Every key name in Redis. Keys of one partition share its hash tag, so that a script may touch them together."""

from __future__ import annotations

from binascii import crc_hqx
from functools import lru_cache

INDEXER_GROUP = "indexer"
"""Consumer group that reads prints."""

INDEX_ALIAS = "trades"
"""Alias of the only index while there is one partition."""


@lru_cache(maxsize=65_536)
def partition_of(underlying: str, partitions: int) -> int:
    """The partition of an underlying: CRC16 as Redis Cluster computes it, modulo the number of partitions."""
    return crc_hqx(underlying.encode(), 0) % partitions


def prints(p: int) -> str:
    """Stream: normalized prints, MessagePack in field `d`; reference data in field `r`."""
    return f"ft:{{{p}}}:prints"


def trade_prefix(p: int) -> str:
    """What the keys of all trade documents of a partition begin with."""
    return f"ft:{{{p}}}:trade:"


def trade(p: int, trade_id: str) -> str:
    """JSON: one enriched trade, expires."""
    return f"ft:{{{p}}}:trade:{trade_id}"


def index(p: int) -> str:
    """Search index over the trade documents."""
    return f"ft:{{{p}}}:trades"


def contract(p: int, symbol: str) -> str:
    """Hash: `date` (yyyymmdd, New York), `volume` of that date, `open_interest`."""
    return f"ft:{{{p}}}:contract:{symbol}"


def tape(p: int) -> str:
    """Stream: announced trades, MessagePack in field `d`; of a rewritten one what it was before in field `w`."""
    return f"ft:{{{p}}}:tape"


def dead(p: int) -> str:
    """Stream: what could not be processed, with the reason and the original bytes."""
    return f"ft:{{{p}}}:dead"


def owner(p: int) -> str:
    """String with a time to live: the name of the indexer that owns the partition."""
    return f"ft:{{{p}}}:owner"


def clock(p: int) -> str:
    """Hash: `seq` (last one given), `ts` (newest exchange time indexed, unix ms), `epoch` (of the tape)."""
    return f"ft:{{{p}}}:clock"


def counts(p: int) -> str:
    """Hash: how many prints of each feed came to each outcome, as `<feed>:<outcome>`."""
    return f"ft:{{{p}}}:counts"


def channel_prefix() -> str:
    """What the keys of all saved channels begin with; redis-om appends `:` and the channel's own key.

    All keys of saved channels share one hash tag: a transaction may touch them together, and the index lives with
    them. They are few and rarely written.
    """
    return "ft:{channels}:channel"


def channel_index() -> str:
    """Search index over the saved channels."""
    return "ft:{channels}:index"


def channel_names(user: str) -> str:
    """Hash of one user: name of a saved channel to its redis-om key; what limits and lists are made from."""
    return f"ft:{{channels}}:names:{user}"


CHANNEL_CHANGES = "ft:channels:changes"
"""Pub/sub channel: keys of saved channels that were changed or deleted."""


def connections(user: str) -> str:
    """Sorted set of one user: open connections as `<gateway>:<session>` by the time at which they lapse, unix ms."""
    return f"ft:{{u:{user}}}:connections"


def gateway(gateway_id: str) -> str:
    """String that expires: the number of a running gateway's last sign of life."""
    return f"ft:gateway:{gateway_id}"


def ticket(ticket_id: str) -> str:
    """String that expires: a one-time ticket that was used."""
    return f"ft:ticket:{ticket_id}"
