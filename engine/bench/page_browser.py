"""The Chromium that the trader's page is opened in, to be measured, tested and photographed."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final

from engine.settings import Settings
from schemas.errors import FlowtapeError

if TYPE_CHECKING:
    from playwright.sync_api import Browser

NAMES: Final = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
"""What Chromium is called in PATH, the first that is there."""

ARGUMENTS: Final = (
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
"""Nothing but the page is to be at work, and on every machine it is drawn by the same software."""


def chromium_path(settings: Settings) -> Path:
    """The program. Raises FlowtapeError where there is none."""
    if settings.chromium is not None:
        if settings.chromium.is_file():
            return settings.chromium
        raise FlowtapeError(
            f"FLOWTAPE_CHROMIUM names {settings.chromium}, which is no file.", "Correct it or unset it."
        )
    for name in NAMES:
        if found := shutil.which(name):
            return Path(found)
    raise FlowtapeError(
        f"No Chromium was found; looked in PATH for {', '.join(NAMES)}.",
        "Install it (Debian, Ubuntu: apt-get install chromium), or let FLOWTAPE_CHROMIUM name it.",
    )


def require_chromium(settings: Settings) -> Path:
    """The program. Raises FlowtapeError where it or Playwright is missing."""
    if find_spec("playwright") is None:
        raise FlowtapeError(
            "Opening the page needs Playwright, which is not installed.",
            "Install what requirements-dev.lock names (scripts/test does), or `pip install playwright`.",
        )
    return chromium_path(settings)


@contextmanager
def chromium(settings: Settings) -> Iterator[Browser]:
    """A running Chromium without a window. Raises FlowtapeError where it or Playwright is missing."""
    path = require_chromium(settings)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=path,
            args=list(ARGUMENTS),
            # As on a desk, where they take room.
            ignore_default_args=["--hide-scrollbars"],
        )
        try:
            yield browser
        finally:
            browser.close()
