"""Saved channels on a real Redis: one name is one channel, limits hold against races, and nobody sees another's."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from contextlib import ExitStack, aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import redis
import redis.asyncio
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from redis.exceptions import RedisError

from engine import channel_changes
from engine.channels import Channels
from engine.settings import Settings
from engine.store.connect import connect, connect_async
from engine.store.embedded import EmbeddedRedis
from schemas import keys
from schemas.channel import (
    LINK_PREFIX,
    NAME_CHARS,
    Channel,
    UnreadableChannel,
    is_whole_link,
    name_of,
)
from schemas.errors import ChannelError, IndexMismatchError, RedisSetupError
from schemas.filter import Filter
from schemas.filter_text import parse_filter
from tests.trade_strategies import filters

GUARD_S = 120
"""What is not done by then hangs: the test fails."""

SPY, QQQ = parse_filter("SPY calls premium>=100k"), parse_filter("QQQ -sweep")

OPERATORS = [
    "*", "@link:{*}", "-@user:{x}", "~SPY", "a|b", "(a)", "[0 inf]", "{x}", '"x"', "'x'", "%%x%%", "$link", "=>[KNN]",
    "a\\b", "w'*'", "x*", "*x", "@__key:{*}", ":", ";", ",", "!x", "a&b", "#", "?", "`x`", "<x>", "^", "+", "=", "~",
    "$.name", "..name", "{channels}", "}:names:", "ft:{channels}:names:bob", "\N{FULLWIDTH ASTERISK}", "%2F", "%00",
]  # fmt: skip
"""Every operator of RediSearch's query language and of JSON paths, and what could be taken for a key."""

names = st.one_of(
    st.sampled_from(OPERATORS),
    st.text(st.characters(codec="utf-8"), min_size=1, max_size=20),
)


def play(scenario: Coroutine[Any, Any, Any]) -> Any:
    async def guarded() -> Any:
        async with asyncio.timeout(GUARD_S):
            return await scenario

    return asyncio.run(guarded())


@asynccontextmanager
async def gateways(settings: Settings, count: int = 1) -> AsyncIterator[list[Channels]]:
    """Channels of so many gateways, each with a client of its own."""
    clients = [connect_async(settings) for _ in range(count)]
    made = [Channels(client) for client in clients]
    try:
        for channels in made:
            await channels.prepare()
        yield made
    finally:
        for client in clients:
            await client.aclose()


def on_one(settings: Settings, scenario: Callable[[Channels], Awaitable[Any]]) -> Any:
    async def run() -> Any:
        async with gateways(settings) as (channels,):
            return await scenario(channels)

    return play(run())


async def code_of(doing: Awaitable[Any]) -> str:
    """The code of the error that something ends with; empty where it succeeds."""
    try:
        await doing
    except ChannelError as error:
        return error.code
    return ""


def stored(client: redis.Redis) -> dict[str, dict[str, Any]]:
    """Every document by key, as redis-cli would show it."""
    found: list[bytes] = sorted(client.scan_iter(f"{keys.channel_prefix()}:*", count=1_000))
    return {key.decode(): json.loads(client.execute_command("JSON.GET", key)) for key in found}


def assert_whole(client: redis.Redis) -> None:
    """Each name has its document, each document its name, and the index exactly the links that there are."""
    named = {}
    for key in client.scan_iter(f"{keys.channel_names('')}*", count=1_000):
        user = key.decode().removeprefix(keys.channel_names(""))
        held: Any = client.hgetall(key)
        named |= {
            (user, name.decode()): f"{keys.channel_prefix()}:{pk.decode()}" for name, pk in held.items()
        }
    documents = stored(client)
    assert named == {(document["user"], document["name"]): key for key, document in documents.items()}
    reply: Any = client.execute_command(
        "FT.SEARCH", keys.channel_index(), "*", "NOCONTENT", "LIMIT", 0, 10_000
    )
    assert {result[b"id"].decode() for result in reply[b"results"]} == set(documents)
    for document in documents.values():
        if document["link"]:
            query = f"@link:{{{document['link']}}}"
            found: Any = client.execute_command("FT.SEARCH", keys.channel_index(), query, "DIALECT", 2)
            assert found[b"total_results"] == 1


