"""The secret that tokens are signed with: the configured one, or one of this machine's own."""

from __future__ import annotations

import logging
import os
import secrets
import stat
from contextlib import suppress
from pathlib import Path
from typing import Final

from engine.access.loopback import is_loopback
from engine.settings import Settings
from engine.store.embedded import default_data
from schemas.errors import SettingsError

SECRET_BYTES: Final = 32
"""A secret has at least so many bytes, as many as the signature (RFC 7518, 3.2)."""

SECRET_FILE: Final = "jwt_secret"  # noqa: S105 - its name
"""In the data folder: the secret that was made for this machine."""

_FILE_BYTES: Final = 4_096
"""Read of that file at most."""

_MAKE_ONE: Final = (
    "Make one with `openssl rand -base64 32`, or name the key set of your identity provider in "
    "FLOWTAPE_JWKS_URL."
)

_log = logging.getLogger(__name__)


def resolve_secret(settings: Settings, host: str) -> str | None:
    """The secret of a gateway that listens on `host`; None where a key set alone says who may.

    Where neither is configured and `host` is this machine alone, it is read from the data folder, and made at
    first use: the same for every command of this user. Raises SettingsError where there is none, or where it is
    too short for a host that others reach.
    """
    if settings.jwt_secret is not None:
        return _judged(settings.jwt_secret.get_secret_value(), host)
    if settings.jwks_url is not None:
        return None
    if not is_loopback(host):
        raise SettingsError(
            f"A gateway on {host} can be reached by others, and nothing says whose tokens it takes.",
            f"Set FLOWTAPE_JWT_SECRET to {SECRET_BYTES} bytes or more. {_MAKE_ONE}",
        )
    folder = settings.data_dir or default_data()
    try:
        return _own_secret(folder / SECRET_FILE)
    except OSError as error:
        raise SettingsError(
            f"The secret of this machine cannot be kept in {folder}: {error.strerror or error}.",
            "Set FLOWTAPE_DATA_DIR to a folder that can be written, or FLOWTAPE_JWT_SECRET.",
        ) from error


def _judged(secret: str, host: str) -> str:
    length = len(secret.encode())
    if length >= SECRET_BYTES:
        return secret
    found = f"FLOWTAPE_JWT_SECRET has {length} bytes, expected at least {SECRET_BYTES}: it can be guessed."
    if not secret or not is_loopback(host):
        raise SettingsError(found, _MAKE_ONE)
    _log.warning("%s %s", found, _MAKE_ONE)
    return secret


def _own_secret(path: Path) -> str:
    with suppress(FileNotFoundError):
        return _read(path)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    file = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(file, "w", encoding="ascii") as written:
            written.write(secrets.token_urlsafe(SECRET_BYTES) + "\n")
            written.flush()
            os.fsync(written.fileno())
        # A link appears whole or not at all, and never replaces what another process was first to make.
        with suppress(FileExistsError):
            path.hardlink_to(draft)
    finally:
        draft.unlink()
    return _read(path)


def _read(path: Path) -> str:
    file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(file, "rb") as opened:
        found = os.fstat(opened.fileno())
        if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid():
            raise SettingsError(f"{path} is not a file of yours.", "Remove it; a new one is made.")
        if found.st_mode & 0o077:
            raise SettingsError(
                f"{path} can be read by others (mode {stat.S_IMODE(found.st_mode):o}, expected 600).",
                "Remove it, so that a new secret is made.",
            )
        secret = opened.read(_FILE_BYTES).strip()
    if len(secret) < SECRET_BYTES or not secret.isascii():
        raise SettingsError(f"{path} holds no secret.", "Remove it; a new one is made.")
    return secret.decode("ascii")
