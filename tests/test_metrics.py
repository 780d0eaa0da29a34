"""Metrics: what is counted comes out, also over several workers and with Redis away; the page names each one."""

from __future__ import annotations

import asyncio
import math
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import redis
import redis.asyncio
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Histogram
from prometheus_client.parser import text_string_to_metric_families

from engine.metrics import LATENCY_BUCKETS, OTHER, GatewayMetrics, QueryKind, TallyHistogram
from engine.metrics_workers import WORKER_VARIABLE, WorkerFiles, worker_folder
from engine.redis_facts import READ_S, PartitionFacts, RedisFacts, read
from engine.search_index import ensure_index
from engine.settings import Settings
from engine.store.connect import connect_async
from schemas import keys
from schemas.messages import Batch, CloseCode, ErrorCode, Snapshot
from schemas.tier import Delivery
from tests.gateways import gateway, ids, run
from tests.indexing import a_print, append, index

PAGE = Path(__file__).parents[1] / "docs" / "metrics.md"

WORKER = """
import sys
from engine.metrics import GatewayMetrics
from engine.metrics_workers import WorkerFiles
metrics = GatewayMetrics(files=WorkerFiles.from_environment())
for line in sys.stdin:
    word, _, number = line.strip().partition(" ")
    if word == "rows":
        metrics.rows_sent.inc(int(number))
    elif word == "sessions":
        metrics.sessions["free"].set(int(number))
    elif word == "lag":
        metrics.tape_lag.set(float(number))
    elif word == "seconds":
        metrics.print_to_send.observe_many(float(number), 10)
    metrics.flush()
    print("done", flush=True)
"""


