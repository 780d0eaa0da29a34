"""Logs: one line an event whatever a text holds, the same fields from every logger, and never a secret."""

from __future__ import annotations

import asyncio
import io
import itertools
import json
import logging
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import jwt
import pytest
import structlog
import uvicorn
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from engine.access.tickets import PARAMETER, mint
from engine.logs import DEEPEST, HIDDEN, LONGEST_TEXT, MOST_ITEMS, clean_text, configure, session_context
from engine.settings import Settings
from schemas.messages import SUBPROTOCOLS, CloseCode, Hello, Welcome
from tests.gateways import gateway, run

SECRET = "Tr0ub4dor-and-3"  # noqa: S105
JWT = jwt.encode({"sub": "ann", "tier": "premium", "exp": 4_000_000_000}, "k" * 32, algorithm="HS256")

Lines = Callable[[], list[dict[str, Any]]]


@pytest.fixture(autouse=True)
def _logging_restored() -> Iterator[None]:
    """What a test configures lasts for that test."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


@pytest.fixture
def stream() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def lines(stream: io.StringIO) -> Lines:
    """JSON lines that were logged since the test began; a line that is no JSON object fails."""
    configure(Settings(log_format="json", log_level="debug"), stream)
    return lambda: [json.loads(line) for line in stream.getvalue().splitlines()]


def test_our_loggers_and_structlogs_give_the_same_fields(lines: Lines) -> None:
    logging.getLogger("flowtape.hub").warning("lag %d ms", 5, extra={"partition": 1})
    structlog.get_logger("flowtape.hub").warning("lag 5 ms", partition=1)
    one, other = lines()
    assert set(one) == {"timestamp", "level", "event", "logger", "partition"}
    assert {**one, "timestamp": ""} == {**other, "timestamp": ""}
    assert (one["event"], one["level"], one["logger"]) == ("lag 5 ms", "warning", "flowtape.hub")


def test_times_are_in_utc(lines: Lines) -> None:
    logging.getLogger("flowtape").info("now")
    at = datetime.fromisoformat(lines()[0]["timestamp"])
    assert at.utcoffset() == timedelta(0)
    assert abs(datetime.now(UTC) - at) < timedelta(minutes=10)


def test_less_than_the_level_is_not_logged(stream: io.StringIO) -> None:
    configure(Settings(log_format="json", log_level="warning"), stream)
    for logger in (logging.getLogger("flowtape.x"), structlog.get_logger("flowtape.x")):
        logger.info("no")
        logger.error("yes")
    assert [json.loads(line)["event"] for line in stream.getvalue().splitlines()] == ["yes", "yes"]


def test_a_session_is_named_on_every_line_of_its_task_and_on_no_other(lines: Lines) -> None:
    async def session(number: int) -> None:
        with session_context(session=number, user=f"user-{number}"):
            await asyncio.sleep(0)
            logging.getLogger("flowtape.session").info("inside")

    async def both() -> None:
        await asyncio.gather(session(1), session(2))
        logging.getLogger("flowtape.session").info("outside")

    asyncio.run(both())
    first, second, outside = (line for line in lines() if line["logger"] == "flowtape.session")
    assert {(line["session"], line["user"]) for line in (first, second)} == {(1, "user-1"), (2, "user-2")}
    assert "session" not in outside


NAMES = [
    "token", "access_token", "Authorization", "cookie", "Set-Cookie", "jwt_secret", "ticket", "password", "api_key",
    "key", "alpaca_key", "signature",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("form", ["json", "text"])
def test_a_value_with_a_secrets_name_is_left_out(stream: io.StringIO, name: str, form: str) -> None:
    configure(Settings(log_format=form), stream)
    logger = structlog.get_logger("flowtape")
    logger.info("login", **{name: SECRET})
    logger.info("login", headers={"a": [{name: SECRET}]})
    logging.getLogger("flowtape").info("login", extra={name: SECRET})
    assert SECRET not in stream.getvalue()
    assert stream.getvalue().count(HIDDEN) == 3


@pytest.mark.parametrize(
    "text",
    [
        f"GET /?ticket={SECRET} HTTP/1.1",
        f"GET /v1/stream?a=1&access_token={SECRET}&b=2",
        f"redis://default:{SECRET}@host:6379/0",
        f"redis://:{SECRET}@host",
        f"redis://user:p@ss{SECRET}@host",
        f"Authorization: Bearer {SECRET}",
        f"authorization: Basic {SECRET}==",
        f"cookie: a=1; flowtape={SECRET}; b={SECRET}",
        f"bearer {SECRET}",
        f"{{'op': 'hello', 'token': '{SECRET}'}}",
        f'{{"op": "hello", "token":"{SECRET}"}}',
        f"[(b'cookie', b'flowtape={SECRET}')]",
        f"(b'authorization', b'{SECRET}')",
        f"FLOWTAPE_JWT_SECRET={SECRET}",
        f"alpaca_key = {SECRET}",
    ],
)
def test_a_secret_inside_a_text_is_left_out(text: str) -> None:
    assert SECRET not in clean_text(text)
    assert HIDDEN in clean_text(text)


@pytest.mark.parametrize("around", ["{}", "x{}y", "b'\\xa5token\\xd9{}'", '"{}"', "={}&", "\n{}\n", "({})"])
def test_what_looks_like_a_jwt_is_left_out_wherever_it_stands(around: str) -> None:
    head, body, signature = JWT.split(".")
    for token in (JWT, f"{head}.{body}", f"{head}.{body}."):
        said = clean_text(around.format(token))
        assert body not in said
        assert signature not in said


@pytest.mark.parametrize(
    "text",
    [
        "Token has expired",
        "the key set was read",
        "key ft:{0}:tape",
        "redis://host:6379/0",
        "SPY premium>=100k",
        "a=b",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert clean_text(text) == text


@given(
    st.lists(
        st.one_of(
            st.text(max_size=30),
            st.sampled_from([JWT, f"ticket={SECRET} ", f"Bearer {SECRET} ", f"redis://u:{SECRET}@h "]),
        ),
        max_size=6,
    )
)
def test_no_text_around_a_secret_lets_it_through(parts: list[str]) -> None:
    said = clean_text(" ".join(parts))
    assert SECRET not in said
    assert JWT.split(".")[1] not in said


def test_a_secret_in_bytes_in_an_object_and_in_an_exception_is_left_out(lines: Lines) -> None:
    class Hello:
        def __repr__(self) -> str:
            return f"Hello(token='{JWT}')"

    logger = logging.getLogger("flowtape")
    logger.info(
        "frame", extra={"frame": b"\x82\xa2op\xa5hello\xa5token\xd9\x80" + JWT.encode(), "said": Hello()}
    )
    try:
        raise ValueError(f"cannot read Hello(token='{JWT}')")
    except ValueError:
        logger.exception("failed")
    frame, failed = lines()
    assert JWT.split(".")[1] not in json.dumps([frame, failed])
    assert "ValueError: cannot read" in failed["exception"]
    assert "test_logs.py" in failed["exception"]


def test_a_login_over_a_real_server_leaves_no_token_in_the_log(lines: Lines, stream: io.StringIO) -> None:
    """uvicorn's own lines, ours about the request, and a failure with the token in its message."""

    async def login(request: Request) -> Response:
        logging.getLogger("flowtape.access").info("headers %s", request.headers.raw)
        structlog.get_logger("flowtape.access").info("login", cookies=request.cookies, url=str(request.url))
        if "fail" in request.query_params:
            raise RuntimeError(f"cannot let in {dict(request.headers)} with {request.query_params}")
        return PlainTextResponse("in")

    async def serve() -> None:
        app = Starlette(routes=[Route("/", login)])
        server = uvicorn.Server(
            uvicorn.Config(app, port=0, log_config=None, log_level="debug", lifespan="off")
        )
        serving = asyncio.create_task(server.serve())
        async with asyncio.timeout(60):
            while not server.started:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
            port = server.servers[0].sockets[0].getsockname()[1]
            for query in (f"ticket={SECRET}", f"fail=1&token={JWT}"):
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.write(
                    f"GET /?{query} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {JWT}\r\n"
                    f"Cookie: flowtape={SECRET}\r\nConnection: close\r\n\r\n".encode()
                )
                await reader.read()
                writer.close()
                await writer.wait_closed()
            server.should_exit = True
            await serving

    asyncio.run(serve())
    written = stream.getvalue()
    assert SECRET not in written
    for part in JWT.split("."):
        assert part not in written
    found = lines()
    assert {"uvicorn.access", "uvicorn.error", "flowtape.access"} <= {line["logger"] for line in found}
    assert any(f"GET /?ticket={HIDDEN}" in line["event"] for line in found)
    assert any("cannot let in" in line.get("exception", "") for line in found)
    assert not any("color_message" in line for line in found)


