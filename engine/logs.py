"""Log lines of long-running commands: JSON or text, one line an event, times in UTC, and no secrets in them.

Everything that logs through `logging` (our modules, uvicorn, redis) passes through the same processors. What is left
out, and how values are bounded, is said in docs/metrics.md.
"""

from __future__ import annotations

import json
import logging
import re
import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any, Final, TextIO

import structlog
from structlog.contextvars import bound_contextvars, merge_contextvars
from structlog.stdlib import ProcessorFormatter
from structlog.typing import EventDict, Processor, WrappedLogger

from engine.settings import Settings

HIDDEN: Final = "[hidden]"
"""Stands where a secret was."""

LONGEST_TEXT: Final = 8_192
"""Characters of one value; what is longer is cut and says so."""

MOST_ITEMS: Final = 64
"""Of a list or map in a value; the rest is left out."""

DEEPEST: Final = 6
"""How deep lists and maps may nest; what is deeper is written as Python would."""

_CARRIERS: Final = ("uvicorn.error", "websockets", "httpx", "httpcore", "urllib3")
"""Libraries that write frames and headers down when they debug, in hex too, and each connection when they inform."""

_CARRIERS_LEVEL: Final = {"debug": "info", "info": "warning"}
"""What they are heard from, by the level of the rest."""

_TELLING_WORD = (
    r"(?:token|secret|ticket|passwd|password|authorization|cookie|credential|signature|jwt|api_?key)"
)
_SECRET_NAME = re.compile(rf"{_TELLING_WORD}|(?:^|[_\-.])keys?$|^auth$", re.IGNORECASE)

# The lengths are bounded so that no text makes the search slow.
_NAME_IN_TEXT = rf"(?:[\w-]{{0,24}}{_TELLING_WORD}[\w-]{{0,24}}|(?:\b|[\w-]{{0,24}}[_-])key)"

_SECRETS_IN_TEXT: Final = (
    # A JWT, signed or encrypted: parts in base64url, of which the first is a JSON object.
    (re.compile(r"ey[A-Z][A-Za-z0-9_-]{7,}+\.[A-Za-z0-9_-]{2,}+(?:\.[A-Za-z0-9_-]*+){0,3}"), HIDDEN),
    # Whole headers, as a line of their own.
    (re.compile(r"\b((?:set-)?cookie|authorization)(:\s*)[^\r\n]+", re.IGNORECASE), rf"\1\2{HIDDEN}"),
    (re.compile(r"\b(bearer|basic)(\s+)[^\s'\",;]+", re.IGNORECASE), rf"\1\2{HIDDEN}"),
    # redis://user:password@host; a password may hold an @.
    (re.compile(r"(://[^/\s:@'\"]*):[^\s'\"/]*@"), rf"\1:{HIDDEN}@"),
    # ?ticket=..., --token=...
    (re.compile(rf"({_NAME_IN_TEXT}\s{{0,3}}=\s{{0,3}})[^&\s'\",;)\]}}]+", re.IGNORECASE), rf"\1{HIDDEN}"),
    # {"token": "..."} and ("cookie", "...")
    (
        re.compile(
            rf"""(b?(['"]){_NAME_IN_TEXT}\2\s{{0,3}}[:,]\s{{0,3}})b?(?:'[^']*'?|"[^"]*"?)""", re.IGNORECASE
        ),
        rf"\1{HIDDEN}",
    ),
)

_TELLING = re.compile(rf"{_TELLING_WORD}|key|ey[A-Z]|bearer|basic|://", re.IGNORECASE)
"""Without any of these a text holds none of the above; looking for them costs less."""

_SEVERAL = re.compile(r"""^$|[\s="'\\]""")

_CONTROLS: Final = {
    code: f"\\x{code:02x}" for code in (*range(0x20), *range(0x7F, 0xA0)) if code not in (0x09, 0x0A, 0x0D)
} | {0x09: "\\t", 0x0A: "\\n", 0x0D: "\\r", 0x2028: "\\u2028", 0x2029: "\\u2029"}
"""Characters that end a line or steer a terminal, and what is written for them."""