def test_a_channel_is_made_read_changed_and_deleted(settings: Settings, client: redis.Redis) -> None:
    async def scenario(channels: Channels) -> None:
        made, _ = await channels.save("ann", "  Calls ", SPY, 5)
        assert (made.user, made.name, made.filter, made.link, made.revision) == ("ann", "Calls", SPY, "", 1)
        assert made.created == made.changed > 1_700_000_000_000
        assert await channels.get("ann", "Calls") == await channels.read(made.key) == made
        changed, _ = await channels.save("ann", "Calls", QQQ, 5)
        assert (changed.key, changed.filter, changed.revision) == (made.key, QQQ, 2)
        assert changed.tag != made.tag
        assert await channels.save("ann", "Calls", QQQ, 5) == (changed, False)
        assert await channels.list("ann") == (changed,)
        assert_whole(client)
        await channels.delete("ann", "Calls")
        assert await code_of(channels.get("ann", "Calls")) == "unknown_channel"
        assert await code_of(channels.read(made.key)) == "unknown_channel"
        assert await code_of(channels.delete("ann", "Calls")) == "unknown_channel"
        assert not await channels.list("ann")

    on_one(settings, scenario)
    assert client.dbsize() == 0


def test_a_document_is_what_redis_om_says_and_readable_in_redis_cli(
    settings: Settings, client: redis.Redis
) -> None:
    made, _ = on_one(settings, lambda channels: channels.save("ann", "calls", SPY, 5))
    (document,) = stored(client).values()
    assert made.key == f"{keys.channel_prefix()}:{document.pop('pk')}"
    assert document == {
        "user": "ann", "name": "calls", "link": "", "revision": 1, "created": made.created, "changed": made.changed,
        "filter": '{"underlying":["SPY"],"right":["C"],"premium":{"gte":100000}}',
    }  # fmt: skip


def test_names_are_compared_exactly_after_trimming_and_nfc(settings: Settings) -> None:
    async def scenario(channels: Channels) -> None:
        await channels.save("ann", "Cafe\u0301", SPY, 5)
        assert (await channels.get("ann", " Caf\u00e9\t")).name == "Caf\u00e9"
        assert await code_of(channels.get("ann", "caf\u00e9")) == "unknown_channel"
        await channels.save("ann", "caf\u00e9", QQQ, 5)
        assert [channel.name for channel in await channels.list("ann")] == ["Caf\u00e9", "caf\u00e9"]

    on_one(settings, scenario)


@pytest.mark.parametrize(
    "text",
    ["", " ", "\t\n", "a/b", "/", "..", ".", " .. ", "a\0b", "\x1b[31m", "a\nb", "a\u2028b", "a\u202eb", "\ufeffa",
     "\ufffd", "a" * 65, "a" * 100_000, "e\u0301" * 65, f"{LINK_PREFIX}{7:032x}", "ftlink_", "FTLINK_x", " ftlink_x",
     "\N{FULLWIDTH LATIN SMALL LETTER F}tlink_x"],
)  # fmt: skip
def test_a_text_that_is_no_name_is_refused_everywhere(settings: Settings, text: str) -> None:
    async def scenario(channels: Channels) -> None:
        await channels.save("ann", "calls", SPY, 5)
        assert await code_of(channels.save("ann", text, SPY, 5)) == "bad_name"
        assert await code_of(channels.save("ann", "calls", SPY, 5, new_name=text)) == "bad_name"
        assert await code_of(channels.rename("ann", "calls", text)) == "bad_name"
        assert await code_of(channels.rename("ann", text, "other")) == "bad_name"
        assert await code_of(channels.share("ann", text)) == "bad_name"
        assert await code_of(channels.unshare("ann", text)) == "bad_name"
        assert await code_of(channels.delete("ann", text)) == "bad_name"
        expected = "unknown_channel" if text.startswith(LINK_PREFIX) else "bad_name"
        assert await code_of(channels.get("ann", text)) == expected
        assert [channel.name for channel in await channels.list("ann")] == ["calls"]

    on_one(settings, scenario)


