"""Each vendor's captured messages become the prints that stand beside them."""

from __future__ import annotations

import re
from collections.abc import Callable

import msgspec
import pytest

from engine.feeds.alpaca import AlpacaDecoder
from engine.feeds.databento import DatabentoDecoder
from engine.feeds.decoder import Decoder
from engine.feeds.massive import MassiveDecoder
from engine.feeds.theta import ThetaDecoder
from engine.feeds.tradier import TradierDecoder
from engine.feeds.unusual_whales import UnusualWhalesDecoder
from schemas.contract import parse_osi
from schemas.exchanges import NAMES
from schemas.print import Print, Reject
from tests.vendors.capture import RECEIVED, captured, told

DECODERS: dict[str, Callable[[], Decoder]] = {
    "alpaca": lambda: AlpacaDecoder(100),
    "databento": lambda: DatabentoDecoder(100),
    "massive": lambda: MassiveDecoder(100),
    "theta": lambda: ThetaDecoder(100),
    "tradier": lambda: TradierDecoder(100),
    "unusual_whales": lambda: UnusualWhalesDecoder(),
}


@pytest.mark.parametrize("vendor", DECODERS)
def test_messages_become_what_stands_beside_them(vendor: str) -> None:
    decoder = DECODERS[vendor]()
    for message in captured(vendor):
        events = [told(event) for event in decoder.decode(message.frame, RECEIVED)]
        assert events == message.becomes, message.about


@pytest.mark.parametrize("vendor", DECODERS)
def test_prints_hold_what_every_print_promises(vendor: str) -> None:
    decoder = DECODERS[vendor]()
    prints = [
        event
        for message in captured(vendor)
        for event in decoder.decode(message.frame, RECEIVED)
        if isinstance(event, Print)
    ]
    assert len(prints) >= 5
    for found in prints:
        assert re.fullmatch(r"[A-Za-z0-9_]+", found.id)
        assert parse_osi(found.symbol).symbol == found.symbol
        assert found.size >= 1
        assert found.exchange in NAMES or found.exchange == ""
        assert msgspec.msgpack.decode(msgspec.msgpack.encode(found), type=Print) == found
    assert len({found.id for found in prints}) == len(prints)


@pytest.mark.parametrize("vendor", DECODERS)
def test_the_same_messages_after_a_reconnect_have_the_same_ids(vendor: str) -> None:
    def ids(decoder: Decoder) -> list[str]:
        connected = getattr(decoder, "connected", None)
        if connected:
            connected()
        return [
            event.id
            for message in captured(vendor)
            for event in decoder.decode(message.frame, RECEIVED)
            if isinstance(event, Print) and not event.id.endswith("_x")
        ]

    decoder = DECODERS[vendor]()
    once = ids(decoder)
    again = ids(decoder)
    # Databento's names outlive a session: the print that came before its name has one the second time.
    assert again[-len(once) :] == once


@pytest.mark.parametrize("vendor", DECODERS)
def test_a_reject_keeps_the_bytes_it_rejects(vendor: str) -> None:
    decoder = DECODERS[vendor]()
    for message in captured(vendor):
        frame = message.frame.encode() if isinstance(message.frame, str) else message.frame
        for event in decoder.decode(message.frame, RECEIVED):
            if isinstance(event, Reject):
                assert event.raw
                assert event.raw in frame
