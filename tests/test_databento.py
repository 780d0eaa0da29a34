"""Databento: its gateway's lines, its records, and the ids that are the same live and in files."""

from __future__ import annotations

import asyncio
from datetime import date
from itertools import pairwise
from pathlib import Path

import databento_dbn as dbn
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from engine.feeds.databento import (
    OVERLAP_NS,
    REPLAY_NS,
    DatabentoDecoder,
    DatabentoSession,
    fields_of,
    sign,
    subscriptions,
)
from engine.feeds.databento_records import RecordReader
from engine.feeds.databento_stream import Damage, RecordStream
from engine.settings import Settings
from schemas.errors import FeedError, FeedRefusedError, SettingsError
from schemas.print import Event, Print, Reference, Reject
from tests.vendors.capture import RECEIVED
from tests.vendors.databento import Server
from tests.vendors.databento_bytes import (
    OPENING_NS,
    SPY,
    SPY_SYMBOL,
    consolidated,
    error,
    heartbeat,
    mapping,
    metadata,
    statistic,
    trade,
)


def recorded(folder: Path, schema: str) -> bytes:
    path = folder / "databento" / f"test_data.{schema}.dbn.zst"
    with path.open("rb") as file:
        return zstandard.ZstdDecompressor().stream_reader(file).read()


def events_of(data: bytes) -> list[Event]:
    stream, reader = RecordStream(), RecordReader(100)
    return [event for item in stream.write(data) if (event := reader.read(item, RECEIVED)) is not None]


def test_the_key_is_signed_and_not_sent() -> None:
    key = "db-0123456789abcdef0123456789abc"
    answer = sign("a-challenge", key)
    digest, tail = answer.split("-")
    assert (len(digest), tail) == (64, "89abc")
    assert key not in answer
    assert answer != sign("another-challenge", key)


def test_a_control_line_is_read_by_its_names() -> None:
    assert fields_of("success=0|error=CRAM reply = wrong\n") == {
        "success": "0",
        "error": "CRAM reply = wrong",
    }


def test_without_symbols_all_are_subscribed_to() -> None:
    assert subscriptions("tcbbo", (), None) == [
        "schema=tcbbo|stype_in=raw_symbol|symbols=ALL_SYMBOLS|is_last=1\n"
    ]


def test_contracts_are_asked_for_by_name_and_tickers_with_all_their_contracts() -> None:
    assert subscriptions("trades", ("SPY", "qqq", "AAPL261218C00200000"), 5) == [
        "schema=trades|stype_in=raw_symbol|symbols=AAPL  261218C00200000|start=5|is_last=1\n",
        "schema=trades|stype_in=parent|symbols=SPY.OPT,QQQ.OPT|start=5|is_last=1\n",
    ]


def test_many_symbols_are_split_over_lines_of_which_one_is_the_last() -> None:
    symbols = tuple(f"SPY261218C{strike:08d}" for strike in range(1, 1_201))
    lines = subscriptions("trades", symbols, None)
    assert [line.rstrip().rsplit("|", 1)[1] for line in lines] == ["is_last=0", "is_last=0", "is_last=1"]
    assert sum(line.count("261218C") for line in lines) == 1_200


def session(**told: str) -> DatabentoSession:
    return DatabentoSession(Settings.load(databento_key="db-x", **told))


def test_a_reconnect_replays_from_shortly_before_the_newest_print() -> None:
    found = session()
    found._decoder.decode(metadata() + mapping() + trade(9_000) + trade(7_000), RECEIVED)
    now = OPENING_NS + 60_000_000_000
    assert f"|start={OPENING_NS + 9_000 - OVERLAP_NS}|" in found._subscriptions(now)[0]


def test_no_replay_is_asked_for_that_is_older_than_databento_keeps() -> None:
    found = session()
    found._decoder.decode(metadata() + mapping() + trade(0), RECEIVED)
    now = OPENING_NS + 3 * REPLAY_NS
    assert f"|start={now - REPLAY_NS}|" in found._subscriptions(now)[0]


def test_a_replay_never_begins_in_the_future() -> None:
    found = session()
    found._decoder.decode(metadata() + mapping() + trade(10**18), RECEIVED)
    now = OPENING_NS + 60_000_000_000
    assert f"|start={now - OVERLAP_NS}|" in found._subscriptions(now)[0]


