"""Replay: order, pace and moved times as plain functions; files whole through the command on a real Redis."""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st

from engine.commands.replay import parse_rebase, parse_speed
from engine.publish import Policy, Publisher
from engine.replay.account import Account, acknowledged
from engine.replay.player import Pass, Rebase, Rows, first_print, wait_s
from engine.settings import Settings
from engine.store.connect import connect_async
from schemas import keys
from schemas.errors import FlowtapeError, SettingsError
from schemas.print import Print, Reference
from tests.indexing import NOON, a_print, append, trades
from tests.recordings import CAPTURES, ROOT, replayed, run_replay

times = st.integers(0, 10**13)


@given(times, times, st.floats(0, 1e9), st.floats(0, 1e6), st.floats(0.01, 1e4))
def test_an_event_is_due_when_its_share_of_the_time_has_passed(
    first: int, ts: int, started: float, passed: float, speed: float
) -> None:
    wait = wait_s(ts, first, started, started + passed, speed)
    assert wait >= 0
    due_after = (ts - first) / 1000 / speed
    assert wait == pytest.approx(max(0.0, due_after - passed), abs=1e-3, rel=1e-6)
    assert wait_s(ts, first, started, started + passed, None) == 0


@given(st.lists(times, min_size=1, max_size=30).map(sorted), st.floats(0.5, 100))
def test_sleeping_what_is_asked_for_publishes_each_event_when_it_is_due(ts: list[int], speed: float) -> None:
    now = 1_000.0
    for moment in ts:
        now += wait_s(moment, ts[0], 1_000.0, now, speed)
        assert now == pytest.approx(1_000.0 + (moment - ts[0]) / 1000 / speed)


@given(st.integers(10**11, 10**13), st.integers(0, 10**8), st.integers(10**12, 10**13))
def test_moving_keeps_distances_and_gives_ids_of_their_own(first: int, later: int, instant: int) -> None:
    moved = Rebase(first, instant)
    one, two = moved.move(a_print(1, ts=first)), moved.move(a_print(2, ts=first + later))
    assert isinstance(one, Print)
    assert isinstance(two, Print)
    assert (one.ts, two.ts) == (instant, instant + later)
    assert one.symbol == a_print(1).symbol
    again = Rebase(first, instant + 1).move(a_print(1, ts=first))
    assert isinstance(again, Print)
    assert len({one.id, two.id, again.id, "t_1"}) == 4
    assert all(found.id.replace("_", "a").isalnum() for found in (one, two, again))


def test_open_interest_moves_to_the_day_of_the_moved_prints() -> None:
    moved = Rebase(first=1_402_061_400_000, instant=NOON)
    reference = Reference("lean", "AAPL140606C00645000", 20_140_606, 5)
    assert moved.move(reference) == Reference("lean", "AAPL140606C00645000", 20_261_121, 5)


def test_the_first_print_is_found_behind_reference_data() -> None:
    assert first_print([Reference("lean", "AAPL140606C00645000", 20_140_606, 5), a_print(ts=7)]) == 7
    assert first_print([]) is None


@pytest.mark.parametrize(
    ("text", "factor"), [("max", None), ("MAX", None), ("1", 1.0), ("0.5", 0.5), ("60", 60.0)]
)
def test_speed_is_a_factor_or_max(text: str, factor: float | None) -> None:
    assert parse_speed(text) == factor


@pytest.mark.parametrize("text", ["0", "-1", "fast", "nan", "inf", ""])
def test_what_is_no_speed_is_refused_with_its_value(text: str) -> None:
    with pytest.raises(SettingsError, match="--speed"):
        parse_speed(text)


def test_the_only_rebase_is_now() -> None:
    assert parse_rebase("now")
    assert not parse_rebase(None)
    with pytest.raises(SettingsError, match="yesterday"):
        parse_rebase("yesterday")


def test_a_pass_hands_events_over_in_order_and_stops_when_told(
    settings: Settings, client: redis.Redis
) -> None:
    async def run() -> None:
        stopping = asyncio.Event()
        handed: list[int] = []

        def on_published(events: int) -> None:
            handed.append(events)
            stopping.set()

        async with (
            connect_async(settings) as connection,
            Publisher(connection, settings, Policy.WAIT) as publisher,
        ):
            # The second print is due in an hour: the first is published before that wait, which stopping ends.
            events = [a_print(1, ts=NOON), a_print(2, ts=NOON + 3_600_000)]
            await Pass(publisher, stopping, 1.0, asyncio.get_running_loop().time, on_published).run(
                events, None
            )
        assert handed == [1]

    asyncio.run(run())
    assert client.xlen(keys.prints(0)) == 1