def test_a_name_may_have_all_its_characters_and_be_of_any_script() -> None:
    for text in ("a" * NAME_CHARS, "e\u0301" * NAME_CHARS, "\u6771\u4eac \u0394 \U0001f680", "...", "shared"):
        assert name_of(name_of(text)) == name_of(text)


@given(st.text())
def test_a_name_is_none_or_stays_as_it_is(text: str) -> None:
    try:
        name = name_of(text)
    except ChannelError:
        return
    assert name_of(name) == name
    assert not is_whole_link(name)
    assert len(name.encode()) <= 4 * NAME_CHARS


@given(filters())
def test_any_filter_comes_back_as_it_was_saved(settings: Settings, wanted: Filter) -> None:
    async def scenario(channels: Channels) -> None:
        made, _ = await channels.save("ann", "any", wanted, 1)
        assert made.filter == wanted
        assert await channels.get("ann", "any") == made
        assert await channels.list("ann") == (made,)
        assert await channels.get("bob", await channels.share("ann", "any")) == await channels.get(
            "ann", "any"
        )

    on_one(settings, scenario)


@pytest.mark.parametrize("operator", OPERATORS)
def test_an_operator_of_the_query_language_is_a_name_or_refused_and_finds_nobody_elses(
    settings: Settings, client: redis.Redis, operator: str
) -> None:
    async def scenario(channels: Channels) -> None:
        await channels.save("bob", "secret", SPY, 5)
        link = await channels.share("bob", "secret")
        for text in (
            operator,
            f"{operator}{link}",
            f"{LINK_PREFIX}{operator}",
            f"{link}{operator}",
            link[:-1],
        ):
            assert await code_of(channels.get("ann", text)) in ("unknown_channel", "bad_name"), text
        for user in (operator, f"ann{operator}", f"bob{operator}"):
            assert not await channels.list(user)
            assert await code_of(channels.get(user, "secret")) == "unknown_channel"
        if "/" not in operator:
            made, _ = await channels.save("ann", operator, QQQ, 5)
            assert (await channels.get("ann", operator)).key == made.key
            await channels.rename("ann", operator, f"{operator} 2")
            await channels.save(operator, "own", QQQ, 5)
            assert [channel.name for channel in await channels.list(operator)] == ["own"]
            assert [channel.name for channel in await channels.list("ann")] == [f"{operator} 2".strip()]
        assert [channel.name for channel in await channels.list("bob")] == ["secret"]

    on_one(settings, scenario)
    assert_whole(client)


def test_nobody_reads_or_changes_a_channel_of_another_user(settings: Settings, client: redis.Redis) -> None:
    async def scenario(channels: Channels) -> None:
        made, _ = await channels.save("bob", "secret", SPY, 5)
        before = stored(client)
        for name in ("secret", made.key.rpartition(":")[2]):
            assert await code_of(channels.get("ann", name)) == "unknown_channel"
            assert await code_of(channels.rename("ann", name, "mine")) == "unknown_channel"
            assert await code_of(channels.share("ann", name)) == "unknown_channel"
            assert await code_of(channels.unshare("ann", name)) == "unknown_channel"
            assert await code_of(channels.delete("ann", name)) == "unknown_channel"
        assert stored(client) == before
        own, _ = await channels.save("ann", "secret", QQQ, 5)
        assert own.key != made.key
        assert (await channels.get("bob", "secret")) == made
        # A link lets everybody read, and nobody write.
        link = await channels.share("bob", "secret")
        assert (await channels.get("ann", link)).filter == SPY
        for doing in (
            channels.save("ann", link, QQQ, 5),
            channels.rename("ann", link, "mine"),
            channels.delete("ann", link),
            channels.share("ann", link),
            channels.unshare("ann", link),
        ):
            assert await code_of(doing) == "bad_name"

    on_one(settings, scenario)


