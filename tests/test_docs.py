"""The docs hold what they say: commands, options, filters, links and settings in them exist."""

from __future__ import annotations

import re
import shlex
from itertools import takewhile
from pathlib import Path

import pytest
from typer.main import get_command

from engine.cli import VERBS, build_app
from engine.settings import Settings
from schemas.filter_text import parse_filter

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
SCRIPTS = {"scripts/run": "up", "scripts/bench": "bench"}


def commands(page: Path) -> list[list[str]]:
    """The words of every `flowtape` command in code, inline or in a block."""
    text = page.read_text(encoding="utf-8")
    blocks = re.findall(r"^```(\w*)\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    code = [block.replace("\\\n", " ") for kind, block in blocks if kind in ("", "sh", "console")]
    lines = [line for block in code for line in block.splitlines()]
    prose = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    lines += re.findall(r"`(flowtape [^`]+)`", prose)
    found = []
    for line in lines:
        if not re.match(r"(?:[A-Z_]+=\S* +)*(?:flowtape|scripts/)", line):
            continue
        lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
        lexer.whitespace_split = True
        words = list(takewhile(lambda word: word not in ("|", ">", ">>", "&", "&&", ";"), lexer))
        while words and re.match(r"[A-Z_]+=", words[0]):
            words.pop(0)
        if words and words[0] in SCRIPTS:
            words = ["flowtape", SCRIPTS[words[0]], *words[1:]]
        if len(words) > 1 and words[0] == "flowtape":
            found.append(words[1:])
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_on_a_page_exists_with_its_options(page: Path) -> None:
    group = get_command(build_app())
    for words in commands(page):
        if words[0].startswith("-"):
            continue
        assert words[0] in VERBS, words
        verb = group.commands[words[0]]  # type: ignore[attr-defined]
        known = {option for parameter in verb.params for option in parameter.opts + parameter.secondary_opts}
        # A filter may begin with a minus: options are words with two, or a minus and one letter.
        given = {word.partition("=")[0] for word in words[1:] if re.match(r"--[a-z]|-[a-z]$", word)}
        assert given <= known | {"--help"}, words


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_filter_on_a_page_is_one(page: Path) -> None:
    for words in commands(page):
        given = [word for word in words[1:] if word != "--"]
        if words[0] in ("query", "tail") and given and not re.match(r"TEXT$|\.\.\.|--", given[0]):
            parse_filter(given[0])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_of_a_page_to_a_file_finds_it(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_setting_on_a_page_is_in_the_table(page: Path) -> None:
    named = set(re.findall(r"FLOWTAPE_([A-Z_]+[A-Z])", page.read_text(encoding="utf-8")))
    assert {name.lower() for name in named} - {"config"} <= set(Settings.model_fields)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_table_of_a_page_is_whole(page: Path) -> None:
    prose = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    # Rows without a head and a line of dashes, as below a blank line, are shown as text.
    for table in re.findall(r"(?:^\|.*\n)+", prose, re.MULTILINE):
        assert re.match(r"\|.*\|\n\|[-:| ]+\|\n", table), table
