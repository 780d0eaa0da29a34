"""The `flowtape` command: each verb is a module of `engine/commands`, imported only when it is asked for."""

from __future__ import annotations

import importlib
import os
import re
import signal
import sys
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Annotated, Any, NoReturn

import typer

from engine import __version__
from schemas.errors import FlowtapeError

VERBS: dict[str, str] = {
    "up": "Run everything on this machine: Redis, a feed, the indexer, a gateway and a live view.",
    "feed": "Run one vendor's live feed.",
    "replay": "Play a recorded file through the same path as live prints.",
    "index": "Run one indexer.",
    "serve": "Run a gateway: the live stream over WebSocket, and HTTP.",
    "query": "Search the trades, newest first.",
    "channels": "List, save, rename, share or delete a user's saved channels.",
    "tail": "Follow the live trades of a filter.",
    "dead": "List what could not be processed, or try it again.",
    "token": "Make a token, or a link that lets a browser in once.",
    "doctor": "Check the Redis in use and say what to change.",
    "bench": "Measure: ingest, search, match, fanout or live.",
}
"""The commands in the order of the help; `engine/commands/<verb>.py` holds a function of the same name."""

ABOVE: dict[str, str] = {"serve": "web.commands.serve"}
"""Verbs whose module lies in a layer above this one, which names it and imports nothing of it."""

INTERRUPTED, TERMINATED = 130, 143
"""Exit statuses after Ctrl-C and after SIGTERM, as shells count them."""


def build_app(verb: str | None = None) -> typer.Typer:
    """The command line with one verb loaded and the others only named; all are loaded where `verb` is None."""
    app = typer.Typer(
        name="flowtape",
        help="Real-time options flow on Redis.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_options)
    for name, short in VERBS.items():
        run = load(name) if verb in (None, name) else _named_only
        app.command(name, short_help=short)(run)
    return app


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and end the process: 0, or a status that says what went wrong."""
    signal.signal(signal.SIGTERM, _terminated)
    words = list(sys.argv[1:] if arguments is None else arguments) or ["--help"]
    completing = "_FLOWTAPE_COMPLETE" in os.environ
    verb = None if completing else next((word for word in words if not word.startswith("-")), "")
    try:
        build_app(verb)(_with_exclusions(words, verb), prog_name="flowtape")
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except Exception as error:
        known = explained(error)
        if known is None:
            raise
        print(f"flowtape: {known}", file=sys.stderr)
        sys.exit(known.exit_status)
    sys.exit(0)


def _with_exclusions(words: list[str], verb: str | None) -> list[str]:
    """Words of a filter that leave something out, as `-TSLA`, behind `--`: they are no options."""
    if verb not in ("query", "tail") or "--" in words:
        return words
    left_out = [word for word in words if re.match(r"-[^-]", word) and word != "-h"]
    if not left_out:
        return words
    return [word for word in words if word not in left_out] + ["--", *left_out]


def explained(error: BaseException) -> FlowtapeError | None:
    """The sentence for people of an error that is no mistake in the program; None for all others."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if isinstance(error, FlowtapeError):
        return error
    from redis import exceptions

    if isinstance(error, exceptions.BusyLoadingError):
        return FlowtapeError("Redis still reads its data.", "Try again in a moment.")
    if isinstance(error, exceptions.OutOfMemoryError):
        return FlowtapeError(
            "Redis is out of memory and refuses writes.",
            "Raise its maxmemory, or lower FLOWTAPE_TTL_NOTABLE and FLOWTAPE_TTL_ORDINARY.",
        )
    if isinstance(error, exceptions.ConnectionError | exceptions.TimeoutError):
        return FlowtapeError(f"Redis went away: {error}.", "Check that it runs; `flowtape doctor` says more.")
    if isinstance(error, exceptions.RedisError):
        return FlowtapeError(
            f"Redis refused a command: {error}.", "`flowtape doctor` checks whether it fits."
        )
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        return FlowtapeError(f"{where}{error.strerror or error}.")
    return None


def load(verb: str) -> Callable[..., Any]:
    """The function of a verb."""
    module = importlib.import_module(ABOVE.get(verb, f"engine.commands.{verb}"))
    run: Callable[..., Any] = getattr(module, verb)
    return run


def _named_only() -> None:
    """A verb that is not the one asked for."""


def _options(
    version: Annotated[
        bool,
        typer.Option("--version", help="Print the version and exit.", callback=_print_version, is_eager=True),
    ] = False,
) -> None:
    """Real-time options flow on Redis: vendor prints in, enriched and searchable trades out."""


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"flowtape {__version__}")
        raise typer.Exit


def _terminated(_number: int, _frame: FrameType | None) -> NoReturn:
    # Unwinds like Ctrl-C does, so that an embedded Redis is stopped and a batch in hand is finished.
    raise SystemExit(TERMINATED)


if __name__ == "__main__":
    main()
