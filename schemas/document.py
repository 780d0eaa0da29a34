"""The trade document as redis-om declares it: the one place that says what is indexed, and how.

Kept apart from `schemas/trade.py` because redis-om takes half a second to import, and only the making of an
index and rare look-ups by id need it; a test holds the two against each other, field by field.
"""

from __future__ import annotations

from typing import Any

from redis_om import Field, JsonModel

from schemas import keys


class TradeDocument(JsonModel):
    """One enriched trade; units and meanings as in `schemas.trade.Trade`."""

    id: str = Field(index=True, primary_key=True, case_sensitive=True)
    seq: int = Field(index=True, sortable=True)
    ts: int = Field(index=True, sortable=True)
    received: int
    underlying: str = Field(index=True)
    symbol: str = Field(index=True)
    right: str = Field(index=True)
    expiry: int = Field(index=True)
    strike: float = Field(index=True)
    price: float = Field(index=True)
    size: int = Field(index=True)
    premium: float = Field(index=True)
    bid: float | None
    ask: float | None
    underlying_price: float | None
    dte: int = Field(index=True)
    otm_pct: float | None = Field(index=True)
    volume: int | None = Field(index=True)
    open_interest: int | None = Field(index=True)
    vol_oi: float | None = Field(index=True)
    iv: float | None = Field(index=True)
    delta: float | None = Field(index=True)
    side: str = Field(index=True)
    sentiment: str = Field(index=True)
    flags: list[str] = Field(index=True)
    conditions: list[str] = Field(index=True, case_sensitive=True)
    exchange: str = Field(index=True)


def trade_document(partition: int) -> type[TradeDocument]:
    """The document class of one partition: redis-om keeps key prefix and index name in the class."""
    prefix, kind = keys.trade_prefix(partition).rstrip(":").rsplit(":", 1)

    class PartitionTrade(TradeDocument, index=True):
        class Meta:
            global_key_prefix = prefix
            model_key_prefix = kind
            index_name = keys.index(partition)

    return PartitionTrade


def index_arguments(partition: int) -> list[str]:
    """What follows `FT.CREATE <index>`: `ON JSON PREFIX 1 ... SCHEMA ...`, made from the document class."""
    schema: Any = trade_document(partition).redisearch_schema()
    return str(schema).split()
