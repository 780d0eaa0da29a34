"""The page as it is served: its files in the form that a browser takes, its policy, and where it is missing."""

from __future__ import annotations

import asyncio
import gzip
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.settings import Settings
from schemas.errors import SettingsError
from tests.http_gateway import Client, asking
from web import page as module
from web.page import ENCODINGS, NONCE, PAGE_BYTES, BuiltPage, open_page, preferred
from web.server import check

SCRIPT = b"console.log('a page')\n" * 40
INDEX = f'<!doctype html><meta name="style-nonce" content="{NONCE}"><script src="/assets/a-1.js"></script>'
BOTH = dict.fromkeys(ENCODINGS, b"")


@pytest.fixture
def built(tmp_path: Path) -> Path:
    """A folder as the build leaves it."""
    assets = tmp_path / "page" / "assets"
    assets.mkdir(parents=True)
    (tmp_path / "page" / "index.html").write_text(INDEX, encoding="utf-8")
    (assets / "a-1.js").write_bytes(SCRIPT)
    (assets / "a-1.js.gz").write_bytes(gzip.compress(SCRIPT))
    # No test reads Brotli; only whoever asked for it may get this.
    (assets / "a-1.js.br").write_bytes(b"brotli")
    (assets / "b-2.css").write_bytes(b"a{}")
    (assets / "c-3.bin").write_bytes(b"\0")
    return tmp_path / "page"


def test_the_page_has_a_nonce_of_its_own_each_time(settings: Settings, built: Path) -> None:
    async def work(ask: Client) -> None:
        nonces = set()
        for _ in range(3):
            answer = await ask.http.get("/")
            assert answer.headers["content-type"] == "text/html; charset=utf-8"
            assert answer.headers["cache-control"] == "no-store"
            [nonce] = re.findall(r'name="style-nonce" content="([\w-]{22})"', answer.text)
            assert NONCE not in answer.text
            assert f"style-src 'self' 'nonce-{nonce}';" in answer.headers["content-security-policy"]
            nonces.add(nonce)
        assert len(nonces) == 3

    asking(settings, work, page_dir=built)


def test_the_page_runs_nothing_that_is_not_the_gateways(settings: Settings, built: Path) -> None:
    async def work(ask: Client) -> None:
        answer = await ask.http.get("/")
        policy = dict(
            part.strip().split(" ", 1) for part in answer.headers["content-security-policy"].split(";")
        )
        assert policy["default-src"] == "'none'"
        assert policy["script-src"] == policy["connect-src"] == "'self'"
        assert policy["frame-ancestors"] == policy["base-uri"] == "'none'"
        assert not any("unsafe" in allowed or "*" in allowed for allowed in policy.values())
        assert answer.headers["cross-origin-opener-policy"] == "same-origin"
        assert "microphone=()" in answer.headers["permissions-policy"]
        assert answer.headers["x-content-type-options"] == "nosniff"

    asking(settings, work, page_dir=built)


def test_who_is_not_signed_in_gets_the_page_too(settings: Settings, built: Path) -> None:
    async def work(ask: Client) -> None:
        assert (await ask.http.get("/")).text.startswith("<!doctype html><meta")
        assert (await ask.http.get("/assets/a-1.js")).content == SCRIPT

    asking(settings, work, page_dir=built)


@pytest.mark.parametrize(
    ("accepted", "encoding"),
    [
        ("", None),
        ("gzip, deflate, br, zstd", "br"),
        ("gzip", "gzip"),
        ("GZIP", "gzip"),
        ("gzip;q=1.0, br;q=0.5", "gzip"),
        ("gzip;q=0.5, br;q=0.5", "br"),
        ("br;q=0, gzip;q=0", None),
        ("*", "br"),
        ("*;q=0", None),
        ("br;q=0, *", "gzip"),
        ("identity", None),
        ("identity;q=0.5, gzip;q=0.4", None),
        ("identity;q=0.5, gzip;q=0.5", "gzip"),
        ("identity;q=0, gzip;q=0.1", "gzip"),
        ("deflate, zstd", None),
        ("brotli, xgzip", None),
        ("br;q=nan, gzip;q=x", None),
        ("br;q=2, gzip;q=-1", None),
        ("br ; q = 0.9 , gzip ; Q=0.8", "br"),
        (",;,=;q", None),
    ],
)
def test_the_form_is_the_one_that_the_browser_likes_best(accepted: str, encoding: str | None) -> None:
    assert preferred(accepted, BOTH) == encoding


def test_only_a_form_that_is_there_is_chosen() -> None:
    assert preferred("br, gzip", {"gzip": b""}) == "gzip"
    assert preferred("br, gzip", {}) is None


