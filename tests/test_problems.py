"""Errors become problem documents: the status, the words a client may act on, and nothing of the inside."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
import redis
from starlette.exceptions import HTTPException

from schemas import errors
from schemas.errors import (
    AccessError,
    ChannelError,
    FilterError,
    FlowtapeError,
    MessageError,
    PositionError,
    RateError,
    RedisSetupError,
    SearchError,
    SearchRequestError,
)
from schemas.filter_text import parse_filter
from web.problems import HANDLERS, MEDIA_TYPE, problem_of

CASES = [
    (FilterError("premium: 'x' is no number.", field="premium", position=3), 400, "filter"),
    (SearchRequestError("limit is 0.", parameter="limit"), 400, "parameter"),
    (MessageError("The body is no JSON."), 400, "request"),
    (PositionError("No position."), 400, "request"),
    (AccessError("The request has no token."), 401, "access"),
    (AccessError("The key set does not answer.", temporary=True), 503, "access"),
    (RateError("More than 120 a minute.", retry_s=1), 429, "rate"),
    (ChannelError("x", code="bad_name"), 400, "bad_name"),
    (ChannelError("x", code="unknown_channel"), 404, "unknown_channel"),
    (ChannelError("x", code="no_channels"), 403, "no_channels"),
    (ChannelError("x", code="name_taken"), 409, "name_taken"),
    (ChannelError("x", code="channel_limit"), 409, "channel_limit"),
    (ChannelError("x", code="unreadable_channel"), 409, "unreadable_channel"),
    (ChannelError("x", code="channel_changed"), 412, "channel_changed"),
    (ChannelError("x", code="busy"), 503, "busy"),
    (SearchError("The search did not end within 2000 ms."), 503, "search"),
    (RedisSetupError("There is no index."), 503, "source"),
    (redis.ConnectionError("Error 111 connecting to 10.0.0.7:6379."), 503, "source"),
    (redis.TimeoutError("Timeout reading from 10.0.0.7:6379"), 503, "source"),
    (redis.BusyLoadingError("LOADING"), 503, "source"),
    (HTTPException(404), 404, "request"),
    (HTTPException(405, headers={"Allow": "GET"}), 405, "request"),
    (HTTPException(415, "Expected application/json."), 415, "request"),
    (ValueError("/secret/path"), 500, "internal"),
    (FlowtapeError("a fault of the program"), 500, "internal"),
]


@pytest.mark.parametrize(("error", "status", "code"), CASES, ids=lambda value: str(value)[:40])
def test_each_error_has_its_status_and_type(error: Exception, status: int, code: str) -> None:
    response = problem_of(error).response()
    body: dict[str, Any] = msgspec.json.decode(response.body)
    assert response.status_code == body["status"] == status
    assert response.headers["content-type"] == MEDIA_TYPE
    assert response.headers["cache-control"] == "no-store"
    assert body["type"] == f"urn:flowtape:problem:{code}"
    assert body["title"]
    assert body["detail"]
    assert ("retry-after" in response.headers) == (status in (429, 503))


@pytest.mark.parametrize("error", [CASES[n][0] for n in (16, 17, 18, 23, 24)], ids=str)
def test_what_is_inside_stays_inside(error: Exception) -> None:
    assert str(error) not in problem_of(error).detail


def test_a_wrong_filter_says_where() -> None:
    with pytest.raises(FilterError) as caught:
        parse_filter("SPY premium>=x")
    body = problem_of(caught.value).document()
    assert body["field"] == "premium"
    assert (body["position"], body["length"]) == (4, len("premium>=x"))
    json_problem = problem_of(FilterError("x", field="flags")).document()
    assert json_problem["field"] == "flags"
    assert "position" not in json_problem


def test_the_example_of_the_docs_is_what_is_answered() -> None:
    page = (Path(__file__).parents[1] / "docs" / "http.md").read_text(encoding="utf-8")
    shown = next(block for block in re.findall(r"```json\n(.*?)```", page, re.DOTALL) if '"type"' in block)
    with pytest.raises(FilterError) as caught:
        parse_filter("SPY premium>=x")
    assert problem_of(caught.value).document() == msgspec.json.decode(shown)


def test_no_token_is_answered_with_the_scheme_and_an_expired_one_says_so() -> None:
    problem = problem_of(AccessError("The token has expired.", expired=True))
    assert problem.headers["WWW-Authenticate"] == 'Bearer realm="flowtape"'
    assert problem.document()["expired"] is True
    assert "expired" not in problem_of(AccessError("No token.")).document()


def test_headers_of_the_router_are_kept() -> None:
    assert problem_of(HTTPException(405, headers={"Allow": "GET"})).response().headers["allow"] == "GET"


def test_every_code_of_a_channel_error_has_a_status_of_its_own() -> None:
    from web.problems import _CHANNELS

    documented = ChannelError.__doc__ or ""
    for code in _CHANNELS:
        assert f"`{code}`" in documented
    assert documented.count("`") // 2 == len(_CHANNELS) + 1


def test_errors_that_only_a_fault_of_ours_can_raise_reach_the_log() -> None:
    answered = {kind for kind in HANDLERS if kind is not Exception}
    tree = {each for each in vars(errors).values() if isinstance(each, type)}
    silent = {each for each in tree if any(issubclass(each, kind) for kind in answered)}
    assert {each.__name__ for each in tree - silent} >= {"FlowtapeError", "SettingsError", "NotOwnerError"}
