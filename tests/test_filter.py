"""The filter's three forms say the same, and what is wrong in one is named."""

from __future__ import annotations

import json
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import FilterError
from schemas.filter import JSON_BYTES, LIST_VALUES, TOTAL_VALUES, Filter, Range
from schemas.filter_text import TEXT_CHARS, filter_text, parse_filter
from tests.trade_strategies import filters

DESIGN_TEXT = "SPY,QQQ -TSLA calls premium>=100k dte<=7 otm_pct>5 sweep -multi_leg side:ask,above_ask"


@given(filters())
def test_json_is_read_back_as_the_same_filter(wanted: Filter) -> None:
    assert Filter.from_json(json.dumps(wanted.to_json())) == wanted
    assert Filter.from_json(wanted.key) == wanted


@given(filters())
def test_text_is_read_back_as_the_same_filter(wanted: Filter) -> None:
    text = filter_text(wanted)
    assert parse_filter(text) == wanted
    assert filter_text(parse_filter(text)) == text


@given(filters(), st.randoms())
def test_order_repetition_and_case_do_not_change_the_key(wanted: Filter, chance: random.Random) -> None:
    words = filter_text(wanted).split()
    words += words if wanted != Filter() else []
    # A group of alternatives is allowed once.
    words = [word for i, word in enumerate(words) if "|" not in word or word not in words[:i]]
    chance.shuffle(words)
    same = parse_filter(" ".join(word.upper() if chance.random() < 0.5 else word for word in words))
    assert same.key == wanted.key
    assert (same == wanted) is (hash(same) == hash(wanted)) is True


@given(filters(), filters())
def test_keys_are_equal_exactly_where_filters_are(one: Filter, two: Filter) -> None:
    assert (one.key == two.key) is (one == two)


def test_the_text_of_the_design_means_what_it_says() -> None:
    assert parse_filter(DESIGN_TEXT).to_json() == {
        "underlying": ["QQQ", "SPY"],
        "right": ["C"],
        "side": ["above_ask", "ask"],
        "flags": {"all": ["sweep"], "none": ["multi_leg"]},
        "premium": {"gte": 100_000},
        "dte": {"lte": 7},
        "otm_pct": {"gt": 5},
    }


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("", "*"),
        ("calls puts", "*"),
        ("bullish bearish neutral", "*"),
        ("spy, qqq", "QQQ SPY"),
        ("brk.b ^vix $SPX", "BRKB,SPX,VIX"),
        ("premium >= $1.5M", "premium>=1500000"),
        ("premium>1.1m", "premium>1100000"),
        ("premium>=2b", "premium>=2000000000"),
        ("premium≥100k size≤5", "premium>=100000 size<=5"),
        ("0dte sweeps", "zero_dte sweep"),
        ("-multi-leg side:above-ask", "-multi_leg side:above_ask"),
        ("right:C", "calls"),
        ("right:put", "puts"),
        ("symbol:O:SPY261218C00600000", "SPY261218C00600000"),
        ("exchange:xpho,C2", "exchange:XPHL,C2OX"),
        ("expiry:2026-12-18", "expiry>=20261218 expiry<=20261218"),
        ("strike:100..200", "strike>=100 strike<=200"),
        ("strike:100..", "strike>=100.0"),
        ("delta:-0.5..0.5", "delta<=0.5 delta>=-0.5"),
        ("oi>100 otm>5", "open_interest>100 otm_pct>5"),
        ("size>=10 size>10", "size>10"),
        ("size>=11 size>10", "size>=11"),
        ("SPY,QQQ -SPY", "QQQ"),
        ("SPY -TSLA", "SPY"),
        ("sweep sweep|block", "sweep"),
        ("sweep|block -block", "sweep -block"),
        ("otm_pct>-0.0", "otm_pct>0"),
    ],
)
def test_two_ways_to_write_a_filter_are_one(text: str, same: str) -> None:
    assert parse_filter(text).key == parse_filter(same).key


def test_an_inclusive_and_an_exclusive_bound_are_two_filters() -> None:
    assert parse_filter("size>=10").key != parse_filter("size>10").key
    # Nothing lies between for whole contracts, but the bounds are kept as they were given.
    assert parse_filter("size>=11").key != parse_filter("size>10").key


