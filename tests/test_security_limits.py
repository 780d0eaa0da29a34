"""Each limit on a real gateway: what is beyond it is refused as documented, and the gateway serves on."""

from __future__ import annotations

import asyncio
import base64
from contextlib import AsyncExitStack
from typing import Any

import msgspec
import pytest
import redis
from websockets.frames import Opcode

from engine.settings import Settings
from schemas.filter import LIST_VALUES, TOTAL_VALUES
from schemas.messages import (
    ENCODINGS,
    JSON,
    MESSAGE_BYTES,
    MSGPACK,
    CloseCode,
    Error,
    ErrorCode,
    History,
    Page,
    Ping,
    Pong,
    Snapshot,
    Subscribe,
    Welcome,
)
from schemas.stream_position import StreamPosition
from tests.attacks import close_code, raw, refused, watched
from tests.gateways import Gateway, Peer, gateway, run
from tests.indexing import NOON, a_print, append, index
from web.server import FRAME_BYTES

TEXTS = [
    "plain",
    "a" * 64,
    "\x00\x01\x1b[2J\r\n",
    "\u202e\u2066\ufeff\U0001f600",
    "'\"\\`;|&$(){}<>",
    "__proto__",
]
"""Names of subscriptions that are allowed."""


@pytest.fixture
def trades(client: redis.Redis, settings: Settings) -> int:
    """Trades that are indexed."""
    append(client, [a_print(n, ts=NOON + n * 1_000) for n in range(1, 31)])
    index(client, settings)
    return 30


def of_size(encoding: str, size: int) -> str | bytes:
    """A ping that is so many bytes long."""
    head = ENCODINGS[encoding].encode(Ping(""))
    codec = ENCODINGS[encoding]
    made = codec.encode(Ping("a" * (size - len(head))))
    made = codec.encode(Ping("a" * (size - len(head) - (len(made) - size))))
    assert len(made) == size
    return made if encoding == MSGPACK else made.decode()


