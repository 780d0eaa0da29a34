"""The trader's page: the files that Vite built, held in memory, each in the form that a browser takes."""

from __future__ import annotations

import gzip
import mimetypes
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from web.headers import PAGE_POLICY

BUILT: Final = Path(__file__).parent / "ui" / "dist"
"""Where the build leaves the page."""

NONCE: Final = "STYLE_NONCE"
"""Stands in the built page where the nonce for its libraries' style sheets goes."""

KEPT: Final = "public, max-age=31536000, immutable"
"""The name of an asset holds a hash of its content, so a browser may keep it for good."""


@dataclass(frozen=True, slots=True)
class Asset:
    """One file below `/assets/`."""

    content: bytes
    zipped: bytes
    media_type: str


def read_assets(folder: Path) -> dict[str, Asset]:
    """Every asset of a built page by its name."""
    found = {}
    for path in sorted((folder / "assets").iterdir()):
        content = path.read_bytes()
        media_type = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        found[path.name] = Asset(content, gzip.compress(content, mtime=0), media_type)
    return found


class BuiltPage:
    """A built page."""

    def __init__(self, folder: Path) -> None:
        self._index = (folder / "index.html").read_text(encoding="utf-8")
        self._assets = read_assets(folder)

    def index(self) -> Response:
        """The page itself, with a nonce of its own for the style sheets that its libraries make."""
        nonce = secrets.token_urlsafe(16)
        return Response(
            self._index.replace(NONCE, nonce),
            media_type="text/html",
            headers={"Cache-Control": "no-store", "Content-Security-Policy": PAGE_POLICY.format(nonce=nonce)},
        )

    async def asset(self, request: Request) -> Response:
        """One of its files."""
        asset = self._assets.get(request.path_params["name"])
        if asset is None:
            return Response(status_code=404)
        headers = {"Cache-Control": KEPT, "Vary": "Accept-Encoding"}
        if "gzip" in request.headers.get("accept-encoding", ""):
            return Response(
                asset.zipped, media_type=asset.media_type, headers={**headers, "Content-Encoding": "gzip"}
            )
        return Response(asset.content, media_type=asset.media_type, headers=headers)

    def routes(self) -> list[BaseRoute]:
        """The route of its files; `/` itself is web/access.py's, where tickets land."""
        return [Route("/assets/{name}", self.asset)]
