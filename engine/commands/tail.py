"""`flowtape tail`: the live trades of a filter or saved channel in a terminal, newest at the bottom."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated, Final
from urllib.parse import urlsplit

import typer
from rich.console import Console
from rich.text import Text

from engine.access.login_link import TIER, login_name
from engine.access.loopback import is_loopback
from engine.access.secret import resolve_secret
from engine.access.tokens import TOKEN_BYTES, Access
from engine.client import StreamClient
from engine.client.address import stream_url
from engine.client.stream import Token
from engine.settings import Settings
from engine.terminal.tail_view import TailView, greeting
from schemas.errors import FlowtapeError, SettingsError
from schemas.filter_text import filter_text, parse_filter

SNAPSHOT: Final = 10
"""Rows to begin with where no number is given."""

KEPT_ROWS: Final = 10_000
"""Shown rows that are remembered, so that a correction of one is marked as such."""

TOKEN_S: Final = 12 * 3_600
"""A token that is made here is good for so long; then another one is made."""


def tail(
    text: Annotated[
        list[str] | None,
        typer.Argument(help="The filter, as 'SPY,QQQ calls premium>=100k -multi_leg'; none is every trade."),
    ] = None,
    channel: Annotated[
        str | None, typer.Option(help="A saved channel, by name or link id, instead of a filter.")
    ] = None,
    snapshot: Annotated[
        int, typer.Option(help="Trades of the past to begin with.", min=0, max=1_000_000)
    ] = SNAPSHOT,
    as_json: Annotated[bool, typer.Option("--json", help="Print one object a line.")] = False,
    url: Annotated[
        str | None, typer.Option(help="The gateway to follow instead of FLOWTAPE_GATEWAY_URL.", metavar="URL")
    ] = None,
    token_file: Annotated[
        Path | None,
        typer.Option(
            help="File with a token, instead of FLOWTAPE_TOKEN; read again when the token has expired."
        ),
    ] = None,
    user: Annotated[
        str | None,
        typer.Option(
            help="User of the token that is made for a gateway on this machine; unset, your login name."
        ),
    ] = None,
    tier: Annotated[str, typer.Option(help="Tier of that token.")] = TIER,
) -> None:
    """Follow the live trades of a filter; Ctrl-C ends it. docs/filters.md describes the filter.

    A row that begins with ~ was shown before and has changed; one with - no longer passes the filter.

    Put a filter in quotes where it has > < | or *, and -- before one that begins with a minus.
    """
    if channel is not None and text:
        raise SettingsError("A filter and a channel were given.", "Give one of them.")
    wanted = None if channel is not None else parse_filter(" ".join(text or ()))
    settings = Settings.load(gateway_url=url)
    token = _token(settings, token_file, user or login_name(), tier)
    title = f"channel {channel}" if wanted is None else filter_text(wanted)
    output, remarks = Console(highlight=False), Console(stderr=True, highlight=False, soft_wrap=True)
    view = TailView(title, output.width if output.is_terminal else None, as_json=as_json)

    def show(lines: list[Text]) -> None:
        for line in lines:
            output.print(line, no_wrap=True, overflow="ignore", crop=False)
        output.file.flush()

    def say(sentences: list[str]) -> None:
        for sentence in sentences:
            remarks.print(Text(sentence, "dim"))

    async def follow() -> None:
        async with StreamClient(settings.gateway_url, token) as stream:
            subscription = await stream.subscribe(wanted, channel=channel, snapshot=snapshot, keep=KEPT_ROWS)
            say(greeting(stream.welcome))
            show(view.opening())
            async for event in subscription:
                lines, sentences = view.take(event, subscription.changes, stream.columns)
                show(lines)
                say(sentences)

    asyncio.run(follow())


def _token(settings: Settings, file: Path | None, user: str, tier: str) -> Token:
    """The token to come with, or what gives one whenever the gateway wants a fresh one."""
    if file is not None:
        return lambda: _read(file)
    if settings.token is not None:
        return settings.token.get_secret_value().strip()
    host = urlsplit(stream_url(settings.gateway_url)).hostname or ""
    secret = resolve_secret(settings, host) if settings.jwt_secret or is_loopback(host) else None
    if secret is None:
        raise SettingsError(
            f"There is no token for the gateway on {host}.",
            "Set FLOWTAPE_TOKEN, or name a file with --token-file.",
        )
    access = Access(settings, secret)
    return lambda: access.issue(user, tier, TOKEN_S)


def _read(file: Path) -> str:
    with file.open("rb") as opened:
        found = opened.read(TOKEN_BYTES + 1).strip()
    if not found or len(found) > TOKEN_BYTES or not found.isascii():
        raise FlowtapeError(f"{file} holds no token.", "`flowtape token` makes one.")
    return found.decode("ascii")