def configure(settings: Settings, stream: TextIO | None = None) -> None:
    """Send all logging of this process to `stream`, standard error by default, in the settings' form and level.

    uvicorn must be started with `log_config=None`, else it sets up its own.
    """
    shared: list[Processor] = [
        merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.stdlib.ExtraAdder(),
        structlog.stdlib.PositionalArgumentsFormatter(),
        _drop_colours,
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
    ]
    render: Processor = render_json if settings.log_format == "json" else render_text
    handler = logging.StreamHandler(stream if stream is not None else sys.stderr)
    handler.setFormatter(
        ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[ProcessorFormatter.remove_processors_meta, hide_secrets, render],
        )
    )
    root = logging.getLogger()
    for old in root.handlers[:]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(settings.log_level.upper())
    for name in _CARRIERS:
        logging.getLogger(name).setLevel(_CARRIERS_LEVEL.get(settings.log_level, settings.log_level).upper())
    # Their own handlers would write a second line, without our processors.
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *shared, ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


def session_context(**values: str | int) -> AbstractContextManager[None]:
    """Within it every line of this task, of whichever logger, carries the values: session, user, tier.

    Tasks that are started within it carry them too.
    """
    return bound_contextvars(**values)


def hide_secrets(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """The event with secrets left out, and every value bounded and of plain types."""
    return {
        clean_text(str(name)): HIDDEN if _is_secret(name) else _clean(value, 1)
        for name, value in event.items()
    }


def clean_text(text: str) -> str:
    """A text without the secrets that can be told by their form, and not too long."""
    if len(text) > LONGEST_TEXT:
        # Cut before looking: the cost stays bounded. A JWT that is cut in two is still told by its beginning.
        text = f"{text[:LONGEST_TEXT]} ... {len(text) - LONGEST_TEXT} more characters"
    if _TELLING.search(text) is not None:
        for pattern, instead in _SECRETS_IN_TEXT:
            text = pattern.sub(instead, text)
    return text


def render_json(_logger: WrappedLogger, _method: str, event: EventDict) -> str:
    """One JSON object, in ASCII: whatever a text holds, the line is one line."""
    return json.dumps(_in_order(event))


def render_text(_logger: WrappedLogger, _method: str, event: EventDict) -> str:
    """One line for people; lines of a traceback follow, each behind a bar."""
    fields = _in_order(event)
    head = [fields.pop("timestamp", ""), f"{fields.pop('level', ''):<8}", fields.pop("event", "")]
    traceback = [*_lines(fields.pop("exception", "")), *_lines(fields.pop("stack", ""))]
    logger = fields.pop("logger", "")
    words = [*head, *(f"{name}={_word(value)}" for name, value in fields.items())]
    if logger:
        words.append(f"[{logger}]")
    line = " ".join(_one_line(word) for word in words)
    return "\n".join([line, *(f"    | {_one_line(part)}" for part in traceback)])


def _drop_colours(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    # uvicorn says each thing a second time, for terminals.
    event.pop("color_message", None)
    return event


def _in_order(event: EventDict) -> dict[str, Any]:
    first = ("timestamp", "level", "event", "logger")
    return {
        **{name: event[name] for name in first if name in event},
        **{name: value for name, value in event.items() if name not in first},
    }


def _is_secret(name: object) -> bool:
    return _SECRET_NAME.search(str(name)) is not None


def _clean(value: object, depth: int) -> object:
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, str):
        return clean_text(str(value))
    if isinstance(value, bytes | bytearray | memoryview):
        return clean_text(repr(bytes(value[:LONGEST_TEXT])))
    if depth < DEEPEST and isinstance(value, Mapping):
        return {
            clean_text(str(name)): HIDDEN if _is_secret(name) else _clean(one, depth + 1)
            for name, one in list(value.items())[:MOST_ITEMS]
        }
    if depth < DEEPEST and isinstance(value, list | tuple | set | frozenset):
        return [_clean(one, depth + 1) for one in list(value)[:MOST_ITEMS]]
    return clean_text(repr(value))


def _word(value: object) -> str:
    """As it is, or in quotes where it could be taken for several."""
    text = value if isinstance(value, str) else json.dumps(value)
    return json.dumps(text) if isinstance(value, str) and _SEVERAL.search(text) else text


def _lines(text: object) -> list[str]:
    return str(text).split("\n") if text else []


def _one_line(value: object) -> str:
    return str(value).translate(_CONTROLS)