def test_the_first_connection_replays_open_interest_of_named_symbols_only() -> None:
    assert all("start=" not in line for line in session()._subscriptions(OPENING_NS))
    prints, statistics = session(symbols="SPY")._subscriptions(OPENING_NS)
    assert "start=" not in prints
    assert statistics.startswith("schema=statistics|")
    assert f"|start={OPENING_NS - REPLAY_NS}|" in statistics


@pytest.mark.parametrize(
    "url", ["opra-pillar.lsg.databento.com", "wss://x:1", "tcp://x", "tcp://x:port", "tcp://:1"]
)
def test_an_address_that_is_none_is_refused_at_once(url: str) -> None:
    with pytest.raises(SettingsError):
        session(databento_url=url)


@pytest.mark.parametrize(
    ("greeting", "refused"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", False),
        (b"lsg_version=1\nno challenge\n", False),
        (b"lsg_version=1\ncram=x\nsuccess=0|error=Authentication failed.\n", True),
        (b"lsg_version=1\ncram=x\nsuccess=0|error=User has reached their open connection limit.\n", False),
        (b"lsg_version=1\ncram=x\nwhat\n", False),
        (b"lsg_version=1\ncr", False),
        (b"x" * 100_000, False),
    ],
)
def test_what_the_gateway_says_at_first_ends_the_feed_or_only_the_connection(
    greeting: bytes, refused: bool
) -> None:
    async def scenario() -> FeedError:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(greeting)
            await writer.drain()
            writer.write_eof()
            await reader.read()
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            with pytest.raises(FeedError) as caught:
                await session(databento_url=f"tcp://127.0.0.1:{port}").__aenter__()
        return caught.value

    assert isinstance(asyncio.run(scenario()), FeedRefusedError) is refused


def test_a_session_signs_subscribes_and_receives() -> None:
    async def scenario() -> list[Event]:
        async with Server() as server:

            async def send(wire) -> None:  # type: ignore[no-untyped-def]
                await wire.send(trade(0))
                await wire.stay()

            server.plan = [send]
            async with DatabentoSession(Settings.load(**server.settings(True))) as found:
                events: list[Event] = []
                while not events:
                    events = await found.receive()
            assert server.subscribed[0] == "schema=tcbbo|stype_in=raw_symbol|symbols=ALL_SYMBOLS|is_last=1"
            return events

    assert [event.id for event in asyncio.run(scenario()) if isinstance(event, Print)] == [
        Server().print_id(0)
    ]


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (dbn.ErrorCode.AUTH_FAILED, FeedRefusedError),
        (dbn.ErrorCode.API_KEY_DEACTIVATED, FeedRefusedError),
        (dbn.ErrorCode.INVALID_SUBSCRIPTION, FeedRefusedError),
        (dbn.ErrorCode.INTERNAL_ERROR, FeedError),
        (dbn.ErrorCode.CONNECTION_LIMIT_EXCEEDED, FeedError),
    ],
)
def test_an_error_record_ends_the_connection_after_the_prints_before_it(
    code: dbn.ErrorCode, kind: type[FeedError]
) -> None:
    decoder = DatabentoDecoder(100)
    events = decoder.decode(metadata() + mapping() + trade(0) + error("no", code), RECEIVED)
    assert [type(event) for event in events] == [Print]
    assert type(decoder.failure) is kind


def test_records_that_the_gateway_skipped_are_told_and_the_stream_goes_on() -> None:
    decoder = DatabentoDecoder(100)
    told = error("Skipped 17 records", dbn.ErrorCode.SKIPPED_RECORDS_AFTER_SLOW_READING)
    events = decoder.decode(metadata() + mapping() + told + trade(0), RECEIVED)
    assert [type(event) for event in events] == [Reject, Print]
    assert decoder.failure is None


DAY = metadata() + mapping() + heartbeat() + b"".join(
    trade(n * 1_000) + consolidated(n * 1_000 + 1) for n in range(6)
)  # fmt: skip


@given(st.lists(st.integers(0, len(DAY)), max_size=12))
def test_a_stream_means_the_same_however_it_is_cut(cuts: list[int]) -> None:
    whole = events_of(DAY)
    stream, reader = RecordStream(), RecordReader(100)
    places = [0, *sorted(cuts), len(DAY)]
    parts = [
        event
        for start, end in pairwise(places)
        for item in stream.write(DAY[start:end])
        if (event := reader.read(item, RECEIVED)) is not None
    ]
    assert parts == whole
    assert stream.pending == 0