def hexed(text: str) -> str:
    """As libraries write binary frames down."""
    return text.encode().hex(" ")


def test_logins_to_the_stream_leave_no_token_in_the_log_at_any_level(
    settings: Settings, lines: Lines, stream: io.StringIO
) -> None:
    async def scenario() -> None:
        async with gateway(settings) as running:
            good = running.token(user="ann")
            wrong = f"{good[:-12]}{'A' * 12}"
            for encoding, token in itertools.product(SUBPROTOCOLS, (good, wrong)):
                async with running.connected(encoding=encoding) as peer:
                    await peer.say(Hello(token))
                    if token == good:
                        await peer.expect(Welcome)
                    else:
                        assert await peer.closed() == CloseCode.NOT_AUTHENTICATED
                async with running.connected(token, encoding) as peer:
                    if token == good:
                        await peer.expect(Welcome)
                    else:
                        assert await peer.closed() == CloseCode.NOT_AUTHENTICATED
            ticket = mint(running.services.access, "ann", "premium")
            async with httpx.AsyncClient(base_url=f"http://{running.address}") as browser:
                for headers in ({"Authorization": f"Bearer {good}"}, {"Cookie": f"flowtape_session={good}"}):
                    await browser.get("/v1/trades", headers=headers)
                await browser.get("/", params={PARAMETER: ticket}, follow_redirects=True)
                tokens.extend([ticket, *browser.cookies.values()])
            tokens.extend([good, wrong])

    tokens: list[str] = []
    run(scenario())
    assert len(tokens) >= 4
    written = stream.getvalue()
    assert {line["user"] for line in lines() if "user" in line} >= {"ann"}
    for token in tokens:
        for part in token.split("."):
            # The first part of a JWT is the same for all and no secret; a piece of the others would be one.
            for piece in () if part.startswith("eyJhbGci") else (part[:16], part[-16:]):
                assert piece not in written
                # They write the last eight bytes of a frame, which here are the token's.
                assert hexed(piece[-8:]) not in written


