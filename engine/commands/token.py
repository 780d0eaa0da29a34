"""`flowtape token`: makes a token, or a link that lets a browser in once."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final

import typer

from engine.access.secret import resolve_secret
from engine.access.tickets import TICKET_S, link, mint
from engine.access.tokens import Access
from engine.settings import Settings
from schemas.errors import SettingsError

LONGEST_S: Final = 366 * 86_400
"""A token is for a year at most."""

_UNITS: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


def token(
    user: Annotated[str, typer.Option(help="Whose token it is (`sub`).")],
    tier: Annotated[str, typer.Option(help="The user's tier: free, pro, premium, or one of the settings.")],
    expires: Annotated[str, typer.Option(help="How long it is good: 30m, 12h, 7d.")] = "12h",
    as_link: Annotated[
        bool, typer.Option("--link", help="Print a link that opens the page once, instead of a token.")
    ] = False,
    port: Annotated[int | None, typer.Option(help="The gateway's port, for --link.")] = None,
) -> None:
    """Make a token for a user; it is alone on the last line. A gateway with the same secret takes it."""
    settings = Settings.load(port=port)
    lifetime_s = seconds(expires)
    access = Access(settings, resolve_secret(settings, settings.host))
    if as_link:
        lifetime_s = min(lifetime_s, TICKET_S)
        made = link(settings, mint(access, user, tier, lifetime_s))
    else:
        made = access.issue(user, tier, lifetime_s)
    until = datetime.now(UTC) + timedelta(seconds=lifetime_s)
    typer.echo(f"For {user} ({tier}), until {until:%Y-%m-%d %H:%M} UTC.", err=True)
    typer.echo(made)


def seconds(text: str) -> int:
    """Seconds of a duration such as `12h`. Raises SettingsError unless it is 1 s to LONGEST_S."""
    parts = re.fullmatch(r"([0-9]{1,9})([smhd])", text)
    duration = int(parts[1]) * _UNITS[parts[2]] if parts else 0
    if not 1 <= duration <= LONGEST_S:
        raise SettingsError(
            f"--expires is {text!r}; expected a number with s, m, h or d, at most {LONGEST_S // 86_400}d.",
            "As in --expires 12h.",
        )
    return duration
