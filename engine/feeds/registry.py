"""Finds live feeds and file formats: each module of `engine.feeds` with a `FEED` or a `FORMAT` is one.

The name is the module's, with `-` for `_`. A vendor that has both, under one name, keeps its format in
`<vendor>_file.py`. Only the module that is asked for is imported; the others are told apart by their source.
"""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import pkgutil
import re
from functools import lru_cache
from importlib.abc import InspectLoader

import engine.feeds
from engine.feeds.file_format import FileFormat
from engine.feeds.live import LiveFeed
from schemas.errors import SettingsError

FILE_SUFFIX = "_file"

_DECLARES = re.compile(r"^(FEED|FORMAT)\b", re.MULTILINE)


@lru_cache(maxsize=1)
def _modules() -> dict[str, dict[str, str]]:
    """Module by name, for `FEED` and for `FORMAT`."""
    found: dict[str, dict[str, str]] = {"FEED": {}, "FORMAT": {}}
    for module in pkgutil.iter_modules(engine.feeds.__path__):
        path = f"{engine.feeds.__name__}.{module.name}"
        spec = importlib.util.find_spec(path)
        source = spec.loader.get_source(path) if spec and isinstance(spec.loader, InspectLoader) else None
        name = module.name.removesuffix(FILE_SUFFIX).replace("_", "-")
        for kind in _DECLARES.findall(source or ""):
            found[kind][name] = path
    return found


def feed_names() -> list[str]:
    """Names of the live feeds, in alphabetical order."""
    return sorted(_modules()["FEED"])


def format_names() -> list[str]:
    """Names of the file formats, in alphabetical order."""
    return sorted(_modules()["FORMAT"])


def live_feed(name: str) -> LiveFeed:
    """The live feed of a name. Raises SettingsError where there is none."""
    found = _load("FEED", "feed", name)
    assert isinstance(found, LiveFeed)
    return found


def file_format(name: str) -> FileFormat:
    """The file format of a name. Raises SettingsError where there is none."""
    found = _load("FORMAT", "format", name)
    assert isinstance(found, FileFormat)
    return found


def _load(kind: str, noun: str, name: str) -> object:
    modules = _modules()[kind]
    path = modules.get(name.lower().replace("_", "-"))
    if path is None:
        close = difflib.get_close_matches(name.lower(), modules, n=1)
        guess = f"Did you mean {close[0]}? " if close else ""
        raise SettingsError(
            f"There is no {noun} named {name[:40]!r}.", f"{guess}Known are {', '.join(sorted(modules))}."
        )
    return getattr(importlib.import_module(path), kind)
