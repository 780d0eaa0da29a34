"""The filter's two executors agree on every trade, and no text of a user is ever part of a query."""

from __future__ import annotations

import re

import msgspec
import pytest
import redis
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from schemas import keys
from schemas.document import index_arguments
from schemas.errors import FilterError
from schemas.filter import Filter, Range
from schemas.filter_predicate import predicate
from schemas.filter_query import compile_query
from schemas.filter_text import parse_filter
from schemas.trade import Trade
from tests.trade_strategies import a_trade, filters, trades

OPERATORS = (*"*|-~%$@{}[]()\"'\\:;<>!.,#&+^`?/ \t\0é", "=>", "w'*'", "-inf", "+inf")


def make_index(client: redis.Redis) -> None:
    client.execute_command("FT.CREATE", keys.index(0), *index_arguments(0))


def write(client: redis.Redis, rows: list[Trade]) -> None:
    pipe = client.pipeline(transaction=False)
    for row in rows:
        pipe.execute_command("JSON.SET", keys.trade(0, row.id), "$", msgspec.json.encode(row))
    pipe.execute()


def found(client: redis.Redis, wanted: Filter) -> set[str]:
    query = compile_query(wanted)
    reply = client.execute_command(
        "FT.SEARCH", keys.index(0), query.text, "NOCONTENT", "LIMIT", "0", "1000", *query.arguments()
    )
    assert reply[b"warning"] == []
    return {row[b"id"].decode().removeprefix(keys.trade_prefix(0)) for row in reply[b"results"]}


ROWS = 12


@examples(max_examples=80)
@given(
    st.tuples(*(trades(number) for number in range(ROWS))),
    st.lists(filters(), min_size=1, max_size=10),
)
def test_the_query_names_exactly_the_trades_that_the_predicate_lets_through(
    client: redis.Redis, rows: tuple[Trade, ...], wanted: list[Filter]
) -> None:
    client.flushdb()
    make_index(client)
    write(client, list(rows))
    for each in wanted:
        test = predicate(each)
        assert found(client, each) == {row.id for row in rows if test(row)}, each


@examples(max_examples=40)
@given(st.tuples(*(trades(number) for number in range(ROWS))), st.data())
def test_the_two_agree_at_the_exact_values_of_the_trades(
    client: redis.Redis, rows: tuple[Trade, ...], data: st.DataObject
) -> None:
    client.flushdb()
    make_index(client)
    write(client, list(rows))
    for field in ("premium", "price", "otm_pct", "delta", "volume"):
        value = getattr(data.draw(st.sampled_from(rows)), field)
        if value is None:
            continue
        for bounds in (
            Range(gte=value),
            Range(gt=value),
            Range(lte=value),
            Range(lt=value),
            Range(value, None, value),
        ):
            wanted = Filter(ranges=((field, bounds),))
            test = predicate(wanted)
            assert found(client, wanted) == {row.id for row in rows if test(row)}, wanted


@pytest.mark.parametrize("field", ["underlying", "right", "side", "sentiment", "exchange", "symbol"])
def test_no_operator_of_the_query_language_passes_as_a_value(field: str) -> None:
    for operator in OPERATORS:
        for text in (
            operator,
            f"SPY{operator}",
            f"{operator}SPY",
            f"SP{operator}Y",
            f"SPY}}{operator}@flags:{{*",
        ):
            try:
                wanted = Filter.from_json({field: [text]})
            except FilterError:
                continue
            # What passes was cleaned to a plain word on the way (`brk.b`, `^SPY`, `-SPY`).
            values = wanted.underlying + wanted.underlying_not
            assert all(re.fullmatch(r"[A-Z0-9]+", value) for value in values), text


def test_a_value_that_got_past_validation_would_still_be_only_a_value(client: redis.Redis) -> None:
    make_index(client)
    row = a_trade()
    write(client, [row])
    assert found(client, Filter(underlying=("SPY",))) == {row.id}
    for operator in OPERATORS:
        for text in (
            operator,
            f"SPY{operator}",
            f"{operator}SPY",
            f"XXX}} | @underlying:{{SPY{operator}",
            f"X|{operator}SPY",
        ):
            # A filter built by hand, without `value_of`: the parameter alone must hold.
            wanted = Filter(underlying=(text,))
            if text.strip() == "SPY":
                continue
            assert found(client, wanted) == set(), text


def test_only_names_of_parameters_and_known_fields_stand_in_a_query() -> None:
    wanted = parse_filter(
        "SPY -TSLA calls side:ask sweep golden|iso -late premium>=12345 symbol:SPY261218C00600000"
    )
    text = compile_query(wanted).text
    for value in ("SPY", "TSLA", "C}", "ask", "sweep", "golden", "iso", "late", "12345", "600"):
        assert value not in text
    assert re.fullmatch(r"(-?@[a-z_]+:(\{[$v0-9|]+\}|\[[$v0-9(inf+ -]+\]) ?)+", text)


@given(filters())
def test_equal_filters_make_equal_queries(wanted: Filter) -> None:
    assert compile_query(Filter.from_json(wanted.key)) == compile_query(wanted)


def test_a_null_is_in_no_range(client: redis.Redis) -> None:
    make_index(client)
    write(client, [a_trade()])
    for wanted in (Filter(ranges=(("iv", Range(gte=-1)),)), Filter(ranges=(("iv", Range(lt=1)),))):
        assert found(client, wanted) == set()
        assert not predicate(wanted)(a_trade())