@given(st.text(st.sampled_from("bgrzip*identity;q=.01, "), max_size=40) | st.text(max_size=40))
def test_whatever_a_browser_says_it_accepts_some_form_is_chosen(accepted: str) -> None:
    assert preferred(accepted, BOTH) in (None, *ENCODINGS)


def test_a_file_is_kept_for_good_and_sent_in_one_of_its_forms(settings: Settings, built: Path) -> None:
    async def work(ask: Client) -> None:
        plain = await ask.http.get("/assets/a-1.js", headers={"Accept-Encoding": "identity"})
        assert plain.content == SCRIPT
        assert "content-encoding" not in plain.headers
        zipped = await ask.http.get("/assets/a-1.js", headers={"Accept-Encoding": "gzip"})
        assert (zipped.headers["content-encoding"], zipped.content) == ("gzip", SCRIPT)
        async with ask.http.stream("GET", "/assets/a-1.js", headers={"Accept-Encoding": "br"}) as brotli:
            assert brotli.headers["content-encoding"] == "br"
            assert b"".join([chunk async for chunk in brotli.aiter_raw()]) == b"brotli"
        css = await ask.http.get("/assets/b-2.css", headers={"Accept-Encoding": "br, gzip"})
        assert (css.content, "content-encoding" in css.headers) == (b"a{}", False)
        for answer in (plain, zipped, brotli, css):
            assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
            assert answer.headers["vary"] == "Accept-Encoding"

    asking(settings, work, page_dir=built)


def test_types_do_not_hang_on_the_tables_of_the_system(settings: Settings, built: Path) -> None:
    async def work(ask: Client) -> None:
        types = [
            (await ask.http.get(f"/assets/{name}")).headers["content-type"]
            for name in ("a-1.js", "b-2.css", "c-3.bin")
        ]
        assert types == [
            "text/javascript; charset=utf-8",
            "text/css; charset=utf-8",
            "application/octet-stream",
        ]

    asking(settings, work, page_dir=built)


@pytest.mark.parametrize(
    "path",
    [
        "/assets/",
        "/assets/b-9.js",
        "/assets/a-1.js.br",
        "/assets/..%2findex.html",
        "/assets/a-1.js/",
        "/index.html",
    ],
)
def test_what_is_no_file_of_the_page_is_a_problem(settings: Settings, built: Path, path: str) -> None:
    async def work(ask: Client) -> None:
        answer = await ask.http.get(path)
        assert answer.status_code == 404
        assert answer.headers["content-type"] == "application/problem+json"

    asking(settings, work, page_dir=built)


def test_heads_and_the_icon_that_is_not_there_make_no_noise(settings: Settings, built: Path) -> None:
    async def work(ask: Client) -> None:
        for path in ("/", "/assets/a-1.js"):
            head, get = await ask.http.head(path), await ask.http.get(path)
            assert head.status_code == 200
            assert head.headers["content-length"] == get.headers["content-length"]
        icon = await ask.http.get("/favicon.ico")
        assert icon.status_code == 204
        assert icon.headers["cache-control"] == "public, max-age=86400"

    asking(settings, work, page_dir=built)


def test_a_ticket_that_is_refused_shows_a_plain_page(settings: Settings, built: Path) -> None:
    async def work(ask: Client) -> None:
        refused = await ask.http.get("/", params={"ticket": "wrong", "q": "SPY"})
        assert refused.status_code == 403
        assert "nonce-" not in refused.headers["content-security-policy"]
        assert "<script" not in refused.text

    asking(settings, work, page_dir=built)


def test_where_the_page_was_not_built_the_greeting_says_how(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BUILT", tmp_path / "dist")

    async def work(ask: Client) -> None:
        for answer in (await ask.http.get("/"), await ask.get("/")):
            assert answer.status_code == 200
            assert "run scripts/page" in answer.text
        assert "Signed in as ann (premium)" in answer.text
        assert (await ask.http.get("/assets/a-1.js")).status_code == 404
        assert (await ask.http.get("/favicon.ico")).status_code == 204

    asking(settings, work)


def test_a_folder_without_a_page_is_a_wrong_setting(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(SettingsError, match="holds no built page"):
            open_page(Settings.load(page_dir=folder))
        with pytest.raises(SettingsError, match="scripts/page"):
            asyncio.run(check(Settings.load(page_dir=folder, redis_url="redis://127.0.0.1:1")))


def test_a_page_that_is_too_large_is_not_held(built: Path) -> None:
    with (built / "assets" / "d-4.js").open("wb") as file:
        file.truncate(PAGE_BYTES)
    with pytest.raises(SettingsError, match=str(PAGE_BYTES)):
        BuiltPage(built)