@given(
    st.lists(st.tuples(st.integers(0, len(DAY) - 1), st.integers(0, 255)), max_size=6),
    st.integers(0, len(DAY)),
)
def test_a_damaged_stream_gives_events_and_never_an_error(changes: list[tuple[int, int]], end: int) -> None:
    data = bytearray(DAY)
    for at, value in changes:
        data[at] = value
    for event in events_of(bytes(data[:end])):
        assert isinstance(event, Print | Reference | Reject)


@given(st.binary(max_size=2_000))
def test_random_bytes_are_damage_and_never_more_than_what_came(data: bytes) -> None:
    stream = RecordStream()
    items = stream.write(data)
    kept = sum(len(item.raw) for item in items if isinstance(item, Damage))
    assert kept + stream.pending == len(data)


def test_a_record_too_short_for_its_type_leaves_no_trace_on_standard_error(capfd) -> None:  # type: ignore[no-untyped-def]
    events = events_of(metadata() + bytes([4, 0]) + bytes(14) + mapping() + trade(0))
    assert [type(event) for event in events] == [Reject, Print]
    assert capfd.readouterr() == ("", "")


def test_a_record_without_a_length_ends_the_stream_after_what_came_before() -> None:
    decoder = DatabentoDecoder(100)
    events = decoder.decode(metadata() + mapping() + trade(0) + bytes(16) + trade(1), RECEIVED)
    assert [type(event) for event in events] == [Print, Reject]
    assert isinstance(decoder.failure, FeedError)
    assert [type(event) for event in decoder.decode(trade(2), RECEIVED)] == [Reject]
    decoder.connected()
    assert decoder.failure is None
    assert [type(event) for event in decoder.decode(metadata() + trade(3), RECEIVED)] == [Print]


def test_a_name_that_is_no_text_is_rejected_and_the_stream_goes_on() -> None:
    broken = mapping().replace(b"SPY", b"\x80PY")
    events = events_of(metadata() + mapping() + broken + trade(0))
    assert [type(event) for event in events] == [Reject, Print]


def test_an_error_record_that_is_no_text_is_rejected_and_the_stream_goes_on() -> None:
    broken = error("no", dbn.ErrorCode.INTERNAL_ERROR).replace(b"no", b"\x80o")
    events = DatabentoDecoder(100).decode(metadata() + mapping() + broken + trade(0), RECEIVED)
    assert [type(event) for event in events] == [Reject, Print]


def test_metadata_longer_than_its_limit_is_not_waited_for() -> None:
    stream = RecordStream(metadata_bytes=1_000)
    items = stream.write(b"DBN\x03" + (2_000).to_bytes(4, "little"))
    assert [type(item) for item in items] == [Damage]
    assert stream.broken


@pytest.mark.parametrize("version", [1, 2])
def test_older_versions_are_read(version: int) -> None:
    head = dbn.Metadata(
        dataset="OPRA.PILLAR",
        start=OPENING_NS,
        stype_in=dbn.SType.RAW_SYMBOL,
        stype_out=dbn.SType.INSTRUMENT_ID,
        schema=dbn.Schema.TRADES,
        version=version,
    ).encode()
    old = dbn.SymbolMappingMsgV1(
        publisher_id=0, instrument_id=SPY, ts_event=OPENING_NS, stype_in_symbol=SPY_SYMBOL,
        stype_out_symbol=SPY_SYMBOL, start_ts=0, end_ts=0,
    ) if version == 1 else None  # fmt: skip
    name = bytes(old) if old is not None else mapping()
    interest = bytes(
        dbn.StatMsgV1(
            publisher_id=22, instrument_id=SPY, ts_event=OPENING_NS, ts_recv=OPENING_NS, ts_ref=0, price=0,
            quantity=7, stat_type=dbn.StatType.OPEN_INTEREST,
        )
    )  # fmt: skip
    assert [type(event) for event in events_of(head + name + trade(0) + interest)] == [Print, Reference]