def test_a_names_entry_that_points_at_anothers_document_shows_nothing(
    settings: Settings, client: redis.Redis
) -> None:
    made, _ = on_one(settings, lambda channels: channels.save("bob", "secret", SPY, 5))
    client.hset(keys.channel_names("ann"), "secret", made.key.rpartition(":")[2])

    async def scenario(channels: Channels) -> None:
        assert await code_of(channels.get("ann", "secret")) == "unknown_channel"
        assert await code_of(channels.share("ann", "secret")) == "unknown_channel"
        assert not await channels.list("ann")
        await channels.delete("ann", "secret")
        assert await channels.get("bob", "secret") == made

    on_one(settings, scenario)


def test_simultaneous_saves_of_one_name_make_one_channel(settings: Settings, client: redis.Redis) -> None:
    async def scenario() -> None:
        async with gateways(settings, 4) as made:
            wanted = [parse_filter(f"size>={n}") for n in range(24)]
            saved = await asyncio.gather(
                *(made[n % 4].save("ann", "one", each, 5) for n, each in enumerate(wanted))
            )
            results = [channel for channel, _ in saved]
            assert sum(is_new for _, is_new in saved) == 1
            assert len({channel.key for channel in results}) == 1
            assert sorted(channel.revision for channel in results) == list(range(1, 25))
            (last,) = await made[0].list("ann")
            assert isinstance(last, Channel)
            assert last == max(results, key=lambda channel: channel.revision)

    play(scenario())
    assert_whole(client)


@pytest.mark.parametrize("limit", [1, 7])
def test_a_tiers_limit_holds_against_races_over_gateways(
    settings: Settings, client: redis.Redis, limit: int
) -> None:
    async def scenario() -> None:
        async with gateways(settings, 4) as made:
            codes = await asyncio.gather(
                *(code_of(made[n % 4].save("ann", f"c{n}", SPY, limit)) for n in range(32))
            )
            assert sorted(codes) == [""] * limit + ["channel_limit"] * (32 - limit)
            # What is there may be changed; a place that is freed can be taken once.
            first, *_ = await made[0].list("ann")
            assert await code_of(made[1].save("ann", first.name, QQQ, limit)) == ""
            await made[2].delete("ann", first.name)
            codes = await asyncio.gather(
                *(code_of(made[n % 4].save("ann", f"d{n}", SPY, limit)) for n in range(8))
            )
            assert sorted(codes) == [""] + ["channel_limit"] * 7

    play(scenario())
    assert client.hlen(keys.channel_names("ann")) == len(stored(client)) == limit
    assert_whole(client)


def test_everything_at_once_leaves_no_orphan(settings: Settings, client: redis.Redis) -> None:
    async def scenario() -> None:
        async with gateways(settings, 3) as made:
            doing: list[Awaitable[Any]] = []
            for n in range(12):
                channels, name = made[n % 3], f"c{n % 4}"
                doing += [
                    channels.save("ann", name, parse_filter(f"size>={n}"), 3),
                    channels.rename("ann", name, f"c{(n + 1) % 4}"),
                    channels.share("ann", name),
                    channels.delete("ann", name),
                ]
            codes = await asyncio.gather(*(code_of(each) for each in doing))
            assert set(codes) <= {"", "unknown_channel", "name_taken", "channel_limit"}
            assert "" in codes

    play(scenario())
    assert client.hlen(keys.channel_names("ann")) <= 3
    assert_whole(client)


def test_renaming_onto_a_name_that_is_there_is_refused(settings: Settings) -> None:
    async def scenario() -> None:
        async with gateways(settings, 2) as (one, two):
            calls, _ = await one.save("ann", "calls", SPY, 5)
            puts, _ = await one.save("ann", "puts", QQQ, 5)
            assert await code_of(one.rename("ann", "calls", "puts")) == "name_taken"
            assert await code_of(one.save("ann", "calls", QQQ, 5, new_name="puts")) == "name_taken"
            assert (await one.list("ann")) == (calls, puts)
            codes = await asyncio.gather(
                code_of(one.rename("ann", "calls", "new")), code_of(two.rename("ann", "puts", "new"))
            )
            assert sorted(codes) == ["", "name_taken"]

    play(scenario())