def test_waiting_ends_when_all_is_acknowledged_and_fails_where_nothing_is(
    settings: Settings, client: redis.Redis
) -> None:
    append(client, [a_print(1), a_print(2)])

    async def wait(stopped: bool = False) -> tuple[bool, list[int]]:
        left: list[int] = []
        stopping = asyncio.Event()
        if stopped:
            stopping.set()
        async with connect_async(settings) as connection:
            return await acknowledged(connection, settings, stopping, left.append, stall_s=0.0), left

    with pytest.raises(FlowtapeError, match="2 prints are left"):
        asyncio.run(wait())
    assert asyncio.run(wait(stopped=True)) == (False, [2])
    client.xgroup_create(keys.prints(0), keys.INDEXER_GROUP, id="0")
    client.xreadgroup(keys.INDEXER_GROUP, "one", {keys.prints(0): ">"})
    assert asyncio.run(wait(stopped=True)) == (False, [2])
    pending: Any = client.xpending_range(keys.prints(0), keys.INDEXER_GROUP, "-", "+", 10)
    client.xack(keys.prints(0), keys.INDEXER_GROUP, *[entry["message_id"] for entry in pending])
    assert asyncio.run(wait()) == (True, [0])


def test_an_account_that_does_not_add_up_says_what_is_missing() -> None:
    rows = Rows(prints=10, skipped=Counter(header=1))
    outcomes = Counter(indexed=6, duplicates=1)
    account = Account("f.csv", "cboe", rows, expected=12, passes=1, published=9, outcomes=outcomes)
    assert account.faults == [
        "The file has 12 rows, but 11 were read.",
        "10 prints were to be published, but 9 were.",
        "2 of 9 prints are unaccounted for: look at `flowtape doctor`.",
    ]
    assert "Every row is accounted for." not in account.as_text()
    account = Account("f.csv", "cboe", rows, 11, 1, 10, outcomes=Counter(indexed=9, dead=1, cancels=2))
    assert account.faults == []
    assert account.surplus == 2
    assert "Every row is accounted for." in account.as_text()


def test_rejects_are_counted_by_reason_within_a_bound() -> None:
    rows = Rows()
    for number in range(1_000):
        rows.count_reject(f"reason {number}")
    assert rows.total == 1_000
    assert len(rows.rejects) == 21


def test_rows_that_cannot_be_read_are_in_the_account_and_on_the_dead_stream(
    settings: Settings, client: redis.Redis
) -> None:
    account = replayed(settings, CAPTURES / "cboe" / "trades.csv")
    assert (account["rows"], account["prints"], sum(account["rejected"].values())) == (13, 6, 5)
    assert account["skipped"] == {"header": 1, "blank line": 1}
    dead: Any = client.xrange(keys.dead(0))
    assert [fields[b"reason"].decode() for _, fields in dead] == list(account["rejected"])
    assert all(fields[b"feed"] == b"cboe" for _, fields in dead)


def test_the_account_adds_up_over_several_partitions(settings: Settings, client: redis.Redis) -> None:
    # SPX and AMD are in different ones of seven.
    account = replayed(settings, CAPTURES / "cboe" / "trades.csv", FLOWTAPE_PARTITIONS="7")
    held = [len(trades(client, p)) for p in range(7)]
    assert sorted(held)[-3:] == [0, 1, 5]
    assert account["outcomes"]["indexed"] + account["outcomes"]["cancels"] == account["prints"] == 6


