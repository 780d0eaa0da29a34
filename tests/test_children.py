"""The processes of `up`: started again with pauses, given up in the end, and never left behind."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from engine.processes.children import FINAL_STATUSES, RESTART_LONGEST_S, RESTARTS, STABLE_S, Child, Children
from engine.settings import Settings
from schemas.errors import FeedRefusedError, FlowtapeError, SettingsError
from tests.processes import GUARD_S, hang, runs, until

PROJECT = Path(__file__).parent.parent


@pytest.fixture(autouse=True)
def in_the_project(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(PROJECT)


def an_indexer(settings: Settings, *arguments: str) -> Child:
    assert settings.redis_url is not None
    return Child("indexer", ["index", *arguments], {"FLOWTAPE_REDIS_URL": settings.redis_url})


def test_a_child_that_keeps_ending_is_given_up_with_its_own_reason(settings: Settings) -> None:
    child = an_indexer(settings, "--partition", "99")
    now = 0.0
    pauses: list[float] = []
    child.start(now)
    for _ in range(RESTARTS):
        assert child.wait(GUARD_S)
        note = child.poll(now)
        assert note is not None
        assert "There is no partition 99" in note
        pauses.append(float(note.split()[-2]))
        assert child.poll(now + pauses[-1] - 0.01) is None
        now += pauses[-1]
        assert child.poll(now) == "indexer was started again"
    assert child.wait(GUARD_S)
    with pytest.raises(FlowtapeError, match=r"ended 6 times in a row.*There is no partition 99"):
        child.poll(now)
    assert pauses == sorted(pauses)
    assert pauses[0] < pauses[-1] <= RESTART_LONGEST_S


def test_a_child_that_lived_long_begins_to_count_anew(settings: Settings) -> None:
    child = an_indexer(settings, "--partition", "99")
    child.start(0.0)
    assert child.wait(GUARD_S)
    child.deaths = RESTARTS
    note = child.poll(STABLE_S)
    assert note is not None
    assert note.endswith("next start in 0.5 s")


def test_wrong_settings_and_refused_keys_are_not_tried_again(settings: Settings) -> None:
    assert {SettingsError.exit_status, FeedRefusedError.exit_status} == FINAL_STATUSES
    child = Child("feed", ["up", "--feed", "nonesuch"], {})
    child.start(0.0)
    assert child.wait(GUARD_S)
    with pytest.raises(FlowtapeError, match="There is no feed named 'nonesuch'") as raised:
        child.poll(0.0)
    assert raised.value.exit_status == SettingsError.exit_status


def test_children_are_stopped_in_the_opposite_order_and_a_hanging_one_is_killed(settings: Settings) -> None:
    first, second = an_indexer(settings, "--name", "first"), an_indexer(settings, "--name", "second")
    both = Children([first, second])
    both.start(0.0)
    pids = [first.pid, second.pid]
    assert first.pid is not None
    assert second.pid is not None
    hang(second.pid)
    both.wish.hurry = True
    assert both.stop()[:1] == ["indexer"]
    assert (first.pid, second.pid) == (None, None)
    assert not any(runs(pid) for pid in pids if pid)


def test_no_child_outlives_its_starter(settings: Settings) -> None:
    script = (
        "import sys, time; from engine.processes.children import Child\n"
        f"child = Child('indexer', ['index'], {{'FLOWTAPE_REDIS_URL': {settings.redis_url!r}}})\n"
        "child.start(0.0); print(child.pid, flush=True); time.sleep(600)"
    )
    starter = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE)
    assert starter.stdout is not None
    with starter.stdout:
        pid = int(starter.stdout.readline())
    assert runs(pid)
    starter.kill()
    starter.wait()
    until(lambda: not runs(pid), "the end of the orphan")
