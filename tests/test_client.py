"""The client of the stream against a real WebSocket server that drops, closes, refuses and falls silent."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from http import HTTPStatus
from typing import Any

import pytest

from engine.client import Disconnected, Event, Reconnected, StreamClient, Subscription
from engine.client import stream as stream_module
from engine.client.address import stream_url
from engine.client.closing import handshake_refusal, refusal
from schemas.errors import FlowtapeError, MessageError, StreamError
from schemas.filter_text import parse_filter
from schemas.messages import (
    MSGPACK,
    SUBPROTOCOLS,
    Batch,
    CloseCode,
    Error,
    ErrorCode,
    Heartbeat,
    Hello,
    History,
    Page,
    Snapshot,
    Subscribe,
    Unsubscribe,
    Welcome,
)
from tests.stream_server import GUARD_S, WELCOME, Peer, Script, ScriptedGateway, batch, row, snapshot

QUICK: dict[str, Any] = {"backoff_s": 0.01, "backoff_max_s": 0.05}
"""No test waits for long pauses."""


def run(scenario: Coroutine[Any, Any, None]) -> None:
    """Run a scenario; one that hangs fails."""

    async def guarded() -> None:
        async with asyncio.timeout(GUARD_S):
            await scenario

    asyncio.run(guarded())


async def events(subscription: Subscription, count: int) -> list[Event]:
    """The next events."""
    return [await anext(subscription) for _ in range(count)]


def ids(rows: list[Any]) -> list[str]:
    return [row[0] for row in rows]


async def begin(peer: Peer, *numbers: int, **more: Any) -> Subscribe:
    """Let a client in and give its first subscription a snapshot."""
    await peer.say(WELCOME)
    asked = await peer.subscribed()
    await peer.say(snapshot(asked.sub, *numbers, **more))
    return asked


async def begin_and_stay(peer: Peer) -> None:
    await begin(peer, 1)
    await peer.gone()


@pytest.mark.parametrize("encoding", SUBPROTOCOLS)
def test_a_subscription_begins_with_a_snapshot_and_goes_on_with_batches(encoding: str) -> None:
    async def script(peer: Peer) -> None:
        assert peer.bearer == "Bearer t1"
        asked = await begin(peer, 2, 1)
        assert asked == Subscribe("s1", {"underlying": ["SPY"]}, None, 50, None)
        await peer.say(
            batch("s1", 3, pos="p1_1"), Heartbeat(1, 70), batch("s1", pos="p1_2", gone=[row(2, seq=9)])
        )
        assert await peer.hear() == Unsubscribe("s1")
        await peer.say(batch("s1", 4, pos="p1_3"))
        await peer.gone()

    async def scenario() -> None:
        async with (
            ScriptedGateway(script) as gateway,
            StreamClient(gateway.url, "t1", encoding=encoding) as stream,
        ):
            assert (stream.welcome.user, stream.connected) == ("ann", True)
            subscription = await stream.subscribe(parse_filter("SPY"), snapshot=50)
            first, second, _ = await events(subscription, 3)
            assert isinstance(first, Snapshot)
            assert isinstance(second, Batch)
            assert ids(second.rows) == ["t_3"]
            assert ids(subscription.view.rows()) == ["t_3", "t_1"]
            assert ids(subscription.changes.gone) == ["t_2"]
            assert subscription.view.pos == "p1_2"
            assert stream.lag_ms == 70
            await subscription.close()
            with pytest.raises(StopAsyncIteration):
                await anext(subscription)

    run(scenario())


def test_a_token_may_travel_in_hello_instead() -> None:
    async def script(peer: Peer) -> None:
        assert peer.bearer is None
        assert await peer.hear() == Hello("t1")
        await begin_and_stay(peer)

    async def scenario() -> None:
        async with (
            ScriptedGateway(script) as gateway,
            StreamClient(gateway.url, "t1", token_in_hello=True) as stream,
        ):
            await stream.subscribe()

    run(scenario())


@pytest.mark.parametrize("ending", ["drop", 4001, 4008, 4009, 1000, 1001, 1011, 3000])
def test_after_a_failure_each_subscription_goes_on_where_it_was(ending: str | int) -> None:
    seen = asyncio.Event()

    async def first(peer: Peer) -> None:
        await begin(peer, 1)
        await peer.subscribed()
        await peer.say(snapshot("s2", pos="p1_0"), batch("s1", 2, pos="p1_1"))
        await seen.wait()
        if isinstance(ending, int):
            await peer.close(ending, "because")
        else:
            peer.drop()

    async def again(peer: Peer) -> None:
        await peer.say(WELCOME)
        assert await peer.subscribed() == Subscribe("s1", "SPY", None, 5, "p1_1")
        assert await peer.subscribed() == Subscribe("s2", None, "mine", None, "p1_0")
        await peer.say(batch("s1", 3, pos="p1_2", recovered=True), snapshot("s2", 9, pos="p1_2"))
        await peer.gone()

    async def scenario() -> None:
        async with (
            ScriptedGateway(first, HTTPStatus.SERVICE_UNAVAILABLE, again) as gateway,
            StreamClient(gateway.url, **QUICK) as stream,
        ):
            one = await stream.subscribe("SPY", snapshot=5)
            two = await stream.subscribe(channel="mine")
            await events(one, 2)
            await events(two, 1)
            seen.set()
            lost, refused, back, missed = await events(one, 4)
            assert isinstance(lost, Disconnected)
            assert 0 <= lost.pause_s <= 0.01
            assert isinstance(ending, str) or f"{ending} because" in lost.why
            assert isinstance(refused, Disconnected)
            assert "503" in refused.why
            assert back == Reconnected(recovered=True)
            assert isinstance(missed, Batch)
            assert ids(one.view.rows()) == ["t_3", "t_2", "t_1"]
            anew, replaced = (await events(two, 4))[2:]
            assert anew == Reconnected(recovered=False)
            assert isinstance(replaced, Snapshot)
            assert gateway.connections == 3

    run(scenario())


def test_silence_is_taken_for_a_dead_connection() -> None:
    async def script(peer: Peer) -> None:
        await begin_and_stay(peer)

    async def scenario() -> None:
        async with (
            ScriptedGateway(script, script) as gateway,
            StreamClient(gateway.url, silence_s=0.2, **QUICK) as stream,
        ):
            subscription = await stream.subscribe()
            _, lost, back = await events(subscription, 3)
            assert isinstance(lost, Disconnected)
            assert "silent for 0.2 s" in lost.why
            assert back == Reconnected(recovered=False)

    run(scenario())


def test_heartbeats_are_no_silence() -> None:
    async def script(peer: Peer) -> None:
        await begin(peer, 1)
        for beat in range(20):
            await asyncio.sleep(0.1)
            await peer.say(Heartbeat(beat, 0))
        await peer.say(batch("s1", 2, pos="p1_1"))
        await peer.gone()

    async def scenario() -> None:
        async with ScriptedGateway(script) as gateway, StreamClient(gateway.url, silence_s=1.5) as stream:
            subscription = await stream.subscribe()
            _, second = await events(subscription, 2)
            assert isinstance(second, Batch)

    run(scenario())


@pytest.mark.parametrize("code", [4400, 4401, 4403, 4429, 4499])
def test_a_close_for_good_ends_the_stream_with_an_error_that_says_what_to_do(code: int) -> None:
    async def script(peer: Peer) -> None:
        await begin(peer, 1)
        await peer.close(code, "You may not.")

    async def scenario() -> None:
        async with ScriptedGateway(script) as gateway, StreamClient(gateway.url, "t", **QUICK) as stream:
            subscription = await stream.subscribe()
            await events(subscription, 1)
            for _ in range(2):
                with pytest.raises(StreamError) as ended:
                    await anext(subscription)
                assert ended.value.code == code
                assert "You may not" in ended.value.message
            with pytest.raises(StreamError, match=str(code)):
                await stream.subscribe()
            assert gateway.connections == 1

    run(scenario())


def test_a_fresh_token_is_asked_for_when_the_old_one_ends_and_the_stream_resumes() -> None:
    given = iter(["t1", "t2"])

    async def token() -> str:
        return next(given)

    async def first(peer: Peer) -> None:
        assert peer.bearer == "Bearer t1"
        await begin(peer, 1)
        await peer.close(CloseCode.NOT_AUTHENTICATED, "The token has expired.")

    async def second(peer: Peer) -> None:
        assert peer.bearer == "Bearer t2"
        await peer.say(WELCOME)
        assert (await peer.subscribed()).since == "p1_0"
        await peer.say(batch("s1", 2, pos="p1_1"))
        await peer.gone()

    async def scenario() -> None:
        async with ScriptedGateway(first, second) as gateway, StreamClient(gateway.url, token) as stream:
            subscription = await stream.subscribe()
            _, lost, back, _ = await events(subscription, 4)
            assert isinstance(lost, Disconnected)
            assert lost.pause_s == 0
            assert back == Reconnected(recovered=True)

    run(scenario())


def test_a_fresh_token_that_is_refused_too_ends_it() -> None:
    asked = 0

    def token() -> str:
        nonlocal asked
        asked += 1
        return f"t{asked}"

    async def scenario() -> None:
        async with ScriptedGateway(HTTPStatus.UNAUTHORIZED, HTTPStatus.UNAUTHORIZED) as gateway:
            with pytest.raises(StreamError) as refused:
                async with StreamClient(gateway.url, token, **QUICK):
                    pass
            assert refused.value.code == CloseCode.NOT_AUTHENTICATED
            assert (asked, gateway.connections) == (2, 2)

    run(scenario())


def test_where_nobody_listens_the_error_says_what_to_start() -> None:
    async def scenario() -> None:
        async with ScriptedGateway() as gateway:
            url = gateway.url
        with pytest.raises(StreamError) as refused:
            async with StreamClient(url):
                pass
        assert "No gateway answers" in refused.value.message
        assert "flowtape serve" in refused.value.remedy

    run(scenario())


def test_an_address_without_a_stream_is_refused_for_good() -> None:
    async def scenario() -> None:
        async with ScriptedGateway() as gateway:
            with pytest.raises(StreamError, match="HTTP status 404"):
                async with StreamClient(gateway.url):
                    pass

    run(scenario())


@pytest.mark.parametrize("frame", [b"\xc1", b"\x81\xa2op\xa4what"])
def test_what_is_no_message_ends_the_stream(frame: bytes) -> None:
    async def script(peer: Peer) -> None:
        await begin(peer, 1)
        await peer.socket.send(frame)
        await peer.gone()

    async def scenario() -> None:
        async with ScriptedGateway(script) as gateway, StreamClient(gateway.url, encoding=MSGPACK) as stream:
            subscription = await stream.subscribe()
            await events(subscription, 1)
            with pytest.raises(MessageError, match=MSGPACK):
                await anext(subscription)

    run(scenario())


def test_a_refused_subscription_raises_its_code_and_leaves_the_others_alone() -> None:
    async def script(peer: Peer) -> None:
        await begin(peer, 1)
        await peer.subscribed()
        await peer.say(Error(ErrorCode.BAD_FILTER, "swep is no flag.", "s2"), batch("s1", 2, pos="p1_1"))
        await peer.gone()

    async def scenario() -> None:
        async with ScriptedGateway(script) as gateway, StreamClient(gateway.url) as stream:
            subscription = await stream.subscribe()
            with pytest.raises(StreamError) as refused:
                await stream.subscribe("swep")
            assert (refused.value.code, refused.value.message) == ("bad_filter", "swep is no flag.")
            await events(subscription, 2)

    run(scenario())


def test_a_deleted_channel_ends_its_subscription_and_other_errors_are_events() -> None:
    async def script(peer: Peer) -> None:
        await begin(peer, 1)
        await peer.say(Error(ErrorCode.SOURCE_UNAVAILABLE, "Redis does not answer."))
        await peer.say(Error(ErrorCode.CHANNEL_DELETED, "It is gone.", "s1"))
        await peer.gone()

    async def scenario() -> None:
        async with ScriptedGateway(script) as gateway, StreamClient(gateway.url) as stream:
            subscription = await stream.subscribe(channel="mine")
            _, error = await events(subscription, 2)
            assert error == Error("source_unavailable", "Redis does not answer.")
            with pytest.raises(StreamError, match="It is gone"):
                await anext(subscription)

    run(scenario())


def test_history_goes_on_page_by_page_and_begins_anew_with_a_new_snapshot() -> None:
    async def script(peer: Peer) -> None:
        await begin(peer, 9, before="c1")
        assert await peer.hear() == History("s1", "c1", 2)
        await peer.say(Page("s1", [row(8), row(7)], "c2", True))
        assert await peer.hear() == History("s1", "c2", 2)
        await peer.say(Page("s1", [row(6)], None, False))
        await peer.say(snapshot("s1", 10, before="c3"))
        assert await peer.hear() == History("s1", "c3", 1)
        await peer.say(Error(ErrorCode.RATE_LIMITED, "Slower.", "s1"))
        assert await peer.hear() == History("s1", "elsewhere", 1)
        await peer.say(Page("s1", [], None, False))
        await peer.gone()

    async def scenario() -> None:
        async with ScriptedGateway(script) as gateway, StreamClient(gateway.url) as stream:
            subscription = await stream.subscribe()
            assert ids((await stream.history(subscription, limit=2)).rows) == ["t_8", "t_7"]
            assert ids((await stream.history(subscription, limit=2)).rows) == ["t_6"]
            await events(subscription, 2)
            with pytest.raises(StreamError, match=r"Slower\.") as refused:
                await stream.history(subscription, limit=1)
            assert refused.value.code == "rate_limited"
            assert (await stream.history(subscription, limit=1, before="elsewhere")).rows == []
            # Nothing is older now, so nothing is asked.
            assert (await stream.history(subscription, limit=1)).more is False

    run(scenario())


def test_history_begins_at_the_newest_where_no_rows_came_first() -> None:
    async def script(peer: Peer) -> None:
        await peer.say(WELCOME)
        await peer.subscribed()
        await peer.say(Snapshot("s1", [], "p1_5", True, None, False))
        assert await peer.hear() == History("s1", "p1_5", 1)
        await peer.say(Page("s1", [row(8)], None, False))
        assert (await peer.subscribed()).since == "p1_3"
        await peer.say(batch("s2", pos="p1_6", recovered=True))
        assert await peer.hear() == History("s2", "p1_3", 1)
        await peer.say(Page("s2", [row(8)], None, False))
        await peer.gone()

    async def scenario() -> None:
        async with ScriptedGateway(script) as gateway, StreamClient(gateway.url) as stream:
            empty = await stream.subscribe(snapshot=0)
            assert ids((await stream.history(empty, limit=1)).rows) == ["t_8"]
            resumed = await stream.subscribe(since="p1_3")
            assert ids((await stream.history(resumed, limit=1)).rows) == ["t_8"]

    run(scenario())


def test_an_error_of_who_gives_the_token_ends_the_stream_with_it() -> None:
    given = ["t1"]

    async def script(peer: Peer) -> None:
        await begin(peer)
        await peer.close(CloseCode.NOT_AUTHENTICATED)

    async def scenario() -> None:
        async with ScriptedGateway(script) as gateway, StreamClient(gateway.url, given.pop) as stream:
            subscription = await stream.subscribe()
            await events(subscription, 2)
            with pytest.raises(IndexError):
                await anext(subscription)

    run(scenario())


def test_a_reader_that_never_reads_does_not_make_the_queue_grow_with_each_attempt() -> None:
    queued = 4

    async def scenario() -> None:
        async with (
            ScriptedGateway(begin_and_leave, *[HTTPStatus.SERVICE_UNAVAILABLE] * 200) as gateway,
            StreamClient(gateway.url, queued_events=queued, **QUICK) as stream,
        ):
            subscription = await stream.subscribe()
            before = -1
            while before != gateway.connections:  # until it connects no more
                before = gateway.connections
                await asyncio.sleep(0.5)
            assert gateway.connections <= queued
            first, *others = await events(subscription, 10 * queued)
            assert isinstance(first, Snapshot)
            assert all(isinstance(event, Disconnected) for event in others)
            assert not stream.connected
            assert gateway.connections > before

    run(scenario())


def test_a_connection_that_lasted_makes_the_next_pause_a_first_one_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(stream_module, "STABLE_S", 0.0)

    async def scenario() -> None:
        async with (
            ScriptedGateway(*[begin_and_leave] * 20) as gateway,
            StreamClient(gateway.url, backoff_s=0.01, backoff_max_s=30) as stream,
        ):
            subscription = await stream.subscribe()
            pauses = []
            while len(pauses) < 15:
                event = await anext(subscription)
                if isinstance(event, Disconnected):
                    pauses.append(event.pause_s)
            assert max(pauses) <= 0.01

    run(scenario())


def test_each_token_that_ends_is_replaced_by_a_fresh_one() -> None:
    given = iter(["t1", "t2", "t3", "t4"])

    async def expire(peer: Peer) -> None:
        await begin(peer)
        await peer.close(CloseCode.NOT_AUTHENTICATED, "The token has expired.")

    async def scenario() -> None:
        async with (
            ScriptedGateway(expire, expire, expire, begin_and_stay) as gateway,
            StreamClient(gateway.url, lambda: next(given)) as stream,
        ):
            subscription = await stream.subscribe()
            assert len(await events(subscription, 10)) == 10
            assert list(given) == []

    run(scenario())


def test_a_reader_that_holds_the_gateway_up_is_no_silence() -> None:
    async def script(peer: Peer) -> None:
        await begin(peer)
        for number in range(8):
            await peer.say(batch("s1", number, pos=f"p1_{number}"))
        while True:
            await asyncio.sleep(0.1)
            await peer.say(Heartbeat(0, 0))

    async def scenario() -> None:
        async with (
            ScriptedGateway(script) as gateway,
            StreamClient(gateway.url, queued_events=2, silence_s=1.0) as stream,
        ):
            subscription = await stream.subscribe()
            await asyncio.sleep(2.0)
            assert [type(event) for event in await events(subscription, 9)] == [Snapshot, *[Batch] * 8]
            assert gateway.connections == 1

    run(scenario())


async def begin_and_leave(peer: Peer) -> None:
    await begin(peer)
    await peer.close(CloseCode.GOING_AWAY)


def test_history_that_a_lost_connection_left_open_is_asked_again() -> None:
    async def first(peer: Peer) -> None:
        await begin(peer, 9, before="c1")
        await peer.hear()
        peer.drop()

    async def second(peer: Peer) -> None:
        await peer.say(WELCOME)
        await peer.subscribed()
        assert await peer.hear() == History("s1", "c1", 2)
        await peer.say(Page("s1", [row(8)], None, False))
        await peer.gone()

    async def scenario() -> None:
        async with ScriptedGateway(first, second) as gateway, StreamClient(gateway.url, **QUICK) as stream:
            subscription = await stream.subscribe()
            assert ids((await stream.history(subscription, limit=2)).rows) == ["t_8"]

    run(scenario())


def test_the_answer_to_a_question_that_was_given_up_is_not_taken_for_the_next_one() -> None:
    async def script(peer: Peer) -> None:
        await begin(peer, 9, before="c1")
        await peer.hear()
        await peer.hear()
        await peer.say(Page("s1", [row(8)], "late", True), Page("s1", [row(3)], None, False))
        await peer.gone()

    async def scenario() -> None:
        async with ScriptedGateway(script) as gateway, StreamClient(gateway.url) as stream:
            subscription = await stream.subscribe()
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.2):
                    await stream.history(subscription, limit=1)
            assert ids((await stream.history(subscription, limit=1, before="c5")).rows) == ["t_3"]

    run(scenario())


def test_a_reader_that_is_slow_holds_the_gateway_up_and_still_gets_everything_in_order() -> None:
    count, queued = 3_000, 4
    sent = 0

    async def script(peer: Peer) -> None:
        nonlocal sent
        await begin(peer)
        rows = [row(number) for number in range(200)]
        for number in range(count):
            await peer.say(Batch("s1", rows, f"p1_{number}", 0))
            sent = number + 1
        await peer.gone()

    async def scenario() -> None:
        async with (
            ScriptedGateway(script) as gateway,
            StreamClient(gateway.url, queued_events=queued) as stream,
        ):
            subscription = await stream.subscribe(keep=0)
            before = -1
            while before != sent:  # until the gateway stands still
                before = sent
                await asyncio.sleep(0.3)
            assert sent < count
            await events(subscription, 1)
            positions = [event.pos for event in await events(subscription, count) if isinstance(event, Batch)]
            assert positions == [f"p1_{number}" for number in range(count)]

    run(scenario())


def test_older_rows_come_although_nobody_reads_the_events_before_them() -> None:
    queued = 4

    async def script(peer: Peer) -> None:
        await begin(peer, before="c1")
        for number in range(queued + 2):
            await peer.say(batch("s1", number, pos=f"p1_{number}"))
        await peer.hear()
        await peer.say(Page("s1", [row(50)], None, False))
        await peer.gone()

    async def scenario() -> None:
        async with (
            ScriptedGateway(script) as gateway,
            StreamClient(gateway.url, queued_events=queued) as stream,
        ):
            subscription = await stream.subscribe()
            await asyncio.sleep(0.2)
            assert ids((await stream.history(subscription, limit=1)).rows) == ["t_50"]
            assert len(await events(subscription, queued + 3)) == queued + 3

    run(scenario())


def test_ending_a_subscription_that_nobody_reads_lets_the_others_go_on() -> None:
    async def script(peer: Peer) -> None:
        await begin(peer)
        await peer.subscribed()
        await peer.say(snapshot("s2", 1))
        for number in range(20):
            await peer.say(batch("s1", number, pos=f"p1_{number}"))
        await peer.say(batch("s2", 2, pos="p1_21"))
        await peer.gone()

    async def scenario() -> None:
        async with (
            ScriptedGateway(script) as gateway,
            StreamClient(gateway.url, queued_events=4) as stream,
        ):
            unread = await stream.subscribe()
            read = await stream.subscribe()
            await events(read, 1)
            waiting = asyncio.create_task(events(read, 1))
            await asyncio.sleep(0.2)
            assert not waiting.done()
            await unread.close()
            assert isinstance((await waiting)[0], Batch)

    run(scenario())


def test_what_is_not_answered_in_time_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream_module, "ANSWER_S", 0.2)

    async def script(peer: Peer) -> None:
        await begin(peer, before="c1")
        assert isinstance(await peer.hear(), History)
        await peer.subscribed()
        assert await peer.hear() == Unsubscribe("s2")
        await peer.gone()

    async def scenario() -> None:
        async with ScriptedGateway(script) as gateway, StreamClient(gateway.url) as stream:
            subscription = await stream.subscribe()
            with pytest.raises(StreamError, match="No older rows came within"):
                await stream.history(subscription, limit=1)
            with pytest.raises(StreamError, match="did not begin in"):
                await stream.subscribe()

    run(scenario())


def test_other_columns_on_a_new_connection_make_every_subscription_begin_anew() -> None:
    async def first(peer: Peer) -> None:
        await begin(peer, 1)
        await peer.close(CloseCode.GOING_AWAY)

    async def second(peer: Peer) -> None:
        columns = ("seq", "id", "ts")
        await peer.say(Welcome("ann", "premium", {}, "e1", 0, columns))
        assert (await peer.subscribed()).since is None
        await peer.say(Snapshot("s1", [(1, "t_1", 5)], "p1_9", False, None, False))
        await peer.gone()

    async def scenario() -> None:
        async with ScriptedGateway(first, second) as gateway, StreamClient(gateway.url, **QUICK) as stream:
            subscription = await stream.subscribe()
            await events(subscription, 4)
            assert subscription.view.rows() == [(1, "t_1", 5)]
            assert stream.columns == ("seq", "id", "ts")

    run(scenario())


def test_leaving_ends_every_iteration_and_closes_the_connection() -> None:
    async def scenario() -> None:
        script: Script = begin_and_stay
        async with ScriptedGateway(script) as gateway:
            async with StreamClient(gateway.url) as stream:
                subscription = await stream.subscribe()
            assert [type(event) async for event in subscription] == [Snapshot]
            with pytest.raises(StreamError, match="closed"):
                await stream.subscribe()

    run(scenario())


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ("http://127.0.0.1:8000", "ws://127.0.0.1:8000/v1/stream"),
        ("https://flow.example/", "wss://flow.example/v1/stream"),
        ("ws://[::1]:8000/v1/stream", "ws://[::1]:8000/v1/stream"),
        ("wss://example.com/tape/", "wss://example.com/tape/v1/stream"),
    ],
)
def test_a_gateways_address_leads_to_its_stream(given: str, url: str) -> None:
    assert stream_url(given) == url


@pytest.mark.parametrize(
    "given",
    [
        "",
        "localhost:8000",
        "ftp://host",
        "http://",
        "http://host:99999",
        "http://a:b@host",
        "ws://host/?token=x",
    ],
)
def test_what_is_no_address_or_carries_a_secret_is_refused_without_repeating_it(given: str) -> None:
    with pytest.raises(FlowtapeError) as refused:
        stream_url(given)
    assert "token=x" not in str(refused.value)
    assert "a:b" not in str(refused.value)


def test_only_4400_to_4499_frames_that_nobody_reads_and_refused_handshakes_end_a_stream() -> None:
    assert [code for code in range(1000, 5000) if refusal(code, "")] == [1007, 1009, *range(4400, 4500)]
    assert [status for status in range(200, 600) if handshake_refusal("ws://h", status)] == [
        status for status in range(300, 500) if status not in (408, 425)
    ]