def test_moved_to_now_the_same_command_gives_new_trades_each_time(
    settings: Settings, client: redis.Redis
) -> None:
    recording = CAPTURES / "unusual_whales" / "recording.txt"
    for expected in (3, 6):
        account = replayed(settings, recording, "--rebase", "now")
        assert account["outcomes"]["indexed"] == 3
        assert len(trades(client)) == expected
    newest = max(found.ts for found in trades(client).values())
    seconds, micros = client.time()
    assert abs(seconds * 1000 + micros // 1000 - newest) < 120_000


def test_a_file_cut_in_the_middle_is_replayed_as_far_as_it_goes_and_ends_with_status_1(
    settings: Settings, client: redis.Redis, tmp_path: Path
) -> None:
    lines = (CAPTURES / "massive_flat" / "trades.csv").read_text().splitlines()
    row = lines[1].replace("1781278205123456789", "{}")
    text = "\n".join([lines[0], *(row.format(1781278205123456789 + i * 7919**2) for i in range(20_000))])
    path = tmp_path / "cut.csv.gz"
    path.write_bytes(gzip.compress(text.encode())[:20_000])
    done = run_replay(settings, path, "--json")
    assert done.returncode == 1
    assert done.stderr.count("flowtape:") == 1
    assert "in the middle of its gzip stream" in done.stderr
    account = json.loads(done.stdout)
    assert account["outcomes"]["indexed"] == account["prints"] == len(trades(client)) > 100


def test_without_an_indexer_of_its_own_it_publishes_and_does_not_wait(
    settings: Settings, client: redis.Redis
) -> None:
    account = replayed(settings, CAPTURES / "unusual_whales" / "recording.txt", "--no-index")
    assert (account["published"], account["outcomes"]) == (3, None)
    assert client.xlen(keys.prints(0)) == 3
    assert trades(client) == {}


def test_a_loop_runs_until_it_is_told_to_stop_and_then_accounts_for_all(
    settings: Settings, client: redis.Redis
) -> None:
    assert settings.redis_url is not None
    process = subprocess.Popen(
        [
            sys.executable, "-m", "engine.cli", "replay", str(CAPTURES / "unusual_whales" / "recording.txt"),
            "--loop", "--rebase", "now", "--speed", "10", "--json",
        ],
        cwd=ROOT, env={**os.environ, "FLOWTAPE_REDIS_URL": settings.redis_url},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    seen, last = 0, "0-0"
    while seen < 10:
        for _, entries in _read(client, last):
            seen, last = seen + len(entries), entries[-1][0]
    process.send_signal(signal.SIGTERM)
    out, error = process.communicate(timeout=120)
    assert process.returncode == 0, error
    account = json.loads(out)
    assert account["interrupted"]
    assert account["passes"] > 2
    assert account["published"] == account["outcomes"]["indexed"] == len(trades(client)) >= 10
    assert client.get(keys.owner(0)) is None


def _read(client: redis.Redis, last: Any) -> list[tuple[Any, list[Any]]]:
    found: Any = client.xread({keys.tape(0): last}, block=20_000)
    assert found, "nothing came for 20 s"
    pairs = found.items() if isinstance(found, dict) else found
    return [(name, entries[0] if isinstance(found, dict) else entries) for name, entries in pairs]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["none.csv"], "There is no file none.csv"),
        (["."], "is a folder"),
        (["pyproject.toml"], "The format of pyproject.toml is not known. Name it with --format"),
        (["pyproject.toml", "--format", "cbo"], "Did you mean cboe?"),
        (["pyproject.toml", "--format", "cboe"], "no Cboe DataShop Option Trades file"),
        (["pyproject.toml", "--format", "databento"], "is no DBN file"),
        (["pyproject.toml", "--format", "lean"], "is not the name of a Lean option file"),
        (["pyproject.toml", "--format", "unusual-whales"], "no line that is a frame"),
        (["pyproject.toml", "--format", "massive-flat"], "no Massive option trade file"),
        (["pyproject.toml", "--speed", "0"], "--speed '0' is no speed"),
        (["pyproject.toml", "--rebase", "then"], "The only value is now."),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_cannot_be_replayed_is_one_sentence(settings: Settings, words: list[str], sentence: str) -> None:
    done = run_replay(settings, *words)
    assert done.returncode in (1, 2)
    assert done.stdout == ""
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_an_empty_file_is_one_sentence(settings: Settings, tmp_path: Path) -> None:
    empty = tmp_path / "empty.csv"
    empty.write_bytes(b"")
    for words in ([empty], [empty, "--format", "cboe"], [empty, "--format", "databento"]):
        done = run_replay(settings, *words)
        assert done.returncode == 1
        assert "is empty" in done.stderr