def test_a_renamed_channel_keeps_its_key_and_link_and_frees_its_name(
    settings: Settings, client: redis.Redis
) -> None:
    async def scenario(channels: Channels) -> None:
        made, _ = await channels.save("ann", "calls", SPY, 1)
        link = await channels.share("ann", "calls")
        await channels.rename("ann", "calls", "Calls")
        renamed = await channels.read(made.key)
        assert (renamed.name, renamed.link, renamed.revision) == ("Calls", link, 3)
        assert await channels.get("bob", link) == renamed
        assert await code_of(channels.get("ann", "calls")) == "unknown_channel"
        assert await code_of(channels.rename("ann", "Calls", "Calls")) == ""
        both, _ = await channels.save("ann", "Calls", QQQ, 1, new_name="both")
        assert (both.name, both.filter, both.revision) == ("both", QQQ, 4)
        assert await code_of(channels.save("ann", "none", QQQ, 5, new_name="some")) == "unknown_channel"

    on_one(settings, scenario)
    assert_whole(client)


def test_a_tier_without_channels_saves_none(settings: Settings, client: redis.Redis) -> None:
    assert on_one(settings, lambda channels: code_of(channels.save("ann", "calls", SPY, 0))) == "no_channels"
    assert client.dbsize() == 0


def test_a_writer_that_expects_another_state_is_refused(settings: Settings) -> None:
    async def scenario(channels: Channels) -> None:
        assert await code_of(channels.save("ann", "a", SPY, 5, expected={"*"})) == "channel_changed"
        first, _ = await channels.save("ann", "a", SPY, 5, expected=())
        assert await code_of(channels.save("ann", "a", QQQ, 5, expected=())) == "channel_changed"
        second, _ = await channels.save("ann", "a", QQQ, 5, expected={first.tag})
        for doing in (
            channels.save("ann", "a", SPY, 5, expected={first.tag}),
            channels.rename("ann", "a", "b", expected={first.tag}),
            channels.delete("ann", "a", expected={first.tag}),
        ):
            assert await code_of(doing) == "channel_changed"
        assert await channels.get("ann", "a") == second
        await channels.delete("ann", "a", expected={"*", "other"})

    on_one(settings, scenario)


def test_a_channel_made_again_is_not_taken_for_the_deleted_one(settings: Settings) -> None:
    async def scenario() -> None:
        client = connect_async(settings)
        times = iter(range(1_800_000_000_000, 1_800_000_000_100))
        channels = Channels(client, now=lambda: next(times))
        try:
            first, _ = await channels.save("ann", "a", SPY, 5)
            await channels.delete("ann", "a")
            await channels.save("ann", "a", SPY, 5)
            assert await code_of(channels.save("ann", "a", QQQ, 5, expected={first.tag})) == "channel_changed"
        finally:
            await client.aclose()

    play(scenario())


def test_a_link_is_renewed_and_taken_back(settings: Settings) -> None:
    async def scenario(channels: Channels) -> None:
        await channels.save("ann", "a", SPY, 5)
        one = await channels.share("ann", "a")
        two = await channels.share("ann", "a")
        assert is_whole_link(one)
        assert is_whole_link(two)
        assert one != two
        assert await code_of(channels.get("bob", one)) == "unknown_channel"
        assert (await channels.get("bob", two)).filter == SPY
        await channels.unshare("ann", "a")
        await channels.unshare("ann", "a")
        assert await code_of(channels.get("bob", two)) == "unknown_channel"
        assert (await channels.get("ann", "a")).link == ""
        third = await channels.share("ann", "a")
        await channels.delete("ann", "a")
        assert await code_of(channels.get("bob", third)) == "unknown_channel"

    on_one(settings, scenario)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"filter": '{"moon":["full"]}'}, "moon"),
        ({"filter": "{"}, "no JSON"),
        ({"revision": "new"}, "revision"),
    ],
)
def test_what_another_version_saved_is_an_error_that_names_the_channel(
    settings: Settings, client: redis.Redis, change: dict[str, str], said: str
) -> None:
    made, _ = on_one(settings, lambda channels: channels.save("ann", "newer", SPY, 5))
    for field, value in change.items():
        client.execute_command("JSON.SET", made.key, f"$.{field}", json.dumps(value))

    async def scenario(channels: Channels) -> None:
        good, _ = await channels.save("ann", "good", QQQ, 5)
        listed = await channels.list("ann")
        assert listed[0] == good
        assert isinstance(listed[1], UnreadableChannel)
        assert (listed[1].key, listed[1].name) == (made.key, "newer")
        assert said in listed[1].reason
        for doing in (channels.get("ann", "newer"), channels.read(made.key)):
            with pytest.raises(ChannelError, match=r"newer|" + made.key) as caught:
                await doing
            assert caught.value.code == "unreadable_channel"
            assert said in caught.value.message
        if "filter" in change:
            await channels.rename("ann", "newer", "older")
            assert (await channels.save("ann", "older", SPY, 5))[0].filter == SPY
        else:
            await channels.delete("ann", "newer")

    on_one(settings, scenario)
    assert_whole(client)


