"""docs/filters.md: every example means what the page says, and every list is the one of the program."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from schemas.errors import FilterError
from schemas.filter import FLAGS, LISTS, RANGES, Filter
from schemas.filter_text import TEXT_CHARS, parse_filter

PAGE = (Path(__file__).parent.parent / "docs" / "filters.md").read_text(encoding="utf-8")


def table(title: str) -> list[tuple[str, str]]:
    """The first and the last cell of each row of the first table after a title, without the marks of code."""
    section = PAGE.partition(f"{title}\n")[2]
    lines = re.search(r"(?:^\|.*\n)+", section, re.MULTILINE)
    assert lines is not None
    rows = [re.split(r"(?<!\\)\|", line)[1:-1] for line in lines.group().splitlines()[2:]]
    return [(row[0].strip().strip("`").replace("\\|", "|"), row[-1].strip()) for row in rows]


@pytest.mark.parametrize(("text", "tree"), table("### Examples"))
def test_an_example_is_the_same_in_both_forms(text: str, tree: str) -> None:
    assert parse_filter(text) == Filter.from_json(tree.strip("`"))


@pytest.mark.parametrize(("text", "said"), table("### When something is wrong"))
def test_a_wrong_text_gives_the_error_that_is_shown(text: str, said: str) -> None:
    with pytest.raises(FilterError) as caught:
        parse_filter(text)
    assert caught.value.message == said.strip("`")


@pytest.mark.parametrize(
    "text", [w for _, cell in table("## The text") for w in re.findall(r"`([^`]+)`", cell)]
)
def test_every_word_of_the_table_is_understood(text: str) -> None:
    parse_filter(text.replace("\\|", "|"))


def test_the_first_example_is_the_json_object_shown() -> None:
    [text] = re.findall(r"```text\n(.*?)\n```", PAGE)
    [tree] = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
    assert parse_filter(text) == Filter.from_json(json.loads(tree))


def test_the_page_names_every_field_flag_and_bound() -> None:
    values = re.search(r"\*\*Fields with values:\*\*(.*?)\n\n", PAGE, re.DOTALL)
    flags = re.search(r"\*\*Flags:\*\*(.*?)\n\[", PAGE, re.DOTALL)
    assert values is not None
    assert flags is not None
    assert set(LISTS) <= set(re.findall(r"`([a-z_]+)`", values.group(1)))
    assert set(re.findall(r"`([a-z_]+)`", flags.group(1))) == set(FLAGS)
    numbers = {
        name for first, _ in table("**Fields with numbers:**") for name in re.findall(r"[a-z_]+", first)
    }
    assert set(RANGES) <= numbers
    assert f"{TEXT_CHARS:,}" in PAGE
