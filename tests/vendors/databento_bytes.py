"""Makes the bytes that Databento's gateway sends after `start_session`: metadata and records of OPRA."""

from __future__ import annotations

import databento_dbn as dbn

OPENING_NS = 1_781_271_000_000_000_000
"""2026-06-12 09:30 in New York, unix ns."""
SPY = 16_783_963
SPY_SYMBOL = "SPY   260618C00600000"


def metadata(schema: dbn.Schema | None = None) -> bytes:
    """The metadata of a live session: it has no schema and names no contract."""
    return dbn.Metadata(
        dataset="OPRA.PILLAR",
        start=OPENING_NS,
        stype_in=None,
        stype_out=dbn.SType.INSTRUMENT_ID,
        schema=schema,
    ).encode()


def mapping(instrument: int = SPY, asked: str = SPY_SYMBOL, symbol: str = SPY_SYMBOL) -> bytes:
    """The name of an instrument."""
    return bytes(
        dbn.SymbolMappingMsg(
            publisher_id=0,
            instrument_id=instrument,
            ts_event=OPENING_NS,
            stype_in=dbn.SType.RAW_SYMBOL,
            stype_in_symbol=asked,
            stype_out=dbn.SType.INSTRUMENT_ID,
            stype_out_symbol=symbol,
            start_ts=dbn.UNDEF_TIMESTAMP,
            end_ts=dbn.UNDEF_TIMESTAMP,
        )
    )


def trade(
    after_ns: int,
    price: int = 2_450_000_000,
    size: int = 10,
    publisher: int = 23,
    instrument: int = SPY,
    sequence: int = 1,
    action: dbn.Action = dbn.Action.TRADE,
) -> bytes:
    """A record of `trades`, `after_ns` after the opening."""
    ts = OPENING_NS + after_ns
    return bytes(
        dbn.TradeMsg(
            publisher_id=publisher,
            instrument_id=instrument,
            ts_event=ts,
            price=price,
            size=size,
            action=action,
            side=dbn.Side.NONE,
            depth=0,
            ts_recv=ts + 200_000,
            sequence=sequence,
        )
    )


def consolidated(
    after_ns: int,
    bid: int = 2_400_000_000,
    ask: int = 2_450_000_000,
    price: int = 2_450_000_000,
    size: int = 10,
    publisher: int = 22,
    action: dbn.Action = dbn.Action.TRADE,
    rtype: dbn.RType = dbn.RType.TCBBO,
) -> bytes:
    """A record of `tcbbo` or `cmbp-1`: a trade, or with another action a quote."""
    ts = OPENING_NS + after_ns
    return bytes(
        dbn.CMBP1Msg(
            rtype=int(rtype),
            publisher_id=publisher,
            instrument_id=SPY,
            ts_event=ts,
            price=price,
            size=size,
            action=action,
            side=dbn.Side.NONE,
            ts_recv=ts + 200_000,
            levels=dbn.ConsolidatedBidAskPair(bid_px=bid, ask_px=ask, bid_sz=5, ask_sz=7),
        )
    )


def top(after_ns: int, publisher: int, action: dbn.Action, bid: int = 2_380_000_000) -> bytes:
    """A record of `mbp-1` or `tbbo`: one exchange's own quote, or that of all (publisher 30)."""
    ts = OPENING_NS + after_ns
    return bytes(
        dbn.MBP1Msg(
            publisher_id=publisher,
            instrument_id=SPY,
            ts_event=ts,
            price=2_440_000_000,
            size=3,
            action=action,
            side=dbn.Side.NONE,
            depth=0,
            ts_recv=ts + 200_000,
            sequence=7,
            levels=dbn.BidAskPair(bid_px=bid, ask_px=2_460_000_000, bid_sz=1, ask_sz=1),
        )
    )


def quote_of_second(after_ns: int, bid: int, ask: int) -> bytes:
    """A record of `cbbo-1s`."""
    ts = OPENING_NS + after_ns
    return bytes(
        dbn.CBBOMsg(
            rtype=int(dbn.RType.CBBO_1S),
            publisher_id=30,
            instrument_id=SPY,
            ts_event=ts,
            price=2_450_000_000,
            size=1,
            side=dbn.Side.NONE,
            ts_recv=ts,
            levels=dbn.ConsolidatedBidAskPair(bid_px=bid, ask_px=ask),
        )
    )


def statistic(publisher: int, quantity: int, kind: dbn.StatType = dbn.StatType.OPEN_INTEREST) -> bytes:
    """A record of `statistics`, three hours before the opening."""
    ts = OPENING_NS - 3 * 3_600_000_000_000
    return bytes(
        dbn.StatMsg(
            publisher_id=publisher,
            instrument_id=SPY,
            ts_event=ts,
            ts_recv=ts,
            ts_ref=dbn.UNDEF_TIMESTAMP,
            price=dbn.UNDEF_PRICE,
            quantity=quantity,
            stat_type=kind,
        )
    )


def bar() -> bytes:
    """A record of `ohlcv-1m`."""
    return bytes(
        dbn.OHLCVMsg(
            rtype=int(dbn.RType.OHLCV_1M),
            publisher_id=31,
            instrument_id=SPY,
            ts_event=OPENING_NS,
            open=1,
            high=2,
            low=1,
            close=2,
            volume=9,
        )
    )


def heartbeat() -> bytes:
    """What the gateway sends when nothing else is to be said."""
    return bytes(dbn.SystemMsg(ts_event=OPENING_NS, msg="Heartbeat", code=dbn.SystemCode.HEARTBEAT))


def error(text: str, code: dbn.ErrorCode) -> bytes:
    """What the gateway sends when something is wrong."""
    return bytes(dbn.ErrorMsg(ts_event=OPENING_NS, err=text, code=code))