def test_a_document_that_redis_evicted_leaves_a_name_that_can_be_saved_or_deleted(
    settings: Settings, client: redis.Redis
) -> None:
    async def scenario(channels: Channels) -> None:
        for name in ("a", "b"):
            client.delete((await channels.save("ann", name, SPY, 2))[0].key)
        assert not await channels.list("ann")
        assert await code_of(channels.get("ann", "a")) == "unknown_channel"
        assert await code_of(channels.save("ann", "c", SPY, 2)) == "channel_limit"
        assert (await channels.save("ann", "a", QQQ, 2))[0].filter == QQQ
        await channels.delete("ann", "b")

    on_one(settings, scenario)
    assert_whole(client)


def test_preparing_twice_is_nothing_and_another_versions_index_is_named(
    settings: Settings, client: redis.Redis
) -> None:
    on_one(settings, lambda channels: channels.prepare())
    client.execute_command("FT.DROPINDEX", keys.channel_index())
    client.execute_command(
        "FT.CREATE",
        keys.channel_index(),
        "ON",
        "JSON",
        "PREFIX",
        1,
        "x:",
        "SCHEMA",
        "$.a",
        "AS",
        "link",
        "TEXT",
    )
    with pytest.raises(IndexMismatchError, match="link"):
        on_one(settings, lambda channels: channels.prepare())


def test_links_are_found_after_redis_lost_its_index(settings: Settings, client: redis.Redis) -> None:
    async def scenario(channels: Channels) -> None:
        client.flushall()
        await channels.save("ann", "a", SPY, 5)
        link = await channels.share("ann", "a")
        while await code_of(channels.get("bob", link)):  # noqa: ASYNC110 - Redis says no when it has indexed
            await asyncio.sleep(0.01)

    on_one(settings, scenario)


@asynccontextmanager
async def heard(channels: Channels) -> AsyncIterator[asyncio.Queue[str | None]]:
    """What `changes` says, from when it listens."""
    queue: asyncio.Queue[str | None] = asyncio.Queue()

    async def listen() -> None:
        async with aclosing(channels.changes()) as changes:
            async for key in changes:
                queue.put_nowait(key)

    task = asyncio.create_task(listen())
    try:
        assert await queue.get() is None
        yield queue
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def test_every_gateway_hears_of_each_change(settings: Settings) -> None:
    async def scenario() -> None:
        async with gateways(settings, 2) as (one, two), heard(one) as first, heard(two) as second:
            made, _ = await one.save("ann", "a", SPY, 5)
            await two.save("ann", "a", QQQ, 5)
            await two.save("ann", "a", QQQ, 5)  # the same again
            await one.share("ann", "a")
            await one.rename("ann", "a", "b")
            await two.unshare("ann", "b")
            await one.delete("ann", "b")
            await one.save("ann", "last", SPY, 5)
            for queue in (first, second):
                told = [await queue.get() for _ in range(7)]
                assert told[:6] == [made.key] * 6
                assert told[6] not in (None, made.key)
                assert queue.empty()

    play(scenario())


def test_after_a_lost_connection_everything_may_have_changed(settings: Settings, client: redis.Redis) -> None:
    async def scenario() -> None:
        async with gateways(settings) as (channels,), heard(channels) as queue:
            for _ in range(3):
                client.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
                assert await queue.get() is None
                made, _ = await channels.save("ann", "a", SPY, 5)
                assert await queue.get() == made.key
                await channels.delete("ann", "a")
                assert await queue.get() == made.key

    play(scenario())


