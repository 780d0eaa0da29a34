"""Feeds and formats are found by their modules."""

from __future__ import annotations

import subprocess
import sys

import pytest

from engine.feeds.registry import feed_names, file_format, format_names, live_feed
from schemas.errors import SettingsError


def test_every_feed_of_the_design_is_registered_under_its_own_name() -> None:
    assert feed_names() == [
        "alpaca",
        "databento",
        "massive",
        "simulator",
        "theta",
        "tradier",
        "unusual-whales",
    ]
    for name in feed_names():
        assert live_feed(name).name == name
        assert live_feed(name).summary


def test_every_format_of_the_design_is_registered_under_its_own_name() -> None:
    assert format_names() == ["cboe", "databento", "lean", "massive-flat", "unusual-whales"]
    for name in format_names():
        assert file_format(name).name == name
        assert file_format(name).summary


def test_only_the_simulator_is_synthetic() -> None:
    assert [name for name in feed_names() if live_feed(name).synthetic] == ["simulator"]


def test_names_are_taken_with_either_dash() -> None:
    assert live_feed("Unusual_Whales") is live_feed("unusual-whales")


def test_an_unknown_name_gets_a_suggestion_and_the_known_ones() -> None:
    with pytest.raises(SettingsError) as error:
        live_feed("masive")
    assert "'masive'" in str(error.value)
    assert "Did you mean massive?" in str(error.value)
    assert "tradier" in str(error.value)
    with pytest.raises(SettingsError, match="no format named 'zzz'"):
        file_format("zzz")


def test_only_the_module_that_is_asked_for_is_imported() -> None:
    code = (
        "import sys; from engine.feeds.registry import feed_names, live_feed; feed_names(); live_feed('massive');"
        "print([name for name in sys.modules if name.startswith('engine.feeds.') and 'alpaca' in name])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
