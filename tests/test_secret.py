"""The secret: configured, made once for this machine, or missing where others could come in."""

from __future__ import annotations

import logging
import os
import stat
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from engine.access.loopback import is_loopback
from engine.access.secret import SECRET_BYTES, SECRET_FILE, resolve_secret
from engine.settings import Settings
from schemas.errors import SettingsError

LONG = "s" * SECRET_BYTES
EVERYWHERE = ["0.0.0.0", "::", "192.0.2.7", "flow.example.com", ""]  # noqa: S104
HERE = ["127.0.0.1", "localhost", "::1", "127.9.9.9"]


@pytest.mark.parametrize("host", [*HERE, *EVERYWHERE])
def test_a_configured_secret_wins(host: str, tmp_path: Path) -> None:
    settings = Settings.load(jwt_secret=LONG, data_dir=tmp_path, jwks_url="https://id.example.com/jwks.json")
    assert resolve_secret(settings, host) == LONG
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("host", HERE)
def test_a_short_secret_is_warned_of_here(host: str, caplog: pytest.LogCaptureFixture) -> None:
    assert resolve_secret(Settings.load(jwt_secret="short"), host) == "short"  # noqa: S106
    assert "5 bytes" in caplog.text
    assert caplog.records[0].levelno == logging.WARNING
    assert "short" not in caplog.text


@pytest.mark.parametrize("host", EVERYWHERE)
def test_a_short_secret_is_refused_where_others_come_in(host: str) -> None:
    with pytest.raises(SettingsError, match="31 bytes, expected at least 32"):
        resolve_secret(Settings.load(jwt_secret=LONG[1:]), host)


def test_bytes_are_counted_not_characters(caplog: pytest.LogCaptureFixture) -> None:
    assert resolve_secret(Settings.load(jwt_secret="ß" * 16), "0.0.0.0") == "ß" * 16  # noqa: S104
    assert not caplog.records


def test_an_empty_secret_is_refused_everywhere() -> None:
    with pytest.raises(SettingsError, match="0 bytes"):
        resolve_secret(Settings.load(jwt_secret=""), "127.0.0.1")


@pytest.mark.parametrize("host", [*HERE, *EVERYWHERE])
def test_with_a_key_set_alone_there_is_no_secret(host: str, tmp_path: Path) -> None:
    settings = Settings.load(jwks_url="https://id.example.com/jwks.json", data_dir=tmp_path)
    assert resolve_secret(settings, host) is None
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("host", EVERYWHERE)
def test_without_either_nobody_from_elsewhere_is_let_in(host: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="FLOWTAPE_JWT_SECRET"):
        resolve_secret(Settings.load(data_dir=tmp_path), host)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("host", HERE)
def test_this_machines_secret_is_made_once_for_its_user_alone(host: str, tmp_path: Path) -> None:
    settings = Settings.load(data_dir=tmp_path / "new" / "folder")
    first = resolve_secret(settings, host)
    assert first is not None
    assert len(first) >= SECRET_BYTES
    file = tmp_path / "new" / "folder" / SECRET_FILE
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert list(file.parent.iterdir()) == [file]
    assert resolve_secret(settings, "localhost") == first


def test_each_data_folder_has_its_own(tmp_path: Path) -> None:
    found = {resolve_secret(Settings.load(data_dir=tmp_path / name), "::1") for name in "ab"}
    assert len(found) == 2


def resolve_here(folder: str) -> str | None:
    return resolve_secret(Settings.load(data_dir=folder), "127.0.0.1")


def test_all_who_start_at_once_agree(tmp_path: Path) -> None:
    together = threading.Barrier(8)

    def start(folder: Path) -> str | None:
        together.wait(60)
        return resolve_here(str(folder))

    with ThreadPoolExecutor(8) as pool:
        for turn in range(30):
            folder = tmp_path / str(turn)
            folder.mkdir()
            assert len(set(pool.map(start, [folder] * 8))) == 1
            assert [file.name for file in folder.iterdir()] == [SECRET_FILE]


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o660, 0o604])
def test_a_secret_that_others_can_read_is_refused(mode: int, tmp_path: Path) -> None:
    resolve_here(str(tmp_path))
    (tmp_path / SECRET_FILE).chmod(mode)
    with pytest.raises(SettingsError, match=f"mode {mode:o}, expected 600"):
        resolve_here(str(tmp_path))


@pytest.mark.parametrize("content", [b"", b"short", b"\n" * 100, b"\xff" * 40])
def test_a_damaged_secret_is_refused_with_the_remedy(content: bytes, tmp_path: Path) -> None:
    resolve_here(str(tmp_path))
    (tmp_path / SECRET_FILE).write_bytes(content)
    with pytest.raises(SettingsError, match="Remove it"):
        resolve_here(str(tmp_path))


def test_a_link_or_a_folder_in_its_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text(LONG)
    (tmp_path / "elsewhere").chmod(0o600)
    (tmp_path / SECRET_FILE).symlink_to("elsewhere")
    with pytest.raises(SettingsError):
        resolve_here(str(tmp_path))
    (tmp_path / SECRET_FILE).unlink()
    (tmp_path / SECRET_FILE).mkdir(mode=0o700)
    with pytest.raises(SettingsError):
        resolve_here(str(tmp_path))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(SettingsError, match=str(tmp_path)):
        resolve_here(str(tmp_path))


def test_a_file_in_the_folders_place_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SettingsError, match="FLOWTAPE_DATA_DIR"):
        resolve_here(str(tmp_path / "file"))


@pytest.mark.parametrize("host", [*HERE, "LOCALHOST", "::ffff:127.0.0.1", "0:0:0:0:0:0:0:1"])
def test_names_of_this_machine(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host",
    [
        *EVERYWHERE,
        "localhost.",
        "localhost.example.com",
        "127.0.0.1.nip.io",
        "127.1",
        "2130706433",
        "0",
        "[::1]",
    ],
)
def test_names_of_others(host: str) -> None:
    assert not is_loopback(host)
