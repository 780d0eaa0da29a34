"""How numbers and times are written for people."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.terminal import format as write
from schemas.flags import Flag
from schemas.trade import Side


@pytest.mark.parametrize(
    ("dollars", "text"),
    [
        (0, "$0"),
        (920.4, "$920"),
        (999.6, "$1.00K"),
        (8_430, "$8.43K"),
        (84_321, "$84.3K"),
        (99_960, "$100K"),
        (999_960, "$1.00M"),
        (1_250_000, "$1.25M"),
        (-1_250_000, "-$1.25M"),
        (12_345_678_900, "$12.3B"),
    ],
)
def test_money_has_three_digits_that_count(dollars: float, text: str) -> None:
    assert write.money(dollars) == text


def test_prices_keep_their_cents_and_what_lies_below() -> None:
    assert [write.price(value) for value in (2.8, 2.845, 0.0, None)] == ["2.80", "2.845", "0.00", "-"]
    assert [write.strike(value) for value in (600.0, 12.5, 6_600.0, 24_810.0)] == [
        "600",
        "12.5",
        "6600",
        "24810",
    ]


def test_times_are_those_of_new_york_in_summer_and_winter() -> None:
    winter, summer = 1_795_010_400_123, 1_782_826_262_000
    assert write.clock(winter) == "09:00:00"
    assert write.clock(winter, millis=True) == "09:00:00.123"
    assert (write.zone(winter), write.zone(summer)) == ("EST", "EDT")
    assert write.day(winter) == "2026-11-18"


def test_percent_has_a_sign_and_expiry_the_traders_order() -> None:
    assert [write.percent(value) for value in (5.26, -0.04, None)] == ["+5.3%", "+0.0%", "-"]
    assert write.expiry(20261218) == "12/18/26"


def test_every_side_and_flag_has_a_mark_of_its_own() -> None:
    assert set(write.SIDE_MARKS) == set(Side)
    assert set(write.FLAG_MARKS) == set(Flag)
    assert len(set(write.FLAG_MARKS.values())) == len(Flag)


def test_flags_that_do_not_fit_are_left_out_whole() -> None:
    names = ("weekly", "sweep", "golden")
    assert write.flags(names) == "GOLDEN SWEEP W"
    assert write.flags(names, 12) == "GOLDEN SWEEP"
    assert write.flags(names, 11) == "GOLDEN"
    assert write.flags((), 11) == ""


@pytest.mark.parametrize(
    ("ms", "text"), [(-3, "0 ms"), (45, "45 ms"), (3_200, "3.2 s"), (240_000, "4 min"), (7.2e6, "2 h")]
)
def test_an_age_has_one_unit(ms: float, text: str) -> None:
    assert write.age(ms) == text


def test_the_page_on_up_explains_every_mark() -> None:
    page = (Path(__file__).parents[1] / "docs" / "up.md").read_text(encoding="utf-8")
    for flag, mark in write.FLAG_MARKS.items():
        assert f"| `{mark}` | {flag} |" in page
    for mark in set(write.SIDE_MARKS.values()) - {write.UNKNOWN}:
        assert f"`{mark}`" in page
