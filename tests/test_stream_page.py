"""docs/stream.md and docs/asyncapi.json: they say what the messages, codes, limits and tiers of the program are."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import jsonschema_rs
import msgspec
import pytest
import redis

from engine.asyncapi import EXAMPLES, document, text
from engine.client import stream as client_stream
from engine.client.events import ENDING
from engine.client.view import KEPT_ROWS
from engine.gateway.overload import STEPS
from engine.gateway.poll import POSITION_S as POLL_POSITION_S
from engine.gateway.push import POSITION_S as PUSH_POSITION_S
from engine.settings import Settings
from schemas.filter import LIST_VALUES, TOTAL_VALUES, Filter
from schemas.filter_text import parse_filter
from schemas.messages import (
    ENCODINGS,
    HEARTBEAT_S,
    HELLO_S,
    JSON,
    SUBPROTOCOLS,
    ClientMessage,
    CloseCode,
    ErrorCode,
    ServerMessage,
    Welcome,
)
from schemas.stream_position import StreamPosition, is_position
from schemas.tier import TIERS
from schemas.trade import COLUMNS
from tests.gateways import gateway, run
from tests.indexing import a_print, append, index
from web.server import PING_S, PONG_S

DOCS = Path(__file__).parents[1] / "docs"
PAGE = (DOCS / "stream.md").read_text(encoding="utf-8")
KINDS: tuple[Any, ...] = (*get_args(ClientMessage), *get_args(ServerMessage))
TAGS = {kind.__struct_config__.tag: kind for kind in KINDS}
SHOWN = [json.loads(block) for block in re.findall(r"^```json\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)]


def section(title: str) -> str:
    """The text under a title, up to the next one of its rank."""
    found = re.search(rf"^(#+) {title}\n(.*?)(?=^\1 |\Z)", PAGE, re.DOTALL | re.MULTILINE)
    assert found is not None
    return found[2]


def table(title: str) -> list[list[str]]:
    """The cells of the first table under a title, without the marks of code."""
    lines = re.search(r"(?:^\|.*\n)+", section(title), re.MULTILINE)
    assert lines is not None
    return [[cell.strip(" `") for cell in line.split("|")[1:-1]] for line in lines[0].splitlines()[2:]]


def decoded(message: dict[str, Any]) -> Any:
    """The message of an example."""
    encoding = ENCODINGS[JSON]
    frame = json.dumps(message)
    client = TAGS[message["op"]] in get_args(ClientMessage)
    return encoding.client_message(frame) if client else encoding.server_message(frame)


def positions(message: dict[str, Any]) -> Iterator[str]:
    """What of an example is a position on the tape."""
    yield from (message[name] for name in ("pos", "since") if message.get(name))
    if message["op"] == "history" and is_position(message["before"]):
        yield message["before"]


EVERY_EXAMPLE = [*SHOWN, *[msgspec.to_builtins(example) for example in EXAMPLES]]


@pytest.mark.parametrize("message", EVERY_EXAMPLE, ids=lambda message: message["op"])
def test_an_example_is_a_message_with_known_fields_and_real_values(message: dict[str, Any]) -> None:
    found = decoded(message)
    assert set(message) <= {"op", *type(found).__struct_fields__}
    for name in positions(message):
        StreamPosition.parse(name)
    if wanted := message.get("filter"):
        parse_filter(wanted) if isinstance(wanted, str) else Filter.from_json(wanted)
    assert all(len(row) == len(COLUMNS) for row in message.get("rows", []))
    assert message.get("code", ErrorCode.BAD_FILTER) in set(ErrorCode)
    if isinstance(found, Welcome):
        assert found.columns == COLUMNS
    # Nothing is lost on the way to MessagePack and back.
    again = ENCODINGS[SUBPROTOCOLS[0]].encode(found)
    assert msgspec.msgpack.decode(again) == json.loads(ENCODINGS[JSON].encode(found))


def test_every_message_has_an_example_on_the_page_and_in_the_document() -> None:
    assert {message["op"] for message in SHOWN} == set(TAGS)
    assert {type(example) for example in EXAMPLES} == set(KINDS)


def test_the_page_has_a_paragraph_for_every_message_in_the_order_of_the_module() -> None:
    assert re.findall(r"^`([a-z]+)`:", section("Messages"), re.MULTILINE) == list(TAGS)


def test_the_page_names_every_field_of_every_message() -> None:
    named = set(re.findall(r"[a-z_]+", section("Messages")))
    for kind in KINDS:
        assert set(kind.__struct_fields__) <= named, kind


def test_codes_limits_and_subprotocols_are_the_programs() -> None:
    assert [row[0] for row in table("Connecting")] == list(SUBPROTOCOLS)
    assert {row[0] for row in table("Error codes")} == set(ErrorCode)
    ended = {row[0] for row in table("Error codes") if row[2] in ("does not begin", "has ended")}
    assert ended == ENDING
    assert {int(row[0]) for row in table("Close codes")} == set(CloseCode)


def test_tiers_are_the_programs() -> None:
    told = [
        [tier.name, tier.delivery, f"{tier.interval_ms:,} ms", f"{tier.delay_s} s", str(tier.rows),
         str(tier.subscriptions)]
        for tier in TIERS.values()
    ]  # fmt: skip
    assert table("Delivery by tier") == told


def test_numbers_in_the_text_are_the_programs() -> None:
    for said in (
        f"`hello` first, within {HELLO_S:g} s",
        f"nothing else was sent for {HEARTBEAT_S:g} s",
        f"a quiet subscription gets one every {PUSH_POSITION_S:g} s",
        f"up to {STEPS[-1].push:g} times for push and {STEPS[-1].poll:g} times for poll",
        f"WebSocket pings every {PING_S:g} s",
        f"not answer within {PONG_S:g} s",
        f"sent nothing for {client_stream.SILENCE_S:g} s",
        f"goes from {client_stream.BACKOFF_S:g} s to {client_stream.BACKOFF_MAX_S:g} s",
        f"the newest {KEPT_ROWS:,} unless",
        f"at most {client_stream.QUEUED_EVENTS} wait",
        f"at most {LIST_VALUES} values in a list and {TOTAL_VALUES} in all",
    ):
        assert said in " ".join(PAGE.split()), said
    assert PUSH_POSITION_S == POLL_POSITION_S


def test_limits_are_those_that_a_gateway_tells(settings: Settings, client: redis.Redis) -> None:
    told: dict[str, int] = {}

    async def scenario() -> None:
        async with gateway(settings) as running, running.connected(running.token()) as peer:
            told.update((await peer.expect(Welcome)).limits)

    run(scenario())
    assert {row[0]: int(row[2].replace(",", "")) for row in table("Limits")} == told


def test_the_document_is_the_one_that_the_messages_make() -> None:
    assert (DOCS / "asyncapi.json").read_text(encoding="utf-8") == text(), "run scripts/docs"


def test_every_reference_of_the_document_leads_somewhere() -> None:
    whole = document()

    def references(part: Any) -> Iterator[str]:
        if isinstance(part, dict):
            yield from (part["$ref"],) if "$ref" in part else ()
            part = list(part.values())
        if isinstance(part, list):
            for inner in part:
                yield from references(inner)

    found = set(references(whole))
    assert len(found) > len(KINDS)
    for reference in found:
        at: Any = whole
        for step in reference.removeprefix("#/").split("/"):
            at = at[step]


def test_the_document_has_every_message_once_in_its_direction() -> None:
    operations = document()["operations"]
    for kinds, action in ((get_args(ClientMessage), "receive"), (get_args(ServerMessage), "send")):
        for kind in kinds:
            assert operations[kind.__struct_config__.tag]["action"] == action
    assert set(operations) == set(document()["channels"]["stream"]["messages"]) == set(TAGS)


def validator(tag: str) -> Any:
    """Checks payloads of a message against the document's own schema."""
    whole = document()
    schema = whole["components"]["messages"][tag]["payload"] | {"components": whole["components"]}
    return jsonschema_rs.Draft7Validator(schema)