BREAKS = "\r\n\x0b\x0c\x1b[31m\x85\u2028\u2029\x00\x9b"


@pytest.mark.parametrize("form", ["json", "text"])
@given(text=st.text(max_size=50) | st.just(BREAKS))
def test_no_text_breaks_a_line_or_steers_a_terminal(form: str, text: str) -> None:
    stream = io.StringIO()
    configure(Settings(log_format=form), stream)
    logging.getLogger("flowtape").warning("sub %s", text, extra={"user": text, "more": {text: text}})
    written = stream.getvalue()
    assert written.endswith("\n")
    assert len(written.splitlines()) == 1
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", written)


def test_a_text_with_spaces_is_quoted_so_that_it_cannot_pass_for_other_fields(stream: io.StringIO) -> None:
    configure(Settings(log_format="text"), stream)
    logging.getLogger("flowtape").info("in", extra={"user": "ann level=critical", "n": 3})
    assert 'user="ann level=critical" n=3' in stream.getvalue()


def test_lines_of_a_traceback_stand_behind_a_bar(stream: io.StringIO) -> None:
    configure(Settings(log_format="text"), stream)
    try:
        raise ValueError("first\n2026-01-01T00:00:00Z info forged")
    except ValueError:
        logging.getLogger("flowtape").exception("failed")
    head, *rest = stream.getvalue().splitlines()
    assert "failed" in head
    assert rest
    assert all(line.startswith("    | ") for line in rest)


def test_what_is_too_long_too_many_or_too_deep_is_cut(lines: Lines) -> None:
    deep: Any = "bottom"
    for _ in range(50):
        deep = [deep]
    logging.getLogger("flowtape").info("x" * 100_000, extra={"rows": list(range(1_000)), "deep": deep})
    (line,) = lines()
    assert len(line["event"]) < LONGEST_TEXT + 50
    assert line["event"].endswith(f"{100_000 - LONGEST_TEXT} more characters")
    assert len(line["rows"]) == MOST_ITEMS
    found, depth = line["deep"], 1
    while isinstance(found, list):
        found, depth = found[0], depth + 1
    assert depth == DEEPEST
