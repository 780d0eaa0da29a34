"""Overload: after how many late observations intervals stretch, after how many calm ones they shrink again."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.gateway.overload import BEHIND_S, CALM_S, DOWN_AFTER, STEPS, UP_AFTER, Overload, Step


def observed(overload: Overload, late_s: float, times: int) -> list[int]:
    """The levels at which the step changed."""
    return [overload.level for _ in range(times) if overload.observe(late_s)]


def test_the_first_step_leaves_the_intervals_as_they_are_and_each_further_one_is_longer() -> None:
    assert STEPS[0] == Step(1, 1)
    for before, after in pairwise(STEPS):
        assert after.push > before.push
        assert after.poll > before.poll


def test_it_goes_up_a_step_after_so_many_late_observations_in_a_row() -> None:
    overload = Overload()
    assert observed(overload, BEHIND_S, UP_AFTER - 1) == []
    assert overload.step == STEPS[0]
    assert observed(overload, BEHIND_S, 1) == [1]
    assert overload.step == STEPS[1]
    assert observed(overload, BEHIND_S, UP_AFTER) == [2]


@pytest.mark.parametrize("between", [0.0, CALM_S, (CALM_S + BEHIND_S) / 2])
def test_one_observation_in_time_begins_the_count_of_late_ones_anew(between: float) -> None:
    overload = Overload()
    for _ in range(3):
        assert observed(overload, 1.0, UP_AFTER - 1) == []
        assert observed(overload, between, 1) == []
    assert overload.level == 0


def test_it_goes_no_further_than_the_last_step() -> None:
    overload = Overload()
    assert observed(overload, 9.0, 10 * UP_AFTER) == [1, 2, 3]
    assert overload.step == STEPS[-1]


def test_it_goes_down_a_step_after_so_many_calm_observations_in_a_row() -> None:
    overload = Overload()
    observed(overload, 1.0, 2 * UP_AFTER)
    assert observed(overload, 0.0, DOWN_AFTER - 1) == []
    # Neither late nor calm: it stays where it is, and calm is counted from the beginning.
    assert observed(overload, CALM_S, 100) == []
    assert observed(overload, 0.0, DOWN_AFTER) == [1]
    assert observed(overload, 0.0, 3 * DOWN_AFTER) == [0]


@given(st.lists(st.floats(0, 1), max_size=400))
def test_the_level_moves_by_one_and_stays_within_the_steps(lateness: list[float]) -> None:
    overload = Overload()
    for late_s in lateness:
        before = overload.level
        changed = overload.observe(late_s)
        assert abs(overload.level - before) == int(changed)
        assert 0 <= overload.level < len(STEPS)
