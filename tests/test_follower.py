"""The client's half of the protocol without sockets: what a new connection says, and what each message means."""

from __future__ import annotations

import pytest

from engine.client.events import Reconnected
from engine.client.follower import Answer, Follower
from schemas.errors import StreamError
from schemas.messages import Error, ErrorCode, Heartbeat, History, Page, Pong, Subscribe
from tests.stream_server import WELCOME, batch, snapshot


@pytest.fixture
def follower() -> Follower:
    """One that is let in and has the subscription `a` with a snapshot."""
    follower = Follower()
    follower.subscribe(Subscribe("a", "SPY"))
    follower.receive(WELCOME)
    follower.receive(snapshot("a", 1, pos="p1_0", before="c1"))
    return follower


def test_a_reconnection_is_told_once_and_by_what_it_brought(follower: Follower) -> None:
    follower.lost()
    first, second = batch("a", 2, pos="p1_1"), batch("a", 3, pos="p1_2")
    assert follower.receive(first) == [("a", Reconnected(recovered=True)), ("a", first)]
    assert follower.receive(second) == [("a", second)]
    follower.lost()
    anew = snapshot("a", 4, pos="p1_3")
    assert follower.receive(anew) == [("a", Reconnected(recovered=False)), ("a", anew)]


def test_a_new_connection_says_what_is_still_wanted_and_from_where(follower: Follower) -> None:
    follower.subscribe(Subscribe("b", channel="mine", snapshot=5))
    follower.receive(batch("a", pos="p1_7"))
    question = follower.older("a", 10, None)
    follower.lost()
    assert follower.opening() == [
        Subscribe("a", "SPY", since="p1_7"),
        question,
        Subscribe("b", channel="mine", snapshot=5),
    ]
    assert follower.unsubscribe("a")
    assert not follower.unsubscribe("a")
    assert follower.opening() == [Subscribe("b", channel="mine", snapshot=5)]


@pytest.mark.parametrize(
    "code", [ErrorCode.CHANNEL_DELETED, ErrorCode.BAD_FILTER, ErrorCode.SUBSCRIPTION_LIMIT]
)
def test_what_an_error_ended_is_not_asked_for_again_and_its_name_is_free(
    follower: Follower, code: ErrorCode
) -> None:
    error = Error(code, "It is over.", "a")
    assert follower.receive(error) == [("a", error)]
    assert follower.opening() == []
    assert follower.receive(batch("a", pos="p1_1")) == []
    follower.subscribe(Subscribe("a", "QQQ"))


def test_other_errors_end_nothing_and_one_without_a_name_is_for_all(follower: Follower) -> None:
    follower.subscribe(Subscribe("b", "QQQ"))
    away = Error(ErrorCode.SOURCE_UNAVAILABLE, "Redis does not answer.")
    assert follower.receive(away) == [("a", away), ("b", away)]
    failed = Error(ErrorCode.SEARCH_FAILED, "It took too long.", "b")
    assert follower.receive(failed) == [("b", failed)]
    assert len(follower.opening()) == 2


def test_a_question_is_answered_by_a_page_or_an_error_and_asked_one_at_a_time(follower: Follower) -> None:
    assert follower.older("a", 10, None) == History("a", "c1", 10)
    with pytest.raises(StreamError, match="waits for older rows already"):
        follower.older("a", 10, None)
    page = Page("a", [], "c2", True)
    assert follower.receive(page) == [("a", Answer(page))]
    assert follower.receive(page) == []
    assert follower.older("a", 10, None) == History("a", "c2", 10)
    error = Error(ErrorCode.PAGE_FAILED, "Not in time.", "a")
    assert follower.receive(error) == [("a", Answer(error))]
    with pytest.raises(StreamError, match="no subscription"):
        follower.older("z", 10, None)


def test_a_question_that_was_given_up_is_answered_into_the_void_on_its_own_connection_only(
    follower: Follower,
) -> None:
    page = Page("a", [], None, False)
    follower.older("a", 10, None)
    follower.forget("a")
    follower.lost()
    follower.older("a", 10, "c5")
    assert follower.receive(page) == [("a", Answer(page))]


def test_heartbeats_tell_the_lag_and_what_is_for_nobody_is_passed_over(follower: Follower) -> None:
    for message in (Heartbeat(1, 70), Pong(1), batch("z", pos="p"), Page("z", [], None, False)):
        assert follower.receive(message) == []
    assert follower.receive(Error(ErrorCode.UNKNOWN_SUB, "What?", "z")) == []
    assert follower.lag_ms == 70


def test_one_name_is_one_subscription(follower: Follower) -> None:
    with pytest.raises(StreamError, match="already"):
        follower.subscribe(Subscribe("a", "QQQ"))
