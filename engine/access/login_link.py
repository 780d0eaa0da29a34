"""The link by which the user of this machine opens the page: with a ticket that is always a fresh one."""

from __future__ import annotations

import getpass
import os
from typing import Final

import jwt

from engine.access.tickets import link, mint
from engine.access.tokens import USER_LENGTH, Access
from engine.settings import Settings
from schemas import keys

TIER: Final = "premium"
"""Of the user of this machine."""

RENEW_S: Final = 60
"""A ticket that is good for less than this gives way to a fresh one."""


class LoginLink:
    """A link to the settings' gateway, signed with `secret`. Raises SettingsError where that is unusable."""

    def __init__(self, settings: Settings, secret: str, user: str) -> None:
        self._settings = settings
        # Tickets need no key set, and opening one here would leave it to be closed.
        self._access = Access(settings.model_copy(update={"jwks_url": None}), secret)
        self._user = user
        self._make()

    def _make(self) -> None:
        ticket = mint(self._access, self._user, TIER)
        claims = jwt.decode(ticket, options={"verify_signature": False})
        self.url = link(self._settings, ticket)
        self.ticket_key = keys.ticket(claims["jti"])
        """Exists in Redis once the ticket was used."""
        self._expires = int(claims["exp"])

    def renew(self, used: bool, now: float) -> bool:
        """Make a fresh one where the ticket was used or nears its end at `now` (unix s); whether it did."""
        if not used and self._expires - now > RENEW_S:
            return False
        self._make()
        return True


def login_name() -> str:
    """The name of this machine's user; the number where it has none."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):
        name = ""
    return name if 1 <= len(name) <= USER_LENGTH and name.isprintable() else f"uid {os.getuid()}"