def test_an_instrument_that_is_two_contracts_is_named_by_the_day() -> None:
    def days(symbol: str, first: int) -> dbn.SymbolMapping:
        interval = {
            "start_date": date(2026, 6, first),
            "end_date": date(2026, 6, first + 1),
            "symbol": str(SPY),
        }
        return {"raw_symbol": symbol, "intervals": [interval]}  # type: ignore[return-value]

    class Named:
        dataset = "OPRA.PILLAR"
        mappings = {  # noqa: RUF012
            SPY_SYMBOL: days(SPY_SYMBOL, 12)["intervals"],
            "QQQ   260618C00500000": days("QQQ   260618C00500000", 15)["intervals"],
        }

    reader = RecordReader(100)
    reader._name_all(Named())  # type: ignore[arg-type]
    three_days_ns = 3 * 86_400 * 1_000_000_000
    stream = RecordStream()
    found = [
        reader.read(item, RECEIVED) for item in stream.write(metadata() + trade(0) + trade(three_days_ns))[1:]
    ]
    assert [event.symbol for event in found if isinstance(event, Print)] == [
        "SPY260618C00600000",
        "QQQ260618C00500000",
    ]


def test_a_data_set_other_than_opra_is_rejected() -> None:
    other = dbn.Metadata(
        dataset="GLBX.MDP3", start=0, stype_in=None, stype_out=dbn.SType.INSTRUMENT_ID, schema=None
    ).encode()
    (found,) = events_of(other)
    assert isinstance(found, Reject)
    assert "GLBX.MDP3" in found.reason


@pytest.mark.parametrize(
    "record",
    [trade(0, size=2**31), trade(0, size=0), trade(0, price=-1), trade(-OPENING_NS), trade(3 * 10**18),
     statistic(22, 2**31), statistic(22, -2)],
)  # fmt: skip
def test_what_is_out_of_range_is_rejected(record: bytes) -> None:
    assert [type(event) for event in events_of(metadata() + mapping() + record)] == [Reject]


def test_open_interest_is_told_again_when_it_changes() -> None:
    found = events_of(metadata() + mapping() + statistic(22, 5) + statistic(23, 5) + statistic(22, 6))
    assert [event.open_interest for event in found if isinstance(event, Reference)] == [5, 6]


def test_a_print_has_one_id_in_every_schema() -> None:
    head, moments = metadata() + mapping(), (5, 5, 5, 6, 9, 5)
    plain = events_of(head + b"".join(trade(at, publisher=22) for at in moments))
    quoted = events_of(head + b"".join(consolidated(at) for at in moments))
    booked = events_of(head + b"".join(consolidated(at, rtype=dbn.RType.CMBP_1) for at in moments))
    ids = [[event.id for event in events if isinstance(event, Print)] for events in (plain, quoted, booked)]
    assert ids[0] == ids[1] == ids[2]
    assert len(set(ids[0])) == len(moments)


def test_a_replay_that_begins_within_what_was_received_doubles_no_print() -> None:
    decoder = DatabentoDecoder(100)
    head, moments = metadata() + mapping(), (5, 7, 7, 7, 9)
    first = decoder.decode(head + b"".join(trade(at) for at in moments), RECEIVED)
    decoder.connected()
    second = decoder.decode(head + b"".join(trade(at) for at in (7, 7, 7, 9, 9, 11)), RECEIVED)
    ids = [{event.id for event in events if isinstance(event, Print)} for events in (first, second)]
    assert len(ids[0] & ids[1]) == 4
    assert len(ids[0] | ids[1]) == 7


def test_recorded_prints_are_the_same_in_both_schemas(data: Path) -> None:
    plain, quoted = (events_of(recorded(data, schema)) for schema in ("trades", "tbbo"))
    assert [event.id for event in plain] == [event.id for event in quoted]  # type: ignore[union-attr]
    assert len({event.id for event in plain}) == 4  # type: ignore[union-attr]
    assert all(event.bid and event.ask for event in quoted)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("schema", "records"),
    [("cbbo-1m", 4), ("cbbo-1s", 4), ("definition", 1), ("mbp-1", 4), ("ohlcv-1m", 4)],
)
def test_recorded_schemas_without_prints_go_through_whole(data: Path, schema: str, records: int) -> None:
    stream, reader = RecordStream(), RecordReader(100)
    items = stream.write(recorded(data, schema))
    assert [reader.read(item, RECEIVED) for item in items] == [None] * (records + 1)
    assert (reader.ignored, stream.pending, stream.broken) == (records, 0, False)
