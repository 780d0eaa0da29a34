"""Settings: which source wins, what is refused and how, and the page made of them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from engine.settings import CONFIG_VARIABLE, Settings
from engine.settings_page import page
from schemas.errors import SettingsError

PAGE = Path(__file__).parents[1] / "docs" / "settings.md"


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A settings file in force, still empty."""
    path = tmp_path / "flowtape.toml"
    path.touch()
    monkeypatch.setenv(CONFIG_VARIABLE, str(path))
    return path


def test_the_page_is_the_one_that_the_table_makes() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run scripts/docs"


def test_the_example_on_the_page_is_a_valid_file(config: Path) -> None:
    example = re.search(r"```toml\n(.*?)```", page(), re.DOTALL)
    assert example is not None
    config.write_text(example[1])
    settings = Settings.load()
    assert (settings.partitions, settings.symbols) == (4, ("SPY", "QQQ"))
    assert settings.rules().overrides["SPY"].block_size == 2000


def test_the_environment_wins_over_the_file_and_a_flag_over_both(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config.write_text("partitions = 2\nindex_batch = 10\nsweep_ms = 100")
    monkeypatch.setenv("FLOWTAPE_PARTITIONS", "3")
    monkeypatch.setenv("FLOWTAPE_INDEX_BATCH", "20")
    settings = Settings.load(partitions=4)
    assert (settings.partitions, settings.index_batch, settings.sweep_ms) == (4, 20, 100)


def test_a_flag_of_none_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLOWTAPE_PARTITIONS", "3")
    assert Settings.load(partitions=None).partitions == 3


def test_a_file_in_the_working_folder_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "flowtape.toml").write_text("partitions = 7")
    monkeypatch.chdir(tmp_path)
    assert Settings.load().partitions == 7


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("partitions = 0", r"partitions: .*greater than or equal to 1 \(given: 0\)"),
        ("no_such = 1", "no_such: "),
        ("thresholds = {SPY = {size = 1}}", "SPY: size; known are block_size"),
        ("tiers = {pro = {rows = 10001}}", "rows is 10001; a snapshot has at most 10000"),
        ("partitions =", "cannot be read"),
    ],
)
def test_what_is_refused_names_the_setting_and_the_value(config: Path, text: str, said: str) -> None:
    config.write_text(text)
    with pytest.raises(SettingsError, match=said):
        Settings.load()


def test_a_file_that_is_named_but_absent_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CONFIG_VARIABLE, str(tmp_path / "none.toml"))
    with pytest.raises(SettingsError, match=r"none\.toml, which is no file"):
        Settings.load()


def test_a_key_stands_neither_in_an_error_nor_in_the_settings_text(config: Path) -> None:
    config.write_text("alpaca_key = 12345")
    with pytest.raises(SettingsError) as caught:
        Settings.load()
    assert "12345" not in str(caught.value)
    config.write_text('alpaca_key = "12345"')
    assert "12345" not in repr(Settings.load())
