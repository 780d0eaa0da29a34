"""Nothing of another user is ever visible: not over the stream, not over HTTP, not in errors, metrics or logs."""

from __future__ import annotations

import time
from contextlib import AsyncExitStack
from typing import Any

import httpx
import pytest
import redis

from engine.settings import Settings
from schemas.messages import Batch, Error, ErrorCode, Snapshot
from schemas.stream_position import StreamPosition
from tests.attacks import watched
from tests.gateways import Gateway, Peer, ids, run
from tests.indexing import NOON, a_print, append, index

OWNER = "ann-whose-name-is-secret"
CHANNEL = "the channel nobody knows"
WANTED = "AAPL,NVDA puts premium>=123456"


@pytest.fixture
def trades(client: redis.Redis, settings: Settings) -> None:
    """Trades that are indexed."""
    append(client, [a_print(n, ts=NOON + n * 1_000) for n in range(1, 6)])
    index(client, settings)


def bearer(running: Gateway, user: str, tier: str = "premium") -> dict[str, str]:
    return {"Authorization": f"Bearer {running.token(tier, user)}"}


async def answered(peer: Peer, channel: str) -> Error:
    answer = await peer.subscribe("a", None, channel=channel)
    assert isinstance(answer, Error)
    return answer


@pytest.mark.usefixtures("trades")
def test_a_channel_of_another_user_is_as_unknown_as_one_that_is_not_there(settings: Settings) -> None:
    async def scenario() -> None:
        async with AsyncExitStack() as opened:
            running = await opened.enter_async_context(watched(settings))
            base = f"http://{running.address}"
            http = await opened.enter_async_context(httpx.AsyncClient(base_url=base))
            owner = await opened.enter_async_context(running.client(user=OWNER))
            bob = await opened.enter_async_context(running.client(user="bob"))
            path = f"/v1/channels/{CHANNEL}"
            saved = await http.put(path, json={"filter": WANTED}, headers=bearer(running, OWNER))
            assert saved.status_code == 201
            assert isinstance(await owner.subscribe("a", None, channel=CHANNEL), Snapshot)

            there, absent = await answered(bob, CHANNEL), await answered(bob, "another channel, not here")
            assert there.code == absent.code == ErrorCode.UNKNOWN_CHANNEL
            assert there.message.replace(CHANNEL, "?") == absent.message.replace(
                "another channel, not here", "?"
            )
            for method in ("GET", "DELETE"):
                of_bob = [
                    await http.request(method, f"/v1/channels/{name}", headers=bearer(running, "bob"))
                    for name in (CHANNEL, "another")
                ]
                assert [answer.status_code for answer in of_bob] == [404, 404]
                for answer in of_bob:
                    assert_tells_nothing(answer.text.replace(CHANNEL, "?"))
            listed = await http.get("/v1/channels", headers=bearer(running, "bob"))
            assert listed.json()["channels"] == []

            shared = await http.post(f"{path}/share", headers=bearer(running, OWNER))
            link = shared.json()["link"]
            snapshot = await bob.subscribe("b", None, channel=link)
            assert isinstance(snapshot, Snapshot)
            seen = await http.get(f"/v1/channels/shared/{link}", headers=bearer(running, "bob"))
            assert OWNER not in seen.text
            assert (await http.get(f"/v1/channels/shared/{link}")).status_code == 401
            # Whoever reads it can do nothing else with it.
            for method in ("PUT", "DELETE"):
                answer = await http.request(
                    method, f"/v1/channels/shared/{link}", headers=bearer(running, "bob")
                )
                assert answer.status_code == 405
            assert (await http.delete(f"{path}/share", headers=bearer(running, OWNER))).status_code == 204
            ended = await bob.expect(Error)
            assert (ended.code, ended.sub) == (ErrorCode.CHANNEL_DELETED, "b")
            assert_tells_nothing(ended.message)
            assert (await answered(bob, link)).code == ErrorCode.UNKNOWN_CHANNEL
            assert list(session_of(running, "bob").subscriptions) == []

    run(scenario())


def session_of(running: Gateway, user: str) -> Any:
    (session,) = (session for session in running.services.hub.sessions if session.identity.user == user)
    return session


def assert_tells_nothing(text: str) -> None:
    """That a text holds nothing of the owner, nor of the inside."""
    for word in (OWNER, CHANNEL, "AAPL", "123456", "ft:", "Traceback", "redis://", "/work", ".py", "eyJ"):
        assert word not in text, text


@pytest.mark.usefixtures("trades")
def test_pages_for_everybody_tell_nothing_of_users(settings: Settings) -> None:
    async def scenario() -> None:
        async with AsyncExitStack() as opened:
            running = await opened.enter_async_context(watched(settings))
            http = await opened.enter_async_context(httpx.AsyncClient(base_url=f"http://{running.address}"))
            owner = await opened.enter_async_context(running.client(user=OWNER))
            path = f"/v1/channels/{CHANNEL}"
            await http.put(path, json={"filter": WANTED}, headers=bearer(running, OWNER))
            await owner.subscribe("a", None, channel=CHANNEL)
            await owner.subscribe("b", "premium>=lots")
            for page in (
                "/metrics",
                "/readyz",
                "/healthz",
                "/v1/openapi.json",
                "/",
                "/nowhere",
                "/v1/trades",
            ):
                answer = await http.get(page)
                assert answer.status_code < 500
                text = answer.text + str(answer.headers)
                for word in (OWNER, CHANNEL, "123456", "eyJ", "redis://", "unix://"):
                    assert word not in text, (page, word)

    run(scenario())


@pytest.mark.usefixtures("trades")
def test_what_one_sends_reaches_nobody_else(settings: Settings) -> None:
    async def scenario() -> None:
        async with (
            watched(settings) as running,
            running.client(user="ann") as ann,
            running.client(user="bob") as bob,
        ):
            await bob.subscribe("a", "SPY")
            for number in range(10):
                await ann.subscribe("a", {"underlying": [f"X{number}"]})
                await ann.subscribe("b", "nonsense>>")
            await bob.silent()
            assert list(session_of(running, "bob").subscriptions) == ["a"]

    run(scenario())


def test_a_delayed_tier_is_told_of_nothing_newer_whatever_position_it_claims(
    settings: Settings, client: redis.Redis
) -> None:
    now = time.time_ns() // 1_000_000
    append(client, [a_print(1, ts=now - 3_600_000)])
    index(client, settings, "one")

    async def scenario() -> None:
        async with (
            watched(settings) as running,
            running.client("free") as peer,
            running.client(user="bob") as live,
        ):
            first = await peer.subscribe("a", "-sweep")
            assert ids(first.rows) == ["t_1"]
            await live.subscribe("a", "")
            # The second leg makes the first, which passed, part of a sweep.
            append(client, [a_print(2, ts=now - 1_000)])
            index(client, settings, "two")
            append(client, [a_print(3, ts=now - 900, exchange="XPHL")])
            index(client, settings, "three")
            seen: set[str] = set()
            while "t_3" not in seen:
                seen |= set(ids((await live.expect(Batch)).rows))
            good = StreamPosition.parse(first.pos)
            for until in (good.until, now, 2**53, 2**63):
                answer = await peer.subscribe("a", "-sweep", since=good._replace(until=until).text())
                assert not {"t_2", "t_3"} & set(ids(answer.rows))
                assert not {"t_2", "t_3"} & {row[0] for row in getattr(answer, "gone", ())}, until

    run(scenario())