@pytest.mark.parametrize("encoding", [MSGPACK, JSON])
def test_a_message_may_have_its_bytes_and_no_more(settings: Settings, encoding: str) -> None:
    async def scenario() -> None:
        async with watched(settings) as running:
            async with running.client(encoding=encoding) as peer:
                await peer.socket.send(of_size(encoding, MESSAGE_BYTES))
                assert isinstance(await peer.hear(), Pong)
                await peer.socket.send(of_size(encoding, MESSAGE_BYTES + 1))
                assert await refused(peer) == CloseCode.BAD_MESSAGE
            # Bytes count, not characters.
            wide = Ping("\U0001f600" * (MESSAGE_BYTES // 4))
            async with running.client(encoding=encoding) as peer:
                await peer.say(wide)
                assert await refused(peer) == CloseCode.BAD_MESSAGE

    run(scenario())


def test_a_longer_frame_is_not_even_read(settings: Settings) -> None:
    async def scenario() -> None:
        async with watched(settings) as running:
            async with running.client() as peer:
                await peer.socket.send(b"a" * (FRAME_BYTES + 1))
                assert await refused(peer) == 1009
            async with running.client() as peer:
                await peer.socket.send([b"a" * (FRAME_BYTES // 8)] * 9)
                assert await refused(peer) == 1009
            # One that only says how long it is going to be.
            for length in (FRAME_BYTES + 1, 2**62):
                async with raw(running) as connection:
                    await connection.shake(running, f"Authorization: Bearer {running.token()}")
                    connection.send(b"\x82\xff" + length.to_bytes(8, "big") + b"mask")
                    assert close_code(await connection.rest()) == 1009

    run(scenario())


def test_a_message_in_parts_counts_as_a_whole(settings: Settings) -> None:
    async def scenario() -> None:
        async with watched(settings) as running:
            whole = ENCODINGS[MSGPACK].encode(Ping("in parts"))
            async with running.client() as peer:
                await peer.socket.send([bytes((byte,)) for byte in whole])
                assert await peer.expect(Pong) == Pong("in parts")
                await peer.socket.send([b"a" * 10_000] * 7)
                assert await refused(peer) == CloseCode.BAD_MESSAGE

    run(scenario())


def test_one_message_too_many_in_a_minute_ends_the_connection(settings: Settings) -> None:
    async def scenario() -> None:
        async with (
            watched(settings) as running,
            running.client() as peer,
            running.client(user="bob") as other,
        ):
            limit = running.services.settings.messages_per_minute
            for number in range(limit):
                await peer.say(Ping(number))
            assert [(await peer.expect(Pong)).t for _ in range(limit)] == list(range(limit))
            # The pause since the first may have allowed for a few more.
            for _ in range(limit):
                await peer.say(Ping())
            assert await peer.closed() == CloseCode.TOO_MANY
            await other.say(Ping())
            await other.expect(Pong)

    run(scenario())


def test_a_users_connections_are_counted_over_all_gateways_and_freed(settings: Settings) -> None:
    async def scenario() -> None:
        async with watched(settings, connections=3) as one, gateway(settings, connections=3) as two:
            async with AsyncExitStack() as opened:
                for running in (one, two, one):
                    await opened.enter_async_context(running.client())
                for running in (one, two):
                    async with running.connected(running.token()) as peer:
                        assert await refused(peer) == CloseCode.TOO_MANY
                async with two.client(user="bob"):
                    pass
            async with AsyncExitStack() as opened:
                for running in (two, one, two):
                    await opened.enter_async_context(soon_let_in(running))

    run(scenario())


def soon_let_in(running: Gateway) -> Any:
    """A client, once the places of those before are free: the gateway hears a moment later that they left."""

    class Entering(AsyncExitStack):
        async def __aenter__(self) -> Any:
            async with asyncio.timeout(30):
                while True:
                    peer = await self.enter_async_context(running.connected(running.token()))
                    try:
                        await peer.expect(Welcome)
                    except Exception:
                        await asyncio.sleep(0.05)
                    else:
                        return self

    return Entering()


@pytest.mark.parametrize(("tier", "most"), [("free", 1), ("pro", 5), ("premium", 25)])
def test_subscriptions_are_bounded_by_the_tier(settings: Settings, trades: int, tier: str, most: int) -> None:
    async def scenario() -> None:
        async with watched(settings) as running, running.client(tier) as peer:
            for number in range(most):
                assert isinstance(await peer.subscribe(str(number)), Snapshot)
            answer = await peer.subscribe("one more")
            assert (answer.code, answer.sub) == (ErrorCode.SUBSCRIPTION_LIMIT, "one more")
            (session,) = running.services.hub.sessions
            assert len(session.subscriptions) == most

    run(scenario())


def test_lists_of_a_filter_are_bounded(settings: Settings, trades: int) -> None:
    many = [f"A{n}" for n in range(LIST_VALUES + 1)]
    whole = {"underlying": many[:-1], "symbol": [f"SPY261218C{n:08}" for n in range(1, 101)]}
    assert sum(len(value) for value in whole.values()) == TOTAL_VALUES
    cases = [
        ({"underlying": many}, False),
        ({"underlying": many[:-1]}, True),
        (whole, True),
        (whole | {"side": ["ask"]}, False),
        (",".join(many), False),
        ("-" + ",-".join(many), False),
        ({"underlying": ["SPY"] * 5_000}, False),
    ]

    async def scenario() -> None:
        async with watched(settings) as running, running.client() as peer:
            for wanted, good in cases:
                answer = await peer.subscribe("a", wanted)
                assert isinstance(answer, Snapshot if good else Error), wanted
                if not good:
                    assert answer.code == ErrorCode.BAD_FILTER
                    assert len(answer.message) < 1_000

    run(scenario())


def nested(encoding: str, depth: int, inside: str) -> bytes | str:
    """A message that nests so deep, within a filter or on its own."""
    if encoding == JSON:
        tree = "[" * depth + "]" * depth
        return (
            tree if not inside else f'{{"op":"subscribe","sub":"a","filter":{{"premium":{{"gte":{tree}}}}}}}'
        )
    deep = b"\x91" * depth + b"\x01"
    head = msgspec.msgpack.encode({"op": "subscribe", "sub": "a"})[1:]
    return deep if not inside else b"\x83" + head + b"\xa6filter\x81\xa7premium\x81\xa3gte" + deep


@pytest.mark.parametrize("encoding", [MSGPACK, JSON])
@pytest.mark.parametrize("inside", ["", "a filter"], ids=["bare", "in a filter"])
def test_what_nests_deep_is_refused_and_the_process_lives(
    settings: Settings, encoding: str, inside: str
) -> None:
    async def scenario() -> None:
        async with watched(settings) as running:
            for depth in (10, 500, *range(860, 1_001, 5), 5_000, 30_000):
                async with running.client(encoding=encoding) as peer:
                    await peer.socket.send(nested(encoding, depth, inside))
                    try:
                        answer = await peer.expect(Error)
                    except Exception:
                        assert await refused(peer) == CloseCode.BAD_MESSAGE
                    else:
                        assert inside
                        assert answer.code == ErrorCode.BAD_FILTER

    run(scenario())


def test_pages_of_history_are_bounded_in_number_and_length(settings: Settings, trades: int) -> None:
    async def scenario() -> None:
        tiers = {"premium": {"rows": 4}}
        async with watched(settings, tiers=tiers, history_per_minute=3) as running, running.client() as peer:
            snapshot = await peer.subscribe("a", "", snapshot=1_000_000)
            assert len(snapshot.rows) == 4
            for _ in range(3):
                await peer.say(History("a", snapshot.pos, 1_000_000))
                assert len((await peer.expect(Page)).rows) == 4
            await peer.say(History("a", snapshot.pos, 1))
            # A page comes free after a third of a minute.
            assert (await peer.expect(Error)).code == ErrorCode.RATE_LIMITED

    run(scenario())


def hostile_positions(pos: str) -> list[str]:
    """What a client may send as `since`; none of it is a position of the tape."""
    good = StreamPosition.parse(pos)

    def packed(value: Any) -> str:
        return "p1_" + base64.urlsafe_b64encode(msgspec.msgpack.encode(value)).rstrip(b"=").decode()

    big = 2**64 - 1
    return [
        "", "p1_", "p1_!", "p2_" + pos[3:], pos[:-1], "\x00", "p1_\u00e9", "$", "0-0", "-", "+", "*",
        "p1_" + "A" * 60_000,
        packed([good.epoch, [[0, 0, 0]] * 3_000, None]),
        packed([good.epoch, [], None]),
        packed([good.epoch, [[big, big, big]], None]),
        packed([good.epoch, [[0, big, 0]], None]),
        packed([good.epoch, [[-1, -1, -1]], None]),
        packed([good.epoch, [["0", "0", "0"]], None]),
        packed([good.epoch, [[1, 1]], None]),
        packed([good.epoch, [[1.5, 1, 1]], None]),
        packed([good.epoch, [None], None]),
        packed([good.epoch, list(map(list, good.offsets)), "$"]),
        packed(["other", list(map(list, good.offsets)), None]),
        packed([{}, [], None]),
        packed(["$v0 | *", [[1, 1, 1]], None]),
        packed([1] * 10_000),
        packed({"epoch": good.epoch}),
        "p1_" + base64.urlsafe_b64encode(b"\x91" * 30_000).decode(),
        "p1_" + base64.urlsafe_b64encode(b"\xdd\xff\xff\xff\xff").decode(),
        "p1_" + base64.urlsafe_b64encode(b"\xc7\xff\x01").decode(),
    ]  # fmt: skip


@pytest.mark.parametrize("tier", ["premium", "pro", "free"])
def test_a_position_that_is_none_gives_a_snapshot(settings: Settings, trades: int, tier: str) -> None:
    async def scenario() -> None:
        async with watched(settings, messages_per_minute=1_000) as running, running.client(tier) as peer:
            first = await peer.subscribe()
            for since in hostile_positions(first.pos):
                answer = await peer.subscribe("a", "", since=since)
                assert isinstance(answer, Snapshot), (since[:80], answer)
                assert answer.recovered is False
                assert answer.rows == first.rows
            for before in ["", "*", "$v0", "p1_", "MS4x", "9" * 80, "LTEuLTEuLTE", "A" * 60_000]:
                await peer.say(History("a", before, 3))
                answer = await peer.hear()
                assert isinstance(answer, Page) or answer.code in (
                    ErrorCode.BAD_POSITION,
                    ErrorCode.RATE_LIMITED,
                )

    run(scenario())


@pytest.mark.parametrize("tier", ["pro", "free"])
def test_a_position_with_hostile_numbers_that_could_be_one_disturbs_nobody(
    settings: Settings, trades: int, tier: str
) -> None:
    async def scenario() -> None:
        async with watched(settings, messages_per_minute=1_000) as running, running.client(tier) as peer:
            good = StreamPosition.parse((await peer.subscribe()).pos)
            (offset,) = good.offsets
            for seq in (0, 2**53, 2**63, 2**64 - 1):
                for until in (None, 0, -1, -(2**63), 2**53 + 1, 2**63, 2**64 - 1):
                    made = good._replace(offsets=(offset._replace(seq=seq),), until=until)
                    answer = await peer.subscribe("a", "", since=made.text())
                    assert not isinstance(answer, Error), (seq, until, answer)

    run(scenario())


@pytest.mark.parametrize("encoding", [MSGPACK, JSON])
def test_a_name_of_a_subscription_is_one_to_64_characters_of_any_kind(
    settings: Settings, trades: int, encoding: str
) -> None:
    async def scenario() -> None:
        async with watched(settings) as running:
            async with running.client(encoding=encoding) as peer:
                for name in TEXTS:
                    answer = await peer.subscribe(name)
                    assert isinstance(answer, Snapshot)
                    assert answer.sub == name
            for name in ("", "a" * 65, "\u00e9" * 65):
                async with running.client(encoding=encoding) as peer:
                    await peer.say(Subscribe(name, {}))
                    assert await refused(peer) == CloseCode.BAD_MESSAGE

    run(scenario())


def frames() -> list[tuple[str, str | bytes]]:
    """An encoding and a frame that is no message of it."""
    json, pack = ENCODINGS[JSON].encode, ENCODINGS[MSGPACK].encode
    ping = {"op": "ping", "t": 1}
    return [
        (MSGPACK, json(ping).decode()),
        (MSGPACK, pack(ping).decode("latin-1")),
        (JSON, pack(ping)),
        (JSON, json(ping)),
        (JSON, ""), (MSGPACK, b""), (JSON, "null"), (MSGPACK, b"\xc0"), (JSON, "[]"), (JSON, '"ping"'), (JSON, "{}"),
        (JSON, '{"op":null}'), (JSON, '{"op":"welcome"}'), (JSON, '{"op":"PING"}'), (JSON, '{"op":"ping"} {}'),
        (JSON, '{"op":"ping","t":NaN}'), (JSON, '{"op":"ping","t":Infinity}'), (JSON, '{"op":"ping","t":1e999}'),
        (JSON, '{"op":"ping","t":[1]}'), (JSON, '{"op":"ping","t":' + "9" * 5_000 + "}"),
        (JSON, '{"op":"ping","t":"\\ud800"}'), (JSON, '{"op":"subscribe","sub":1,"filter":{}}'),
        (JSON, '{"op":"subscribe","sub":"a","filter":{},"snapshot":-1}'),
        (JSON, '{"op":"subscribe","sub":"a","filter":{},"snapshot":1.5}'),
        (JSON, '{"op":"subscribe","sub":"a","filter":{},"snapshot":99999999999999999999}'),
        (JSON, '{"op":"history","sub":"a","before":"","limit":0}'),
        (JSON, '{"op":"history","sub":"a","before":1,"limit":1}'),
        (JSON, '{"op":"subscribe","sub":"a","filter":{},"since":1}'),
        (MSGPACK, pack({**ping, "t": msgspec.msgpack.Ext(5, b"a")})),
        (MSGPACK, b"\x82\xa2op\xa4ping\xa1t\xd6\xff\0\0\0\1"),
        (MSGPACK, b"\x82\xa2op\xa4ping\xa1t\xc7\x00\x05"),
        (MSGPACK, b"\x82\xa2op\xa4ping\xa1t\xdd\xff\xff\xff\xff"),
        (MSGPACK, b"\xdf\xff\xff\xff\xff"), (MSGPACK, b"\xdb\xff\xff\xff\xffa"), (MSGPACK, b"\xc1"),
        (MSGPACK, b"\x82\xa2op\xa4ping\xa1t\xa2\xff\xfe"),
        (MSGPACK, b"\x82\xa2op\xa4ping\x91\x01\x01\x01"),
        (MSGPACK, pack({"op": "subscribe", "sub": b"a", "filter": {}})),
    ]  # fmt: skip


def test_a_frame_that_is_no_message_ends_its_connection(settings: Settings) -> None:
    async def scenario() -> None:
        async with watched(settings) as running:
            for encoding, frame in frames():
                async with running.client(encoding=encoding) as peer:
                    await peer.socket.send(frame)
                    assert await refused(peer) == CloseCode.BAD_MESSAGE, frame[:80]

    run(scenario())


def test_text_that_is_none_and_frames_that_are_none_end_the_connection(settings: Settings) -> None:
    async def scenario() -> None:
        async with watched(settings) as running:
            cases: list[tuple[bytes | tuple[Opcode, bytes], int]] = [
                ((Opcode.TEXT, b"\xff\xfe"), 1007),
                ((Opcode.TEXT, b'{"op":"ping","t":"\xed\xa0\x80"}'), 1007),
                (b"\x83\x80mask", 1002),  # An opcode that is none.
                (b"\xf2\x80mask", 1002),  # Reserved bits.
                (b"\x82\x01a", 1002),  # Without a mask.
                (b"\x80\x80mask", 1002),  # A further part of nothing.
                (b"\x89\xfe\x00\x7emask" + b"p" * 126, 1002),  # A ping that is too long.
                (b"\x88\x81maska", 1002),  # A farewell of one byte.
            ]
            for said, code in cases:
                async with raw(running) as connection:
                    await connection.shake(running, f"Authorization: Bearer {running.token()}")
                    if isinstance(said, bytes):
                        connection.send(said)
                    else:
                        connection.frame(*said)
                    assert close_code(await connection.rest()) == code, said
            # A text that is none, and a farewell right behind it.
            async with raw(running) as connection:
                await connection.shake(running, f"Authorization: Bearer {running.token()}")
                connection.frame(Opcode.TEXT, b"\xff")
                connection.frame(Opcode.CLOSE, b"\x03\xe8")
                assert close_code(await connection.rest()) in (1000, 1007)

    run(scenario())


def test_odd_values_that_are_messages_get_an_answer(settings: Settings, trades: int) -> None:
    async def scenario() -> None:
        async with watched(settings, messages_per_minute=1_000) as running:
            async with running.client(encoding=JSON) as peer:
                await peer.socket.send('{"op":"ping","t":1,"t":2,"more":{"a":[1]}}')
                assert (await peer.expect(Pong)).t == 2
                await peer.socket.send('{"op":"ping","t":' + "9" * 300 + "}")
                assert '"t":999' in str(await peer.socket.recv())
                for number in ("9" * 400, "-" + "9" * 400, "1e308", "-0", "0.1e-300"):
                    for field in ("premium", "expiry"):
                        await peer.socket.send(
                            f'{{"op":"subscribe","sub":"a","filter":{{"{field}":{{"gte":{number}}}}}}}'
                        )
                        answer = await peer.hear()
                        assert isinstance(answer, Snapshot) or answer.code == ErrorCode.BAD_FILTER
            async with running.client() as peer:
                for value in (float("nan"), float("inf"), -(2**63), 2**64 - 1, 2**53 + 1, True, None, b"a"):
                    for field in ("premium", "expiry", "dte"):
                        answer = await peer.subscribe("a", {field: {"gte": value}})
                        assert isinstance(answer, Error), (field, value)
                        assert answer.code == ErrorCode.BAD_FILTER
                for odd in (
                    {"premium": msgspec.msgpack.Ext(5, b"a")},
                    {"underlying": [msgspec.msgpack.Ext(-1, b"\0" * 4)]},
                    {"flags": {"all": {}}},
                    {"flags": [1]},
                    {"side": "ask"},
                    {"right": [["C"]]},
                    {"": []},
                    {"underlying": {"SPY": 1}},
                    {"premium": {"gte": 1, 5: 6}},
                ):
                    answer = await peer.subscribe("a", odd)
                    assert answer.code == ErrorCode.BAD_FILTER, odd

    run(scenario())


def test_two_subscriptions_of_one_name_are_one(settings: Settings, trades: int) -> None:
    async def scenario() -> None:
        async with watched(settings) as running, running.client() as peer:
            assert len((await peer.subscribe("a", "SPY")).rows) == trades
            for _ in range(20):
                await peer.say(Subscribe("a", "SPY"))
            await said(peer, Ping("done"))
            (session,) = running.services.hub.sessions
            assert list(session.subscriptions) == ["a"]

    run(scenario())


async def said(peer: Peer, ping: Ping) -> None:
    """Everything said before was taken in."""
    await peer.say(ping)
    while not isinstance(await peer.hear(), Pong):
        pass
