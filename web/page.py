"""The trader's page: the files that Vite built, read once at start, each sent in the form that the browser takes."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from engine.settings import Settings
from schemas.errors import SettingsError
from web.headers import PAGE_HEADERS, PAGE_POLICY

BUILT: Final = Path(__file__).parent / "ui" / "dist"
"""Where `scripts/page` leaves the page, and where a wheel has it."""

NONCE: Final = "STYLE_NONCE"
"""Stands in the built page where the nonce for its libraries' style sheets goes."""

PAGE_BYTES: Final = 32 * 1_048_576
"""Bytes of a built page at most, compressed forms included: all of it is held in memory."""

KEPT: Final = "public, max-age=31536000, immutable"
"""The name of an asset holds a hash of its content, so a browser may keep it for good."""

NO_ICON_S: Final = 86_400
"""How long a browser need not ask again for the icon that is not there."""

ENCODINGS: Final = {"br": ".br", "gzip": ".gz"}
"""Compressed forms, the better first, and how the build calls their files; it makes none that would not be smaller."""

TYPES: Final = {
    ".css": "text/css",
    ".js": "text/javascript",
    ".json": "application/json",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".txt": "text/plain",
    ".woff2": "font/woff2",
}
"""By ending, and not by the tables of the system, which differ."""


@dataclass(frozen=True, slots=True)
class Asset:
    """One file below `/assets/`."""

    media_type: str
    content: bytes
    encoded: Mapping[str, bytes]
    """By the name of the encoding."""


class BuiltPage:
    """A built page. Raises SettingsError where a folder holds none, or one that is too large."""

    def __init__(self, folder: Path) -> None:
        index = folder / "index.html"
        if not index.is_file():
            raise SettingsError(f"{folder} holds no built page.", "Build it with scripts/page.")
        size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        if size > PAGE_BYTES:
            raise SettingsError(f"{folder} holds {size} bytes; a page has at most {PAGE_BYTES}.")
        self._index = index.read_text(encoding="utf-8")
        self._assets = read_assets(folder / "assets")

    def index(self) -> Response:
        """The page itself. The nonce in it is good for this answer alone, so it is never stored."""
        nonce = secrets.token_urlsafe(16)
        policy = PAGE_POLICY.format(nonce=nonce)
        return Response(
            self._index.replace(NONCE, nonce),
            media_type="text/html",
            headers={**PAGE_HEADERS, "Cache-Control": "no-store", "Content-Security-Policy": policy},
        )

    async def asset(self, request: Request) -> Response:
        """One of its files."""
        asset = self._assets.get(request.path_params["name"])
        if asset is None:
            raise HTTPException(HTTPStatus.NOT_FOUND)
        headers = {"Cache-Control": KEPT, "Vary": "Accept-Encoding"}
        encoding = preferred(request.headers.get("accept-encoding", ""), asset.encoded)
        if encoding is None:
            return Response(asset.content, media_type=asset.media_type, headers=headers)
        return Response(
            asset.encoded[encoding],
            media_type=asset.media_type,
            headers={**headers, "Content-Encoding": encoding},
        )


def open_page(settings: Settings) -> BuiltPage | None:
    """The page of the settings, else the one that came with the program; None where that was not built."""
    if settings.page_dir is not None:
        return BuiltPage(settings.page_dir)
    return BuiltPage(BUILT) if (BUILT / "index.html").is_file() else None


def routes(page: BuiltPage | None) -> list[BaseRoute]:
    """The routes of the page's files; `/` itself is web/access.py's, where tickets land."""
    assets = [] if page is None else [Route("/assets/{name}", page.asset)]
    return [Route("/favicon.ico", _no_icon), *assets]


def read_assets(folder: Path) -> dict[str, Asset]:
    """Every file of a folder by its name, with its compressed forms."""
    return {
        path.name: Asset(
            TYPES.get(path.suffix, "application/octet-stream"),
            path.read_bytes(),
            {
                encoding: form.read_bytes()
                for encoding, ending in ENCODINGS.items()
                if (form := path.with_name(path.name + ending)).is_file()
            },
        )
        for path in (sorted(folder.iterdir()) if folder.is_dir() else [])
        if path.is_file() and path.suffix not in ENCODINGS.values()
    }


def preferred(accepted: str, encoded: Mapping[str, bytes]) -> str | None:
    """Which of the encodings that are there an `Accept-Encoding` likes best; None for the content as it is."""
    weights = dict(_weighted(part) for part in accepted.lower().split(","))
    rest = weights.get("*", 0.0)
    best, most = None, weights.get("identity", 0.0)
    for encoding in ENCODINGS:
        weight = weights.get(encoding, rest)
        # At equal weights the better one is taken, and any rather than none.
        if encoding in encoded and weight > 0 and (weight > most or (best is None and weight == most)):
            best, most = encoding, weight
    return best


def _weighted(part: str) -> tuple[str, float]:
    """A name and its weight from 0 to 1, as `gzip;q=0.5` says it; a weight that is none counts as 0."""
    name, _, parameter = part.partition(";")
    key, _, value = parameter.strip().partition("=")
    if key.strip() != "q":
        return name.strip(), 1.0
    try:
        weight = float(value)
    except ValueError:
        return name.strip(), 0.0
    return name.strip(), weight if 0 <= weight <= 1 else 0.0


async def _no_icon(_request: Request) -> Response:
    """The page names its icon itself; browsers ask here for pages that have none, and are told not to again."""
    return Response(
        status_code=HTTPStatus.NO_CONTENT, headers={"Cache-Control": f"public, max-age={NO_ICON_S}"}
    )