def test_a_silent_connection_is_asked_and_stays(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channel_changes, "PING_S", 0.05)

    async def scenario() -> None:
        async with gateways(settings) as (channels,), heard(channels) as queue:
            await asyncio.sleep(0.5)
            made, _ = await channels.save("ann", "a", SPY, 5)
            assert await queue.get() == made.key

    play(scenario())


def test_a_subscription_that_redis_refuses_is_no_silence(settings: Settings, client: redis.Redis) -> None:
    client.execute_command("ACL", "SETUSER", "deaf", "on", ">deaf", "~*", "+@all", "resetchannels")

    async def scenario() -> None:
        url = str(settings.redis_url)
        deaf = redis.asyncio.Redis.from_url(url, username="deaf", password="deaf", protocol=3)  # noqa: S106
        try:
            with pytest.raises(RedisError):
                await anext(Channels(deaf).changes())
        finally:
            await deaf.aclose()

    try:
        play(scenario())
    finally:
        client.execute_command("ACL", "DELUSER", "deaf")


class Machine(RuleBasedStateMachine):
    """Random work of two users against a plain dict."""

    LIMIT = 3
    settings: Settings

    def __init__(self) -> None:
        super().__init__()
        self.model: dict[str, dict[str, tuple[Filter, str]]] = {"ann": {}, "bob": {}}
        self.runner = asyncio.Runner()
        self.client = connect_async(self.settings)
        self.channels = Channels(self.client)

    @initialize()
    def begin(self) -> None:
        async def begin() -> None:
            await self.client.flushall()
            await self.channels.prepare()

        self.runner.run(begin())

    def teardown(self) -> None:
        self.runner.run(self.client.aclose())
        self.runner.close()

    def run(self, doing: Awaitable[Any], code: str) -> Any:
        """What something gives, having ended with the code that the model foresees."""

        async def run() -> Any:
            if not code:
                return await doing
            assert await code_of(doing) == code
            return None

        return self.runner.run(run())

    users = st.sampled_from(["ann", "bob"])
    few = st.sampled_from(["a", "b", "A", "@link:{*}", "\u00e9", "|"])

    @rule(user=users, name=few, wanted=filters())
    def put(self, user: str, name: str, wanted: Filter) -> None:
        own = self.model[user]
        full = name not in own and len(own) >= self.LIMIT
        self.run(self.channels.save(user, name, wanted, self.LIMIT), "channel_limit" if full else "")
        if not full:
            own[name] = (wanted, own[name][1] if name in own else "")

    @rule(user=users, name=few, new_name=few)
    def rename(self, user: str, name: str, new_name: str) -> None:
        own = self.model[user]
        code = (
            "unknown_channel"
            if name not in own
            else "name_taken"
            if new_name in own and new_name != name
            else ""
        )
        self.run(self.channels.rename(user, name, new_name), code)
        if not code:
            own[new_name] = own.pop(name)

    @rule(user=users, name=few)
    def delete(self, user: str, name: str) -> None:
        code = "" if name in self.model[user] else "unknown_channel"
        self.run(self.channels.delete(user, name), code)
        self.model[user].pop(name, None)

    @rule(user=users, name=few, take_back=st.booleans())
    def share(self, user: str, name: str, take_back: bool) -> None:
        own = self.model[user]
        code = "" if name in own else "unknown_channel"
        old = own[name][1] if name in own else ""
        doing = self.channels.unshare(user, name) if take_back else self.channels.share(user, name)
        link = self.run(doing, code)
        if not code:
            own[name] = (own[name][0], link or "")
        if old:
            self.run(self.channels.get("eve", old), "unknown_channel")

    @rule(user=users, name=names)
    def ask(self, user: str, name: str) -> None:
        try:
            held = name_of(name) in self.model[user]
        except ChannelError:
            return
        self.run(self.channels.get(user, name), "" if held else "unknown_channel")

    @invariant()
    def as_the_model_says(self) -> None:
        for user, own in self.model.items():
            listed = self.run(self.channels.list(user), "")
            assert {c.name: (c.filter, c.link) for c in listed} == own
            for wanted, link in own.values():
                if link:
                    assert self.run(self.channels.get("eve", link), "").filter == wanted