def samples(text: bytes) -> dict[str, float]:
    """Every sample as `name{label="value"}`, labels in order."""
    found = {}
    for family in text_string_to_metric_families(text.decode()):
        for sample in family.samples:
            labels = ",".join(f'{name}="{value}"' for name, value in sorted(sample.labels.items()))
            found[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return found


def told(metrics: GatewayMetrics) -> dict[str, float]:
    metrics.flush()
    return samples(metrics.text())


class Worker:
    """A process with metrics of its own, which does what it is told."""

    def __init__(self, files: WorkerFiles) -> None:
        self.files = files
        self.process = subprocess.Popen(
            [sys.executable, "-c", WORKER],
            env={**os.environ, **files.environment()},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def do(self, *lines: str) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        for line in lines:
            print(line, file=self.process.stdin, flush=True)
            assert self.process.stdout.readline() == "done\n"

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.communicate()


@pytest.fixture
def folder() -> Iterator[Path]:
    with worker_folder() as folder:
        yield folder
    assert not folder.exists()


def scrape(folder: Path) -> dict[str, float]:
    """What a worker answers; in a process of its own, since files change how a process counts."""
    code = """
import sys
from pathlib import Path
from engine.metrics import GatewayMetrics
from engine.metrics_workers import WorkerFiles
metrics = GatewayMetrics(files=WorkerFiles(Path(sys.argv[1]), 99))
sys.stdout.buffer.write(metrics.text())
"""
    done = subprocess.run([sys.executable, "-c", code, str(folder)], capture_output=True, check=True)
    return samples(done.stdout)


seconds = st.floats(min_value=0, max_value=1_000, allow_nan=False) | st.sampled_from(LATENCY_BUCKETS)


@given(st.lists(st.tuples(seconds, st.integers(1, 50)), max_size=30), st.integers(0, 30))
def test_many_observations_at_once_count_as_that_many_single_ones(
    observed: list[tuple[float, int]], flush_after: int
) -> None:
    registry, plain = CollectorRegistry(), CollectorRegistry()
    tally = TallyHistogram("x", "", registry=registry, buckets=LATENCY_BUCKETS)
    single = Histogram("x", "", registry=plain, buckets=LATENCY_BUCKETS)
    for i, (value, count) in enumerate(observed):
        tally.observe_many(value, count)
        for _ in range(count):
            single.observe(value)
        if i == flush_after:
            tally.flush()
    tally.flush()
    for bound in [*map(str, LATENCY_BUCKETS), "+Inf"]:
        assert registry.get_sample_value("x_bucket", {"le": bound}) == plain.get_sample_value(
            "x_bucket", {"le": bound}
        )
    ours, theirs = registry.get_sample_value("x_sum"), plain.get_sample_value("x_sum")
    assert ours is not None
    assert theirs is not None
    assert math.isclose(ours, theirs, abs_tol=1e-9)


def test_times_of_receipt_become_seconds_and_one_in_the_future_counts_as_zero() -> None:
    metrics = GatewayMetrics()
    metrics.print_to_send.observe_since([1_000, 1_990, 5_000], 2_000)
    metrics.print_to_send.observe_many(-3)
    found = told(metrics)
    assert found["flowtape_print_to_send_seconds_count"] == 4
    assert found["flowtape_print_to_send_seconds_sum"] == pytest.approx(1.01)
    assert found['flowtape_print_to_send_seconds_bucket{le="0.001"}'] == 2
    assert found['flowtape_print_to_send_seconds_bucket{le="0.01"}'] == 3
    assert found['flowtape_print_to_send_seconds_bucket{le="1.0"}'] == 4


def test_each_kind_of_number_comes_out_under_its_name_and_label() -> None:
    metrics = GatewayMetrics()
    metrics.query[QueryKind.POLL].observe_many(0.003)
    metrics.sessions["premium"].set(7)
    metrics.groups[Delivery.PUSH].set(3)
    metrics.closes[CloseCode.TOO_SLOW].inc()
    metrics.closes[1006].inc(2)
    metrics.errors[ErrorCode.BAD_FILTER].inc()
    metrics.bytes.inc(512)
    found = told(metrics)
    assert found['flowtape_query_seconds_count{kind="poll"}'] == 1
    assert found['flowtape_sessions{tier="premium"}'] == 7
    assert found['flowtape_groups{delivery="push"}'] == 3
    assert found['flowtape_closes_total{code="4008"}'] == 1
    assert found['flowtape_closes_total{code="1006"}'] == 2
    assert found['flowtape_errors_total{code="bad_filter"}'] == 1
    assert found["flowtape_sent_bytes_total"] == 512


def test_a_label_nobody_foresaw_counts_as_other_and_makes_no_new_series() -> None:
    metrics = GatewayMetrics()
    before = set(told(metrics))
    for code in (4999, "4008", "x" * 1_000, None):
        metrics.closes[code].inc()
    metrics.messages["DROP TABLE"].inc()
    found = told(metrics)
    assert set(found) == before
    assert found[f'flowtape_closes_total{{code="{OTHER}"}}'] == 4
    assert found[f'flowtape_messages_total{{op="{OTHER}"}}'] == 1


def test_the_tiers_of_the_settings_have_series() -> None:
    metrics = GatewayMetrics(["gold"])
    metrics.sessions["gold"].set(2)
    assert told(metrics)['flowtape_sessions{tier="gold"}'] == 2


def test_two_gateways_in_one_process_count_apart() -> None:
    one, other = GatewayMetrics(), GatewayMetrics()
    one.matches.inc(5)
    assert told(one)["flowtape_matches_total"] == 5
    assert told(other)["flowtape_matches_total"] == 0


def test_running_it_flushes_and_measures_the_loop_and_the_process() -> None:
    async def wait() -> dict[str, float]:
        metrics = GatewayMetrics()
        metrics.print_to_send.observe_many(0.5, 3)
        running = asyncio.create_task(metrics.run())
        async with asyncio.timeout(60):
            while not (found := samples(metrics.text()))["flowtape_print_to_send_seconds_count"]:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        return found

    found = asyncio.run(wait())
    assert found["flowtape_print_to_send_seconds_sum"] == 1.5
    assert found["flowtape_cpu_seconds_total"] > 0
    assert found["flowtape_loop_lag_seconds"] >= 0


def test_workers_add_up_and_the_worst_lag_wins(folder: Path) -> None:
    workers = [Worker(WorkerFiles(folder, i)) for i in range(2)]
    try:
        workers[0].do("rows 5", "sessions 10", "lag 0.5", "seconds 0.02")
        workers[1].do("rows 7", "sessions 20", "lag 3", "seconds 0.04")
        found = scrape(folder)
    finally:
        for worker in workers:
            worker.kill()
    assert found["flowtape_rows_sent_total"] == 12
    assert found['flowtape_sessions{tier="free"}'] == 30
    assert found["flowtape_tape_lag_seconds"] == 3
    assert found["flowtape_workers"] == 3
    assert found["flowtape_print_to_send_seconds_count"] == 20
    assert found['flowtape_print_to_send_seconds_bucket{le="0.02"}'] == 10


def test_a_dead_workers_sessions_go_and_its_counts_stay(folder: Path) -> None:
    worker = Worker(WorkerFiles(folder, 0))
    worker.do("rows 5", "sessions 10")
    worker.kill()
    worker.files.release()
    found = scrape(folder)
    assert found["flowtape_rows_sent_total"] == 5
    assert found['flowtape_sessions{tier="free"}'] == 0
    assert found["flowtape_workers"] == 1


def test_a_worker_started_again_goes_on_with_the_counts_and_makes_no_more_files(folder: Path) -> None:
    first = Worker(WorkerFiles(folder, 0))
    first.do("rows 5", "sessions 10")
    first.kill()
    files = set(folder.iterdir())
    second = Worker(WorkerFiles(folder, 0))
    try:
        second.do("rows 2")
        assert set(folder.iterdir()) == files
        found = scrape(folder)
    finally:
        second.kill()
    assert found["flowtape_rows_sent_total"] == 7
    assert found['flowtape_sessions{tier="free"}'] == 0


def test_a_gateway_alone_has_no_files() -> None:
    assert WorkerFiles.from_environment({}) is None
    assert WorkerFiles.from_environment({WORKER_VARIABLE: "1"}) is None


def facts(settings: Settings, client: redis.asyncio.Redis | None = None) -> RedisFacts:
    async def ask() -> RedisFacts:
        async with client or connect_async(settings) as opened:
            return await read(opened, settings.partitions)

    return asyncio.run(ask())


def test_the_facts_are_what_redis_holds(settings: Settings, client: redis.Redis) -> None:
    two = settings.model_copy(update={"partitions": 2})
    ensure_index(client, 2)
    client.set(keys.owner(1), "indexer-1")
    for _ in range(3):
        client.xadd(keys.prints(0), {"d": b"x"})
        client.xadd(keys.prints(1), {"d": b"x"})
    client.xgroup_create(keys.prints(1), keys.INDEXER_GROUP, id="0")
    client.xreadgroup(keys.INDEXER_GROUP, "one", {keys.prints(1): ">"}, count=2)
    client.xadd(keys.tape(1), {"d": b"x"})
    client.xadd(keys.dead(0), {"reason": "x"})
    client.hset(keys.counts(0), mapping={"alpaca:indexed": 4, "alpaca:dead": 1})
    client.hset(keys.counts(1), mapping={"alpaca:indexed": 6})
    found = facts(two)
    assert found.up
    assert found.memory > 0
    assert found.outcomes == {("alpaca", "indexed"): 10, ("alpaca", "dead"): 1}
    assert found.partitions == (
        PartitionFacts(owned=False, backlog=3, announced=0, documents=0, dead=1),
        PartitionFacts(owned=True, backlog=3, announced=1, documents=0, dead=0),
    )
    text = samples(GatewayMetrics().text(found))
    assert text['flowtape_prints_total{feed="alpaca",outcome="indexed"}'] == 10
    assert text['flowtape_indexer_owned{partition="1"}'] == 1
    assert text["flowtape_redis_up"] == 1


def test_an_empty_redis_has_facts_too(settings: Settings) -> None:
    assert facts(settings).partitions == (PartitionFacts(False, 0, 0, 0, 0),)


def test_without_redis_there_is_an_answer_that_says_so() -> None:
    nobody = redis.asyncio.Redis.from_url("redis://127.0.0.1:1", protocol=3)
    found = facts(Settings(), nobody)
    assert not found.up
    text = samples(GatewayMetrics().text(found))
    assert text["flowtape_redis_up"] == 0
    assert "flowtape_redis_memory_bytes" not in text
    assert "flowtape_sessions" in {name.partition("{")[0] for name in text}


def test_a_redis_that_hangs_is_given_up(settings: Settings, client: redis.Redis) -> None:
    process = int(client.info("server")["process_id"])
    os.kill(process, signal.SIGSTOP)
    try:
        found = facts(settings)
    finally:
        os.kill(process, signal.SIGCONT)
    assert not found.up
    assert found.seconds >= READ_S


def test_a_real_gateway_counts_what_it_sends_from_print_to_socket(
    settings: Settings, client: redis.Redis
) -> None:
    async def scenario() -> None:
        async with (
            gateway(settings) as running,
            httpx.AsyncClient(base_url=f"http://{running.address}") as http,
        ):
            async with running.client("premium") as watcher, running.client("pro") as poller:
                for peer in (watcher, poller):
                    assert isinstance(await peer.subscribe("mine", "SPY"), Snapshot)
                now_ms = time.time_ns() // 1_000_000
                append(client, [a_print(n, received=now_ms) for n in (1, 2, 3)])
                await asyncio.to_thread(index, client, settings)
                seen: set[str] = set()
                while seen != {"t_1", "t_2", "t_3"}:
                    seen |= set(ids((await watcher.expect(Batch)).rows))
                await poller.expect(Batch)
                inside = await settled(http, sessions=2)
            outside = await settled(http, sessions=0)
        assert inside['flowtape_sessions{tier="premium"}'] == inside['flowtape_sessions{tier="pro"}'] == 1
        assert inside['flowtape_groups{delivery="push"}'] == inside['flowtape_groups{delivery="poll"}'] == 1
        assert inside["flowtape_subscriptions"] == 2
        assert inside['flowtape_messages_total{op="subscribe"}'] == 2
        assert inside['flowtape_query_seconds_count{kind="snapshot"}'] == 2
        assert inside['flowtape_query_seconds_count{kind="poll"}'] >= 1
        for way in ("print_to_index", "index_to_send", "print_to_send"):
            assert inside[f"flowtape_{way}_seconds_count"] == 3
        # A part takes no longer than the whole; the sums of whole milliseconds may differ by one each.
        assert (
            inside["flowtape_index_to_send_seconds_sum"]
            <= inside["flowtape_print_to_send_seconds_sum"] + 0.003
        )
        assert inside["flowtape_tape_trades_total"] == inside["flowtape_matches_total"] == 3
        assert inside["flowtape_sent_bytes_total"] > 6 * 50
        assert inside['flowtape_prints_total{feed="test",outcome="indexed"}'] == 3
        assert outside["flowtape_subscriptions"] == 0
        assert sum(value for name, value in outside.items() if name.startswith("flowtape_closes_total")) == 2

    async def settled(http: httpx.AsyncClient, sessions: int) -> dict[str, float]:
        """The metrics once six rows are counted, three for each client."""
        while True:
            found = samples((await http.get("/metrics")).content)
            open_now = sum(value for name, value in found.items() if name.startswith("flowtape_sessions{"))
            if found["flowtape_rows_sent_total"] == 6 and open_now == sessions:
                return found
            await asyncio.sleep(0.05)

    ensure_index(client, settings.partitions)
    run(scenario())


def table() -> list[str]:
    """Rows of the page's table, from the registry."""
    filled = RedisFacts(True, 0, partitions=(PartitionFacts(True, 0, 0, 0, 0),))
    filled.outcomes["simulator", "indexed"] = 1
    families = [*GatewayMetrics().registry.collect(), *filled.collect()]
    rows = []
    for family in families:
        name = f"{family.name}_total" if family.type == "counter" else family.name
        labels = sorted({label for sample in family.samples for label in sample.labels} - {"le"})
        rows.append(f"| `{name}` | {family.type} | {', '.join(labels)} | {family.documentation} |")
    return rows


def test_the_page_lists_every_metric_and_no_other() -> None:
    listed = re.findall(r"^\| `flowtape_.*$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(listed) == sorted(table()), "the table should be\n" + "\n".join(table())


def test_every_metric_in_an_alert_of_the_page_exists() -> None:
    facts = RedisFacts(True, 0, partitions=(PartitionFacts(True, 0, 0, 0, 0),))
    facts.outcomes["simulator", "dead"] = 1
    existing = {
        sample.name
        for family in [*GatewayMetrics().registry.collect(), *facts.collect()]
        for sample in family.samples
    }
    alerts = re.findall(r"^ +expr: (.*)$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert alerts
    for expression in alerts:
        named = set(re.findall(r"flowtape_\w+", expression))
        assert named
        assert named <= existing


def test_every_name_says_its_unit() -> None:
    for family in GatewayMetrics().registry.collect():
        assert family.name.startswith("flowtape_")
        assert not re.search(r"_(ms|us|ns|kb|mb|minutes|percent)$", family.name)