@pytest.mark.parametrize(
    ("text", "word", "said"),
    [
        ("SPY swep", "swep", "nearest: sweep"),
        ("SPY multi_legs", "multi_legs", "nearest: multi_leg"),
        ("SPY premum>=100k", "premum>=100k", "nearest: premium"),
        ("SPY side:asks", "side:asks", "nearest: ask"),
        ("SPY above_ask", "above_ask", "Write side:above_ask"),
        ("SPY ask", "ask", "Write side:ask"),
        ("SPY -calls", "-calls", "Write right:P"),
        ("SPY premium", "premium", "stands alone"),
        ("SPY premium>=", "premium>=", "has no value"),
        ("SPY premium>=abc", "premium>=abc", "no number"),
        ("SPY premium>=100,000", "premium>=100,000", "no number"),
        ("SPY premium>=nan", "premium>=nan", "no number"),
        ("SPY premium>=1e400", "premium>=1e400", "out of range"),
        ("SPY premium>=10 premium<5", "premium<5", "nothing is >= 10 and < 5"),
        ("SPY dte>5 dte<=5", "dte<=5", "nothing is > 5 and <= 5"),
        ("SPY expiry>=2026-02-30", "expiry>=2026-02-30", "no date"),
        ("SPY -side:mid", "-side:mid", "cannot be excluded"),
        ("SPY -sweep|block", "-sweep|block", "Write -sweep -block"),
        ("sweep|block golden|iso", "golden|iso", "second group"),
        ("SPY QQQ,calls", "QQQ,calls", "list of tickers"),
        ("SPY SPXW", "SPXW", "Write SPX"),
        ("SPY @underlying:{*}", "@underlying:{*}", "no field"),
        ("SPY (QQQ)", "(QQQ)", "neither a ticker nor a flag"),
        ("SPY symbol:SPY", "symbol:SPY", "OSI symbol"),
        ("SPY exchange:cboe-c2", "exchange:cboe-c2", "market identifier code"),
        ("sweep -sweep", "-sweep", "both asked for and excluded"),
        ("SPY size>1 -SPY", "-SPY", "both asked for and excluded"),
        ("side>=5", "side>=5", "no number to compare"),
    ],
)
def test_the_error_points_at_the_wrong_word(text: str, word: str, said: str) -> None:
    with pytest.raises(FilterError) as caught:
        parse_filter(text)
    assert (caught.value.position, caught.value.length) == (text.index(word), len(word))
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("tree", "said"),
    [
        ("[]", "expected a JSON object"),
        ("{", "no JSON"),
        ("[" * 16_000, "no JSON"),
        ('{"size": {"gte": ' + "9" * 5_000 + "}}", "no JSON"),
        ('{"premum": {"gte": 1}}', "nearest: premium"),
        ('{"premium": 5}', "no range"),
        ('{"premium": {}}', "no range"),
        ('{"premium": {"min": 5}}', "no range"),
        ('{"premium": {"gte": "5"}}', "no number"),
        ('{"premium": {"gte": true}}', "no number"),
        ('{"premium": {"gte": null}}', "no number"),
        ('{"premium": {"gte": NaN}}', "out of range"),
        ('{"premium": {"gte": Infinity}}', "out of range"),
        ('{"premium": {"gte": 1e999}}', "out of range"),
        ('{"premium": {"gte": 9007199254740993}}', "out of range"),
        ('{"premium": {"gte": 2, "lte": 1}}', "nothing is"),
        ('{"premium": {"gte": 1}, "premium": {"gte": 2}}', "twice"),
        ('{"expiry": {"gte": 20261340}}', "no date"),
        ('{"expiry": {"gte": true}}', "no date"),
        ('{"underlying": "SPY"}', "no list"),
        ('{"underlying": []}', "no list"),
        ('{"underlying": [1]}', "no list"),
        ('{"underlying": ["SPY}|@flags:{*"]}', "no ticker"),
        ('{"underlying": ["-"]}', "no ticker"),
        ('{"right": ["X"]}', "no right"),
        ('{"exchange": ["*"]}', "market identifier code"),
        ('{"flags": ["sweep"]}', "Expected an object"),
        ('{"flags": {}}', "Expected an object"),
        ('{"flags": {"any": []}}', "no list"),
        ('{"flags": {"all": ["swep"]}}', "nearest: sweep"),
        ('{"flags": {"all": ["sweep"], "none": ["sweep"]}}', "both asked for"),
        ('{"flags": {"any": ["sweep", "iso"], "none": ["sweep", "iso"]}}', "all of it is excluded"),
    ],
)
def test_a_wrong_json_filter_is_refused_with_the_reason(tree: str, said: str) -> None:
    with pytest.raises(FilterError) as caught:
        Filter.from_json(tree)
    assert said in str(caught.value)
    assert caught.value.position == -1


