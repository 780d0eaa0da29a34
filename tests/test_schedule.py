"""The schedule: groups come out when they are due, each once, and not when nobody is left in them."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from engine.gateway.schedule import Schedule
from engine.gateway.subscription import Group
from schemas.filter import Filter
from schemas.stream_position import START, StreamPosition
from schemas.tier import TIERS


def a_group(next_at: float) -> Group:
    """A group with one member."""
    group = Group(Filter(), TIERS["premium"], StreamPosition("e", (START,)), 0.0)
    member: Any = object()
    group.members[member] = None
    group.next_at = next_at
    return group


def test_a_group_is_due_once_its_time_has_come() -> None:
    schedule, group = Schedule(), a_group(5.0)
    assert schedule.next_at is None
    schedule.put(group)
    schedule.put(group)
    assert schedule.next_at == 5.0
    assert list(schedule.due(4.9)) == []
    assert list(schedule.due(5.0)) == [group]
    assert list(schedule.due(9.0)) == []
    assert schedule.next_at is None
    schedule.put(group)
    assert list(schedule.due(9.0)) == [group]


def test_a_group_without_members_is_forgotten() -> None:
    schedule, group = Schedule(), a_group(5.0)
    schedule.put(group)
    group.members.clear()
    assert list(schedule.due(9.0)) == []
    assert schedule.next_at is None


@given(st.lists(st.floats(0, 100), max_size=50), st.lists(st.floats(0, 100), max_size=10))
def test_groups_come_in_the_order_of_their_times(times: list[float], looks: list[float]) -> None:
    schedule = Schedule()
    groups = [a_group(at) for at in times]
    for group in groups:
        schedule.put(group)
    out: list[Group] = []
    for now in [*sorted(looks), 100.0]:
        due = list(schedule.due(now))
        assert all(group.next_at <= now for group in due)
        out += due
        assert all(group.next_at > now for group in groups if group not in out)
    assert [group.next_at for group in out] == sorted(times)