@pytest.mark.parametrize("message", EVERY_EXAMPLE, ids=lambda message: message["op"])
def test_the_documents_schemas_take_the_examples_and_nothing_of_another_type(message: dict[str, Any]) -> None:
    check = validator(message["op"])
    check.validate(json.loads(json.dumps(message)))
    for name in set(message) - {"t"}:
        assert not check.is_valid(message | {name: 1.5})


def test_the_document_describes_columns_and_fields_in_the_words_of_the_code() -> None:
    schemas = document()["components"]["schemas"]
    assert [column["title"] for column in schemas["Row"]["items"]] == list(COLUMNS)
    assert "unix ms" in schemas["Row"]["items"][COLUMNS.index("ts")]["description"].lower()
    assert schemas["Subscribe"]["properties"]["since"]["description"].startswith("`pos`")


def test_the_python_example_runs_against_a_gateway(settings: Settings, client: redis.Redis) -> None:
    append(client, [a_print(number) for number in range(1, 4)])
    index(client, settings)
    (code,) = re.findall(r"^```python\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    names: dict[str, Any] = {}
    exec(code, names)  # noqa: S102 - the page's own example

    async def scenario() -> None:
        async with gateway(settings) as running:
            symbols = await names["follow"](f"http://{running.address}", running.token(), 3)
            assert symbols == [a_print(1).symbol] * 3

    run(scenario())