def test_every_size_has_a_bound() -> None:
    tickers = [f"A{n}" for n in range(LIST_VALUES + 1)]
    assert len(Filter.from_json({"underlying": tickers[1:]}).underlying) == LIST_VALUES
    symbols = [f"SPY261218C{n:08d}" for n in range(1, LIST_VALUES + 1)]
    for tree in (
        {"underlying": tickers},
        {"underlying": tickers[1:], "symbol": symbols, "flags": {"all": ["sweep"]}},
    ):
        with pytest.raises(FilterError, match="at most"):
            Filter.from_json(tree)
    with pytest.raises(FilterError, match="at most"):
        Filter.from_json(" " * (JSON_BYTES + 1))
    with pytest.raises(FilterError, match="at most"):
        parse_filter(" " * (TEXT_CHARS + 1))
    assert TOTAL_VALUES == 2 * LIST_VALUES


def test_the_longest_filter_fits_into_its_own_text_and_json() -> None:
    symbols = tuple(f"LONGER261218C{n:08d}" for n in range(1, LIST_VALUES + 1))
    numbers = Range(gte=-0.30000000000000004, lt=1.2345678901234567e-300)
    fields = (
        "premium",
        "size",
        "price",
        "strike",
        "dte",
        "otm_pct",
        "volume",
        "open_interest",
        "vol_oi",
        "iv",
        "delta",
    )
    wanted = Filter(
        symbol=symbols,
        underlying_not=tuple(f"LONG{n}" for n in range(TOTAL_VALUES - LIST_VALUES - len(fields))),
        ranges=tuple((field, numbers) for field in fields),
    )
    assert parse_filter(filter_text(wanted)) == wanted
    assert Filter.from_json(wanted.key) == wanted


@given(st.text(max_size=80) | st.lists(st.sampled_from([*DESIGN_TEXT, *'|:.@{}[]()"$*\\'])).map("".join))
def test_any_text_is_a_filter_or_a_filter_error(text: str) -> None:
    try:
        wanted = parse_filter(text)
    except FilterError as error:
        position, length = error.position, error.length
    else:
        position = length = 0
        assert parse_filter(filter_text(wanted)) == wanted
    assert 0 <= position <= position + length <= len(text)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["premium", "flags", "underlying", "gte", "all", "side"]), inner, max_size=3
            )
        ),
    )
)
def test_any_json_is_a_filter_or_a_filter_error(tree: object) -> None:
    try:
        wanted = Filter.from_json(json.dumps(tree))
    except FilterError:
        return
    assert Filter.from_json(wanted.key) == wanted


@pytest.mark.parametrize("sign", [1, -1])
def test_a_whole_number_that_no_float_holds_is_out_of_range(sign: int) -> None:
    with pytest.raises(FilterError, match="out of range"):
        Filter.from_json({"premium": {"gte": sign * 10**400}})


def test_a_value_nested_too_deep_to_be_shown_is_a_filter_error() -> None:
    value: object = 1
    for _ in range(10_000):
        value = [value]
    for tree in ({"premium": {"gte": value}}, {"premium": value}, {"underlying": value}, {"flags": value}):
        with pytest.raises(FilterError, match="nested so deep"):
            Filter.from_json(tree)
