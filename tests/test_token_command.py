"""`flowtape token`: its last line is the token, and a gateway on this machine takes it."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from engine.access.secret import resolve_secret
from engine.access.tickets import TICKET_S, redeem
from engine.access.tokens import Access, Identity
from engine.commands.token import LONGEST_S, seconds
from engine.settings import Settings
from engine.store.connect import connect_async
from schemas.errors import SettingsError

ROOT = Path(__file__).parents[1]


def token(*arguments: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "engine.cli", "token", *arguments],
        cwd=ROOT,
        env={**os.environ, "FLOWTAPE_DATA_DIR": str(folder), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_last_line_is_a_token_that_this_machines_gateway_takes(tmp_path: Path) -> None:
    result = token("--user", "ann", "--tier", "premium", folder=tmp_path)
    assert result.returncode == 0, result.stderr
    assert result.stdout.count("\n") == 1
    assert "For ann (premium), until " in result.stderr
    settings = Settings.load(data_dir=tmp_path)
    access = Access(settings, resolve_secret(settings, "localhost"))
    identity = asyncio.run(access.identify(result.stdout.strip()))
    assert (identity.user, identity.tier.name) == ("ann", "premium")
    assert 12 * 3_600 - 300 < identity.expires - time.time() <= 12 * 3_600


def test_a_configured_secret_issuer_and_expiry_are_used(tmp_path: Path) -> None:
    secret = "a secret for tests that is long enough"  # noqa: S105
    result = token(
        "--user", "ann", "--tier", "whale", "--expires", "30m", folder=tmp_path, FLOWTAPE_JWT_SECRET=secret,
        FLOWTAPE_JWT_AUDIENCE="flowtape", FLOWTAPE_JWT_ISSUER="here",
        FLOWTAPE_TIERS='{"whale": {"delivery": "push", "interval_ms": 20, "delay_s": 0, "rows": 500,'
        ' "subscriptions": 99, "channels": 9, "alerts": 9}}',
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    whale = {
        "delivery": "push", "interval_ms": 20, "delay_s": 0, "rows": 500, "subscriptions": 99, "channels": 9,
        "alerts": 9,
    }  # fmt: skip
    settings = Settings.load(tiers={"whale": whale}, jwt_audience="flowtape", jwt_issuer="here")
    identity = asyncio.run(Access(settings, secret).identify(result.stdout.strip()))
    assert identity.tier.name == "whale"
    assert 1_500 < identity.expires - time.time() <= 1_800
    assert not list(tmp_path.iterdir())


def test_an_unknown_tier_is_one_line_that_names_the_known_ones(tmp_path: Path) -> None:
    result = token("--user", "ann", "--tier", "gold", folder=tmp_path)
    assert result.returncode == 1
    assert result.stdout == ""
    assert result.stderr == "flowtape: There is no tier 'gold'. Known are free, premium, pro.\n"


def test_with_a_key_set_alone_it_says_where_tokens_come_from(tmp_path: Path) -> None:
    url = "https://id.example.com/jwks.json"
    result = token("--user", "ann", "--tier", "pro", folder=tmp_path, FLOWTAPE_JWKS_URL=url)
    assert result.returncode == 2
    assert "its owner makes the tokens" in result.stderr


def test_a_short_secret_is_warned_of_beside_the_token(tmp_path: Path) -> None:
    result = token("--user", "ann", "--tier", "pro", folder=tmp_path, FLOWTAPE_JWT_SECRET="short")  # noqa: S106
    assert result.returncode == 0
    assert "5 bytes, expected at least 32" in result.stderr
    assert result.stdout.count("\n") == 1


def test_a_link_holds_a_ticket_that_lets_in_once(settings: Settings, tmp_path: Path) -> None:
    result = token("--user", "ann", "--tier", "pro", "--link", "--port", "8123", folder=tmp_path)
    assert result.returncode == 0, result.stderr
    address, _, ticket = result.stdout.strip().partition("?ticket=")
    assert address == "http://127.0.0.1:8123/"

    async def use() -> Identity:
        client = connect_async(settings)
        try:
            own = resolve_secret(Settings.load(data_dir=tmp_path), "127.0.0.1")
            return await redeem(Access(settings, own), client, ticket)
        finally:
            await client.aclose()

    identity = asyncio.run(use())
    assert identity.user == "ann"
    assert identity.expires <= time.time() + TICKET_S


@pytest.mark.parametrize(
    ("text", "expected"), [("1s", 1), ("30m", 1_800), ("12h", 43_200), ("7d", 604_800), ("366d", LONGEST_S)]
)
def test_how_long_a_token_is_good(text: str, expected: int) -> None:
    assert seconds(text) == expected


@pytest.mark.parametrize(
    "text", ["", "0h", "12", "h", "-1h", "1.5h", "12 h", "12H", "367d", "9999999999s", "١h"]
)
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="As in --expires 12h"):
        seconds(text)
