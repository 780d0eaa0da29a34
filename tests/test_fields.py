"""Fields of vendors' JSON messages: what is read, and what is refused by name."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.feeds import fields
from schemas.errors import DecodeError

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=50),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
READERS = [
    fields.text, fields.number, fields.dollars, fields.maybe_number, fields.maybe_dollars, fields.whole,
    fields.maybe_whole, fields.size, fields.unix_ms, fields.flag,
]  # fmt: skip


@pytest.mark.parametrize(
    ("value", "number"),
    [("282.09", 282.09), (282.09, 282.09), (3, 3.0), ("-0.5", -0.5), ("1e3", 1000.0), ("0", 0.0)],
)
def test_a_number_is_read_as_such_or_as_a_text(value: object, number: float) -> None:
    assert fields.number({"price": value}, "price") == number


@pytest.mark.parametrize(
    "value",
    ["", "abc", "nan", "inf", "1e999", "1_000", None, True, [1], {}, math.nan, math.inf, 10**400, "9" * 41],
)
def test_what_is_no_finite_number_is_refused_by_name(value: object) -> None:
    with pytest.raises(DecodeError, match="price"):
        fields.number({"price": value}, "price")


@pytest.mark.parametrize(("value", "whole"), [("100", 100), (100, 100), (100.0, 100), ("0", 0)])
def test_a_whole_number_is_read_as_such_or_as_a_text(value: object, whole: int) -> None:
    assert fields.whole({"size": value}, "size") == whole


@pytest.mark.parametrize(
    "value",
    ["1.5", 1.5, "", "-", "--1", "٣", "1_0", " 1", None, True, -1, 2**31, "9" * 30, math.inf, math.nan, []],
)
def test_what_is_no_whole_number_in_range_is_refused_by_name(value: object) -> None:
    with pytest.raises(DecodeError, match="size"):
        fields.whole({"size": value}, "size")


def test_a_missing_field_is_named_as_missing_and_a_wrong_one_with_what_it_held() -> None:
    with pytest.raises(DecodeError, match="The field price is missing"):
        fields.dollars({}, "price")
    with pytest.raises(DecodeError, match="The field price is 'x'"):
        fields.dollars({"price": "x"}, "price")


@pytest.mark.parametrize("empty", [{}, {"bid": None}, {"bid": ""}])
def test_an_optional_field_may_be_missing_null_or_empty(empty: dict[str, Any]) -> None:
    assert fields.maybe_dollars(empty, "bid") is fields.maybe_number(empty, "bid") is None
    assert fields.maybe_whole(empty, "bid") is None


def test_a_size_is_one_or_more_and_a_time_is_within_this_century() -> None:
    with pytest.raises(DecodeError):
        fields.size({"size": 0})
    with pytest.raises(DecodeError):
        fields.unix_ms({"t": fields.LATEST_MS + 1}, "t")
    assert fields.unix_ms({"t": "1757000000000"}, "t") == 1_757_000_000_000


@pytest.mark.parametrize(
    ("value", "true"), [(True, True), ("true", True), ("TRUE", True), (False, False), ("", False), (1, False)]
)
def test_a_flag_is_true_by_its_word_only(value: object, true: bool) -> None:
    assert fields.flag({"cancel": value}, "cancel") is true
    assert fields.flag({}, "cancel") is False


@given(JSON)
def test_no_value_makes_a_reader_fail_otherwise(value: Any) -> None:
    for read in READERS:
        try:
            read({"x": value}, "x")
        except DecodeError as error:
            assert len(str(error)) < 300  # noqa: PT017


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_float_written_as_json_text_is_read_back_exactly(value: float) -> None:
    assert fields.number({"x": json.dumps(value)}, "x") == value
