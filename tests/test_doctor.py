"""The doctor: each verdict from made-up facts, and the facts from real servers with and without modules."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import redis
from typer.testing import CliRunner

from engine.cli import build_app
from engine.search_index import ensure_index
from engine.settings import Settings
from engine.store.connect import connect
from engine.store.doctor import Facts, Finding, Partition, Verdict, judge, must_change, percentile
from engine.store.doctor_facts import gather
from engine.store.embedded import EmbeddedRedis
from schemas import keys

GOOD = Facts(
    version="7.4.1",
    cluster=False,
    replica=False,
    search=True,
    search_version="2.10.5",
    json=True,
    json_version="2.8.3",
    search_on_timeout="fail",
    used_memory=100_000_000,
    maxmemory=1_000_000_000,
    policy="noeviction",
    append_only=True,
    append_sync="everysec",
    snapshots="",
    last_write_ok=True,
    latency_ms=(0.1,) * 200,
    partitions=(Partition(0, "fits", documents=5, owner="indexer-1"),),
)


def finding(check: str, facts: Facts) -> Finding:
    return next(found for found in judge(facts) if found.check == check)


def test_a_redis_as_it_should_be_has_nothing_to_change() -> None:
    assert {found.verdict for found in judge(GOOD)} == {Verdict.OK}
    assert not must_change(judge(GOOD))


@pytest.mark.parametrize(
    ("check", "change", "verdict", "advice"),
    [
        ("version", {"version": "6.2.14"}, Verdict.CHANGE, "Redis 7.2 or newer"),
        ("version", {"version": "8.2.0"}, Verdict.OK, ""),
        ("role", {"replica": True}, Verdict.CHANGE, "primary"),
        ("search", {"search": False}, Verdict.CHANGE, "Redis 8"),
        ("search", {"search_version": "2.6.3"}, Verdict.CHANGE, "2.8 or newer"),
        ("search", {"search_version": None}, Verdict.OK, ""),
        ("JSON", {"json": False}, Verdict.CHANGE, "Redis 8"),
        (
            "search on-timeout",
            {"search_on_timeout": "return"},
            Verdict.CHANGE,
            "FT.CONFIG SET ON_TIMEOUT FAIL",
        ),
        (
            "search on-timeout",
            {"search_on_timeout": "return", "version": "8.0.3"},
            Verdict.CHANGE,
            "CONFIG SET search-on-timeout fail",
        ),
        ("search on-timeout", {"search_on_timeout": None}, Verdict.NOTE, "fail"),
        ("memory policy", {"policy": "allkeys-lru"}, Verdict.CHANGE, "maxmemory-policy noeviction"),
        ("memory", {"maxmemory": 0}, Verdict.NOTE, "Set maxmemory"),
        ("memory", {"used_memory": 750_000_000}, Verdict.NOTE, "FLOWTAPE_TTL"),
        ("memory", {"used_memory": 950_000_000}, Verdict.CHANGE, "FLOWTAPE_TTL"),
        ("persistence", {"append_only": False}, Verdict.CHANGE, "appendonly yes"),
        ("persistence", {"append_sync": "no"}, Verdict.CHANGE, "appendfsync everysec"),
        ("persistence", {"last_write_ok": False}, Verdict.CHANGE, "disk"),
        ("latency", {"latency_ms": (3.0,) * 100}, Verdict.NOTE, "same network"),
        ("latency", {"latency_ms": (0.1,) * 98 + (9.0,) * 2}, Verdict.NOTE, "SLOWLOG"),
        (
            "index",
            {"partitions": (Partition(2, "differs in size"),)},
            Verdict.CHANGE,
            "FT.DROPINDEX ft:{2}:trades",
        ),
        ("index", {"partitions": (Partition(0, "absent"),)}, Verdict.NOTE, "flowtape index"),
        ("index", {"partitions": (Partition(0, "fits", index_failures=3),)}, Verdict.NOTE, "FT.INFO"),
        ("backlog", {"partitions": (Partition(0, "fits", unread=3),)}, Verdict.CHANGE, "flowtape index"),
        ("backlog", {"partitions": (Partition(0, "fits", owner="a", unread=3),)}, Verdict.OK, ""),
        (
            "backlog",
            {"partitions": (Partition(0, "fits", owner="a", unread=500_000),)},
            Verdict.CHANGE,
            "more partitions",
        ),
        ("dead prints", {"partitions": (Partition(0, "fits", dead=3),)}, Verdict.NOTE, "flowtape dead"),
    ],
)
def test_each_fault_has_its_verdict_and_its_advice(
    check: str, change: dict[str, object], verdict: Verdict, advice: str
) -> None:
    found = finding(check, replace(GOOD, **change))  # type: ignore[arg-type]
    assert found.verdict is verdict
    assert advice in found.advice


@pytest.mark.parametrize(
    ("change", "loss"),
    [
        ({}, "one of the machine one second at most"),
        ({"append_sync": "always"}, "one of the machine nothing"),
        ({"append_only": False}, "loses everything"),
        ({"append_only": False, "snapshots": "3600 1"}, "all since the last snapshot"),
    ],
)
def test_persistence_says_what_a_crash_loses(change: dict[str, object], loss: str) -> None:
    assert loss in finding("persistence", replace(GOOD, **change)).found  # type: ignore[arg-type]


def test_a_percentile_is_one_of_the_values() -> None:
    assert percentile([5.0, 1.0, 3.0], 0.5) == 3.0
    assert percentile([1.0, 2.0], 0.99) == 2.0
    assert percentile([], 0.5) == 0.0


def test_the_facts_of_a_stack_with_an_index_are_read(client: redis.Redis, settings: Settings) -> None:
    ensure_index(client, 1)
    client.xadd(keys.prints(0), {"d": b"1"})
    client.xgroup_create(keys.prints(0), keys.INDEXER_GROUP, "0")
    client.xadd(keys.prints(0), {"d": b"2"})
    client.xreadgroup(keys.INDEXER_GROUP, "a", {keys.prints(0): ">"}, count=1)
    client.xadd(keys.dead(0), {"reason": "why"})
    client.set(keys.owner(0), "indexer-1")
    facts = gather(client, settings)
    assert facts.version == "7.4.1"
    assert (facts.search_version, facts.json_version) == ("2.10.5", "2.8.3")
    assert facts.search_on_timeout == "fail"
    assert facts.policy == "noeviction"
    assert not facts.append_only
    assert len(facts.latency_ms) == 200
    assert facts.partitions == (Partition(0, "fits", owner="indexer-1", unread=1, pending=1, dead=1),)


def test_prints_that_no_group_reads_yet_count_as_unread(client: redis.Redis, settings: Settings) -> None:
    client.xadd(keys.prints(0), {"d": b"1"})
    assert gather(client, settings).partitions == (Partition(0, "absent", unread=1),)


def test_an_index_of_another_version_names_the_fields_that_differ(
    client: redis.Redis, settings: Settings
) -> None:
    client.execute_command(
        "FT.CREATE", keys.index(0), "ON", "JSON", "SCHEMA", "$.strange", "AS", "strange", "TAG"
    )
    assert "strange" in gather(client, settings).partitions[0].index


@pytest.fixture
def plain(stack: Path, tmp_path: Path) -> Iterator[str]:
    """The URL of a Redis without any module."""
    with EmbeddedRedis(stack, tmp_path, modules=False).use() as url:
        yield url


def test_a_redis_without_modules_is_told_what_it_lacks(plain: str) -> None:
    settings = Settings.load(redis_url=plain)
    client = connect(settings)
    found = judge(gather(client, settings))
    client.close()
    assert [f.check for f in found if f.verdict is Verdict.CHANGE] == ["search", "JSON"]


def test_the_command_ends_with_1_where_something_must_change(plain: str) -> None:
    result = CliRunner().invoke(build_app("doctor"), ["doctor", "--redis-url", plain, "--json"])
    assert result.exit_code == 1
    answer = json.loads(result.stdout)
    assert answer["fits"] is False
    assert "Redis 8" in next(f["advice"] for f in answer["findings"] if f["check"] == "search")


def test_the_command_ends_with_0_on_the_embedded_redis(stack: Path, tmp_path: Path) -> None:
    with EmbeddedRedis(stack, tmp_path).use() as url:
        result = CliRunner().invoke(build_app("doctor"), ["doctor", "--redis-url", url])
    assert result.exit_code == 0, result.output
    assert "append-only file" in result.stdout