def test_random_work_agrees_with_a_plain_dict(settings: Settings, client: redis.Redis) -> None:
    class OnThisRedis(Machine):
        pass

    OnThisRedis.settings = settings
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        OnThisRedis,
        settings=hypothesis_settings(
            max_examples=hypothesis_settings().max_examples // 2, stateful_step_count=25
        ),
    )
    assert_whole(client)


def is_free(port: int) -> bool:
    """Whether a server may listen there; a cluster's bus takes the port 10,000 above."""
    with socket.socket() as attempt:
        try:
            attempt.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def connected(url: str, server: subprocess.Popen[bytes]) -> redis.Redis:
    """A client of a server that was just started."""
    deadline = time.monotonic() + GUARD_S
    while True:
        try:
            return connect(Settings.load(redis_url=url))
        except RedisSetupError:
            assert server.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)


@pytest.fixture
def cluster_url(stack: Path, tmp_path: Path) -> Iterator[str]:
    """One node of a Redis Cluster that holds all slots: it refuses commands over keys of several slots."""
    port = next(port for port in range(21_500, 22_500) if is_free(port) and is_free(port + 10_000))
    lib = stack / "lib"
    command = [
        str(stack / "bin" / "redis-server"), "--port", str(port), "--bind", "127.0.0.1", "--cluster-enabled", "yes",
        "--dir", str(tmp_path), "--save", "", "--loadmodule", str(lib / "redisearch.so"),
        "--loadmodule", str(lib / "rejson.so"),
    ]  # fmt: skip
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            url = f"redis://127.0.0.1:{port}"
            with connected(url, server) as client:
                client.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 16_383)
                while b"cluster_state:ok" not in client.execute_command("CLUSTER", "INFO"):
                    time.sleep(0.05)
            yield url
        finally:
            server.terminate()


def test_all_of_it_runs_on_a_cluster(cluster_url: str) -> None:
    settings = Settings.load(redis_url=cluster_url)

    async def scenario() -> None:
        async with gateways(settings, 2) as (one, two), heard(one) as queue:
            made, _ = await two.save("a}nn{", "calls", SPY, 2)
            assert await queue.get() == made.key
            await one.rename("a}nn{", "calls", "Calls")
            await one.save("bob", "calls", QQQ, 2)
            link = await two.share("a}nn{", "Calls")
            assert (await one.get("bob", link)).filter == SPY
            assert [channel.name for channel in await one.list("a}nn{")] == ["Calls"]
            codes = await asyncio.gather(*(code_of(two.save("bob", f"c{n}", SPY, 2)) for n in range(6)))
            assert sorted(codes) == ["", *["channel_limit"] * 5]
            await one.delete("a}nn{", "Calls")
            assert await code_of(one.get("bob", link)) == "unknown_channel"

    play(scenario())


def test_a_redis_that_was_gone_for_a_while_says_that_everything_may_have_changed(
    stack: Path, tmp_path: Path
) -> None:
    server = EmbeddedRedis(stack, tmp_path)

    async def scenario() -> None:
        with ExitStack() as running:
            settings = Settings.load(redis_url=running.enter_context(server.use()))
            async with gateways(settings) as (channels,), heard(channels) as queue:
                made, _ = await channels.save("ann", "a", SPY, 5)
                link = await channels.share("ann", "a")
                assert [await queue.get(), await queue.get()] == [made.key] * 2
                await asyncio.to_thread(running.close)
                with pytest.raises((RedisError, OSError)):
                    await channels.get("ann", "a")
                assert await asyncio.to_thread(running.enter_context, server.use()) == settings.redis_url
                assert await queue.get() is None
                # It came back with its data, and the index over it.
                assert (await channels.get("bob", link)).filter == SPY
                await channels.save("ann", "a", QQQ, 5)
                assert await queue.get() == made.key

    play(scenario())
