"""`/v1/filter`: both forms of a filter from either, errors that say which word, and the words of the language."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as examples

from engine.settings import Settings
from schemas.filter import CHOICES, FLAGS, LISTS, RANGES, Filter
from schemas.filter_text import ALIASES, FLAG_WORDS, KEYWORDS, filter_text, parse_filter
from schemas.vocabulary import vocabulary
from tests.http_gateway import Client, asking
from tests.trade_strategies import filters
from web import filters as module

PAGE = (Path(__file__).parents[1] / "docs" / "filters.md").read_text(encoding="utf-8")
HELP_CHARS = 80
"""A sentence that stands beside a word in a list."""


@examples(max_examples=12)
@given(filters())
def test_either_form_gives_both(settings: Settings, wanted: Filter) -> None:
    async def work(ask: Client) -> None:
        from_text = await ask.get("/v1/filter", {"q": filter_text(wanted)})
        from_json = await ask.get("/v1/filter", {"json": wanted.key})
        assert from_text.json() == from_json.json()
        assert from_text.json() == {"text": filter_text(wanted), "filter": wanted.to_json()}
        assert from_text.headers["cache-control"] == "no-store"

    asking(settings, work)


def test_a_filter_is_answered_in_its_canonical_form(settings: Settings) -> None:
    async def work(ask: Client) -> None:
        answer = await ask.get("/v1/filter", {"q": " qqq  SPY call premium>=100000 premium>=1 "})
        assert answer.json() == {
            "text": "QQQ,SPY calls premium>=100k",
            "filter": {"underlying": ["QQQ", "SPY"], "right": ["C"], "premium": {"gte": 100_000}},
        }
        for everything in ({"q": ""}, {"q": "*"}, {"q": "calls puts"}, {"json": "{}"}):
            assert (await ask.get("/v1/filter", everything)).json() == {"text": "*", "filter": {}}

    asking(settings, work)


@pytest.mark.parametrize(
    ("params", "field", "place"),
    [
        ({"q": "SPY swep calls"}, None, (4, 4)),
        ({"q": "SPY premium >= x"}, "premium", (4, 12)),
        ({"q": "dte<5 SPY dte>9 golden"}, "dte", (10, 5)),
        ({"q": "SPY -SPY"}, "underlying", (4, 4)),
        ({"json": '{"premium": {"gte": "x"}}'}, "premium", None),
        ({"json": "["}, None, None),
        ({"json": ""}, None, None),
    ],
)
def test_a_wrong_word_is_named_with_its_place_and_length(
    settings: Settings, params: dict[str, str], field: str | None, place: tuple[int, int] | None
) -> None:
    async def work(ask: Client) -> None:
        answer = await ask.get("/v1/filter", params)
        body: dict[str, Any] = answer.json()
        assert (answer.status_code, body["type"]) == (400, "urn:flowtape:problem:filter")
        assert body.get("field") == field
        assert (body.get("position"), body.get("length")) == (place or (None, None))

    asking(settings, work)


@pytest.mark.parametrize("params", [{}, {"q": "SPY", "json": "{}"}])
def test_exactly_one_form_is_given(settings: Settings, params: dict[str, str]) -> None:
    async def work(ask: Client) -> None:
        answer = await ask.get("/v1/filter", params)
        assert (answer.status_code, answer.json()["type"]) == (400, "urn:flowtape:problem:parameter")
        assert answer.json()["field"] == "q"

    asking(settings, work)


def test_filters_are_read_at_a_rate_of_their_own(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FILTERS_PER_MINUTE", 3)

    async def work(ask: Client) -> None:
        for _ in range(3):
            assert (await ask.get("/v1/filter", {"q": "SPY"})).status_code == 200
        refused = await ask.get("/v1/filter", {"q": "SPY"})
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "20")
        assert (await ask.get("/v1/filter", {"q": "SPY"}, user="bob")).status_code == 200
        assert (await ask.http.get("/v1/filter", params={"q": "SPY"})).status_code == 401

    asking(settings, work, searches_per_minute=1)


def test_the_words_are_open_to_everybody_and_may_be_kept(settings: Settings) -> None:
    async def work(ask: Client) -> None:
        answer = await ask.http.get("/v1/filter/words")
        assert answer.status_code == 200
        assert answer.headers["cache-control"] == "max-age=300"
        words = answer.json()
        assert words["lists"][1] == {
            "name": "right", "aliases": [], "help": "Calls or puts.", "values": ["C", "P"]
        }  # fmt: skip
        assert {"name": "calls", "field": "right", "value": "C"} in words["words"]

    asking(settings, work)


def test_the_vocabulary_is_the_language() -> None:
    words = vocabulary()
    assert tuple(each.name for each in words.lists) == LISTS
    assert tuple(each.name for each in words.ranges) == RANGES
    flags = [each.name for each in words.flags]
    assert sorted(flags) == sorted(FLAGS)
    # What people look for stands before what a sale condition says.
    assert flags.index("sweep") < flags.index("iso")
    assert {each.name: tuple(each.values) for each in words.lists if each.name in CHOICES} == CHOICES
    aliases = {alias: each.name for each in (*words.lists, *words.ranges) for alias in each.aliases}
    assert aliases == ALIASES
    spelt = {word: each.name for each in words.flags for word in (each.name, *each.aliases)}
    assert spelt == FLAG_WORDS
    assert {each.name: (each.field, each.value) for each in words.words} == KEYWORDS


def test_every_word_is_read_as_what_the_vocabulary_says() -> None:
    words = vocabulary()
    for choice in words.lists:
        for name in (choice.name, *choice.aliases):
            for value in choice.values:
                assert parse_filter(f"{name}:{value}") == Filter.from_json({choice.name: [value]})
    for bounds in words.ranges:
        value: Any = 20261218 if bounds.unit == "date" else 1
        for name in (bounds.name, *bounds.aliases):
            assert parse_filter(f"{name}>={value}") == Filter.from_json({bounds.name: {"gte": value}})
    for flag in words.flags:
        for name in (flag.name, *flag.aliases):
            assert parse_filter(name) == Filter.from_json({"flags": {"all": [flag.name]}})
    for word in words.words:
        assert parse_filter(word.name) == Filter.from_json({word.field: [word.value]})


def test_every_help_is_one_short_sentence() -> None:
    words = vocabulary()
    for each in (*words.lists, *words.ranges, *words.flags):
        assert 5 < len(each.help) <= HELP_CHARS, each.name
        assert re.fullmatch(r"[A-Z].*\.", each.help), each.name


def test_units_are_those_of_the_docs() -> None:
    rows = re.findall(
        r"^\| (`[^|]+) \| ([^|]+) \|$", PAGE.partition("**Fields with numbers:**")[2], re.MULTILINE
    )
    said = {name: unit for names, unit in rows for name in re.findall(r"`([a-z_]+)`", names)}
    for each in vocabulary().ranges:
        first = each.unit.split(" ")[0].rstrip("s")
        assert first in said[each.name], each.name


def test_the_example_of_the_docs_is_what_is_answered(settings: Settings) -> None:
    page = (Path(__file__).parents[1] / "docs" / "http.md").read_text(encoding="utf-8")
    [asked] = re.findall(r"`GET /v1/filter\?q=([^`]+)`", page)
    [shown] = re.findall(r'```json\n(\{"text".*?)```', page, re.DOTALL)

    async def work(ask: Client) -> None:
        assert (await ask.get("/v1/filter", {"q": asked})).json() == json.loads(shown)

    asking(settings, work)
