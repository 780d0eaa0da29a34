"""`/v1/channels` over HTTP on a real Redis: what each verb answers, and that nothing of another user is ever seen."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote

import httpx
import jsonschema_rs
import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.routing import Route

from engine.access.tokens import Access
from engine.channels import Channels
from engine.settings import Settings
from engine.store.connect import connect_async
from schemas import keys
from schemas.channel import LINK_PREFIX, is_whole_link
from schemas.filter import FLAGS, JSON_BYTES, LISTS, RANGES, Filter
from schemas.filter_text import filter_text, parse_filter
from tests.test_channels import OPERATORS, assert_whole, stored
from tests.trade_strategies import filters
from web import channel_paths
from web import channels as channel_routes
from web.problems import HANDLERS, MEDIA_TYPE

GUARD_S = 120
"""What is not done by then hangs: the test fails."""

SECRET = "a secret of the tests, long enough for HS256"  # noqa: S105

BODY = {"filter": "SPY calls premium>=100k"}


@dataclass(frozen=True)
class Services:
    settings: Settings
    access: Access
    channels: Channels


def conforms(schema: dict[str, Any], body: bytes) -> None:
    """That a body is what a schema of the OpenAPI document says."""
    whole = {**schema, "components": {"schemas": channel_paths.SCHEMAS}}
    jsonschema_rs.Draft202012Validator(whole).validate(json.loads(body))


def assert_documented(method: str, path: str, content: bytes | None, response: httpx.Response) -> None:
    """That the OpenAPI document foresees an answer, and the body that was accepted."""
    if response.status_code == 405 or (
        response.status_code == 404 and response.json()["type"].endswith(":request")
    ):
        return
    shape = [unquote(part) for part in path.split("/")[1:]]
    template = "/v1/channels"
    match shape:
        case [_]:
            template += "/{name}"
        case ["shared", _] if method in ("GET", "HEAD"):
            template += "/shared/{link}"
        case [_, "share"]:
            template += "/{name}/share"
    operation = channel_paths.PATHS[template]["get" if method == "HEAD" else method.lower()]
    foreseen = operation["responses"][str(response.status_code)]
    if response.is_success and content is not None:
        conforms(operation["requestBody"]["content"]["application/json"]["schema"], content)
    if response.is_success and "content" in foreseen and method != "HEAD":
        conforms(foreseen["content"]["application/json"]["schema"], response.content)
        assert set(foreseen.get("headers", ())) <= {"ETag"}


@dataclass(frozen=True)
class Gateway:
    """One gateway, asked by users with tokens."""

    services: Services
    http: httpx.AsyncClient

    async def ask(
        self, user: str, method: str, path: str = "", body: Any = None, tier: str = "premium", **headers: str
    ) -> httpx.Response:
        token = self.services.access.issue(user, tier, 60)
        sent = {"Authorization": f"Bearer {token}"} | {
            name.replace("_", "-"): value for name, value in headers.items()
        }
        content = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        response = await self.http.request(method, f"/v1/channels{path}", content=content, headers=sent)
        assert_documented(method, path, content, response)
        return response


@asynccontextmanager
async def gateway(settings: Settings) -> AsyncIterator[Gateway]:
    client = connect_async(settings)
    access = Access(settings, SECRET)
    services = Services(settings, access, Channels(client))
    app = Starlette(routes=channel_routes.routes(services), exception_handlers=HANDLERS)
    transport = httpx.ASGITransport(app, raise_app_exceptions=True)
    try:
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as http:
            yield Gateway(services, http)
    finally:
        await access.aclose()
        await client.aclose()


def play(settings: Settings, scenario: Callable[[Gateway], Awaitable[None]]) -> None:
    async def guarded() -> None:
        async with asyncio.timeout(GUARD_S), gateway(settings) as opened:
            await scenario(opened)

    asyncio.run(guarded())


def assert_problem(response: httpx.Response, status: int, code: str) -> str:
    """That an answer is a problem document; gives its detail."""
    document = response.json()
    assert (response.status_code, document["status"]) == (status, status), document
    assert response.headers["content-type"] == MEDIA_TYPE
    assert document["type"].rpartition(":")[2] == code
    return str(document["detail"])


def test_the_way_of_a_channel(settings: Settings, client: redis.Redis) -> None:
    async def scenario(on: Gateway) -> None:
        made = await on.ask("ann", "PUT", "/big%20calls", BODY)
        assert (made.status_code, made.headers["location"]) == (201, "/v1/channels/big%20calls")
        document = made.json()
        assert document == {
            "name": "big calls",
            "link": None,
            "filter": {"underlying": ["SPY"], "right": ["C"], "premium": {"gte": 100_000}},
            "text": "SPY calls premium>=100k",
            "revision": 1,
            "created": document["created"],
            "changed": document["created"],
        }
        read = await on.ask("ann", "GET", "/big%20calls")
        assert (read.status_code, read.json(), read.headers["etag"]) == (200, document, made.headers["etag"])
        assert read.headers["cache-control"] == "no-store"
        same = await on.ask("ann", "PUT", "/big%20calls", BODY)
        assert (same.status_code, same.json()) == (200, document)
        changed = await on.ask("ann", "PUT", "/big%20calls", {"filter": {"underlying": ["-QQQ"]}})
        assert (changed.status_code, changed.json()["revision"]) == (200, 2)
        assert changed.headers["etag"] != made.headers["etag"]
        renamed = await on.ask("ann", "PUT", "/big%20calls", {"name": "a?b#c%"})
        assert (renamed.status_code, renamed.json()["name"]) == (200, "a?b#c%")
        assert renamed.headers["content-location"] == "/v1/channels/a%3Fb%23c%25"
        both = await on.ask("ann", "PUT", "/a%3Fb%23c%25", {"filter": {}, "name": "all"})
        assert (both.json()["name"], both.json()["filter"]) == ("all", {})
        listed = await on.ask("ann", "GET")
        assert listed.json() == {"channels": [both.json()], "limit": 50}
        gone = await on.ask("ann", "DELETE", "/all")
        assert (gone.status_code, gone.content) == (204, b"")
        assert_problem(await on.ask("ann", "DELETE", "/all"), 404, "unknown_channel")
        assert_problem(await on.ask("ann", "GET", "/all"), 404, "unknown_channel")
        assert (await on.ask("ann", "GET")).json()["channels"] == []

    play(settings, scenario)
    assert stored(client) == {}


def test_a_shared_channel_is_read_by_every_tier_without_its_owners_identity(
    settings: Settings, client: redis.Redis
) -> None:
    async def scenario(on: Gateway) -> None:
        await on.ask("ann-the-owner", "PUT", "/calls", BODY)
        link = (await on.ask("ann-the-owner", "POST", "/calls/share")).json()["link"]
        assert is_whole_link(link)
        (document,) = stored(client).values()
        for tier in ("free", "pro", "premium"):
            read = await on.ask("bob", "GET", f"/shared/{link}", tier=tier)
            assert read.status_code == 200
            assert set(read.json()) == {"name", "filter", "text", "changed"}
            assert read.json()["text"] == "SPY calls premium>=100k"
            seen = read.text + str(read.headers)
            assert "ann-the-owner" not in seen
            assert document["pk"] not in seen
        renewed = (await on.ask("ann-the-owner", "POST", "/calls/share")).json()["link"]
        assert_problem(await on.ask("bob", "GET", f"/shared/{link}"), 404, "unknown_channel")
        assert (await on.ask("bob", "GET", f"/shared/{renewed}")).status_code == 200
        assert (await on.ask("ann-the-owner", "DELETE", "/calls/share")).status_code == 204
        assert (await on.ask("ann-the-owner", "DELETE", "/calls/share")).status_code == 204
        assert_problem(await on.ask("bob", "GET", f"/shared/{renewed}"), 404, "unknown_channel")

    play(settings, scenario)


def test_a_channel_may_be_named_as_the_words_of_the_addresses(settings: Settings) -> None:
    async def scenario(on: Gateway) -> None:
        for name in ("shared", "share"):
            assert (await on.ask("ann", "PUT", f"/{name}", BODY)).status_code == 201
            link = (await on.ask("ann", "POST", f"/{name}/share")).json()["link"]
            assert (await on.ask("bob", "GET", f"/shared/{link}")).json()["name"] == name
            assert (await on.ask("ann", "DELETE", f"/{name}/share")).status_code == 204
            assert (await on.ask("ann", "DELETE", f"/{name}")).status_code == 204

    play(settings, scenario)


def test_only_tiers_with_channels_save_and_the_refusal_names_the_tier(
    settings: Settings, client: redis.Redis
) -> None:
    async def scenario(on: Gateway) -> None:
        for tier in ("free", "pro"):
            detail = assert_problem(await on.ask("ann", "PUT", "/a", BODY, tier=tier), 403, "no_channels")
            assert detail == f"The tier {tier} saves no channels. Tiers that save channels: premium (50)."
        assert stored(client) == {}
        await on.ask("ann", "PUT", "/a", BODY)
        # Who had a higher tier keeps what is saved, may read, unshare and delete it, and not change or share it.
        for method, path, body in (
            ("PUT", "/a", BODY),
            ("PUT", "/a", {"name": "b"}),
            ("POST", "/a/share", None),
        ):
            assert_problem(await on.ask("ann", method, path, body, tier="free"), 403, "no_channels")
        assert (await on.ask("ann", "GET", tier="free")).json()["limit"] == 0
        assert (await on.ask("ann", "GET", "/a", tier="free")).status_code == 200
        assert (await on.ask("ann", "DELETE", "/a/share", tier="free")).status_code == 204
        assert (await on.ask("ann", "DELETE", "/a", tier="free")).status_code == 204

    play(settings, scenario)


def test_the_limit_of_the_tier_holds_for_simultaneous_requests(
    settings: Settings, client: redis.Redis
) -> None:
    few = settings.model_copy(update={"tiers": {"premium": {"channels": 3}}})

    async def scenario(on: Gateway) -> None:
        answers = await asyncio.gather(*(on.ask("ann", "PUT", f"/c{n}", BODY) for n in range(12)))
        assert sorted(answer.status_code for answer in answers) == [201] * 3 + [409] * 9
        refused = next(answer for answer in answers if answer.status_code == 409)
        assert "3 at most" in assert_problem(refused, 409, "channel_limit")

    play(few, scenario)
    assert len(stored(client)) == 3


def test_two_who_make_one_name_make_one_channel(settings: Settings, client: redis.Redis) -> None:
    async def scenario(on: Gateway) -> None:
        answers = await asyncio.gather(*(on.ask("ann", "PUT", "/one", BODY) for _ in range(6)))
        assert sorted(answer.status_code for answer in answers) == [200] * 5 + [201]

    play(settings, scenario)
    assert len(stored(client)) == 1


def test_an_edit_of_a_state_that_is_no_more_is_refused(settings: Settings) -> None:
    async def scenario(on: Gateway) -> None:
        assert_problem(await on.ask("ann", "PUT", "/a", BODY, if_match="*"), 412, "channel_changed")
        made = await on.ask("ann", "PUT", "/a", BODY, if_none_match="*")
        assert made.status_code == 201
        assert_problem(await on.ask("ann", "PUT", "/a", BODY, if_none_match="*"), 412, "channel_changed")
        first = made.headers["etag"]
        second = (await on.ask("ann", "PUT", "/a", {"filter": "QQQ"}, if_match=f'"x", {first}')).headers[
            "etag"
        ]
        assert second != first
        for method, body in (("PUT", BODY), ("PUT", {"name": "b"}), ("DELETE", None)):
            for stale in (first, f"W/{second}", '"*"', '""'):
                assert_problem(
                    await on.ask("ann", method, "/a", body, if_match=stale), 412, "channel_changed"
                )
        assert (await on.ask("ann", "GET", "/a")).headers["etag"] == second
        assert (await on.ask("ann", "DELETE", "/a", if_match=second)).status_code == 204

    play(settings, scenario)


@pytest.mark.parametrize(
    "headers",
    [{"if_match": "1"}, {"if_match": '"a" "b"'}, {"if_match": ""}, {"if_match": ",".join(['"a"'] * 1_000)},
     {"if_none_match": '"a"'}, {"if_none_match": "*", "if_match": "*"}],
)  # fmt: skip
def test_a_malformed_condition_is_refused(
    settings: Settings, client: redis.Redis, headers: dict[str, str]
) -> None:
    async def scenario(on: Gateway) -> None:
        assert_problem(await on.ask("ann", "PUT", "/a", BODY, **headers), 400, "request")

    play(settings, scenario)
    assert stored(client) == {}


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "request"), (b"{", "request"), (b"[]", "request"), (b"null", "request"), (b'"SPY"', "request"),
        (b'{"limit": 9}', "filter"), (b'{"size": {"gte": 1}, "size": {"gte": 2}}', "filter"),
        (b'{"name": "b", "size": {"gte": 1}}', "request"), (b'{"underlying": ["\xff"]}', "filter"),
        (b'{"filter": null}', "filter"), (b'{"filter": {}, "limit": 9}', "request"), (b'{"name": 1}', "request"),
        (b"\xff", "request"), (b'{"name": "\xff"}', "request"), (b'{"filter": "\\ud800"}', "request"),
        (b'{"filter": 1}', "filter"), (b'{"filter": []}', "filter"), (b'{"filter": true}', "filter"),
        (b'{"filter": {"size": {"gte": 1, "gte": 2}}}', "filter"), (b'{"filter": {"size": {"gte": 1e400}}}', "filter"),
        (b'{"filter": {"moon": []}}', "filter"), (b'{"filter": "premum>=1"}', "filter"),
        (b'{"filter": ' + b"[" * 10_000 + b"]" * 5_000 + b"}", "request"),
        (b'{"filter": ' + b"[" * 8_000 + b"]" * 8_000 + b"}", "filter"),
        (b'{"filter": {"underlying": [' + b",".join([b'"SPY"'] * 101) + b"]}}", "filter"),
        (b'{"filter": {}, "name": "a/b"}', "bad_name"), (b'{"name": ""}', "bad_name"),
        (b'{"filter": {"underlying": ["SPY"' + b" " * JSON_BYTES + b"]}}", "filter"),
    ],
)  # fmt: skip
def test_a_body_that_says_nothing_or_too_much_is_refused(
    settings: Settings, client: redis.Redis, body: bytes, code: str
) -> None:
    async def scenario(on: Gateway) -> None:
        response = await on.ask("ann", "PUT", "/a", body)
        document = response.json()
        assert response.status_code in (400, 404), document
        found = document["type"].rpartition(":")[2]
        # Where depth is refused, by the reader of the body or of the filter, is theirs.
        assert found == code or (b"[[[" in body and found in ("request", "filter")), document

    play(settings, scenario)
    assert stored(client) == {}


def test_a_body_is_read_no_further_than_its_bound(settings: Settings) -> None:
    read = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal read
        yield b'{"filter": "'
        while True:
            read += 1_024
            yield b"x" * 1_024

    async def scenario(on: Gateway) -> None:
        token = on.services.access.issue("ann", "premium", 60)
        response = await on.http.put(
            "/v1/channels/a", content=endless(), headers={"Authorization": f"Bearer {token}"}
        )
        assert_problem(response, 413, "request")

    play(settings, scenario)
    assert read <= channel_routes.BODY_BYTES + 1_024


@pytest.mark.parametrize(
    "called", ["application/json; charset=utf-8", "application/x-www-form-urlencoded", "text/plain", "", "?"]
)
def test_a_body_is_json_whatever_it_is_called(settings: Settings, called: str) -> None:
    async def scenario(on: Gateway) -> None:
        assert (await on.ask("ann", "PUT", "/a", BODY, content_type=called)).status_code == 201
        wrong = await on.ask("ann", "PUT", "/a", b"filter=SPY", content_type=called)
        assert_problem(wrong, 400, "request")

    play(settings, scenario)


def test_no_field_of_a_filter_is_called_as_what_a_body_has() -> None:
    assert {"filter", "name"} == channel_routes.BODY_KEYS
    assert channel_routes.BODY_KEYS.isdisjoint({*LISTS, "flags", *RANGES})


def test_nobody_is_let_in_without_a_token_and_wrong_verbs_are_named(settings: Settings) -> None:
    async def scenario(on: Gateway) -> None:
        await on.ask("ann", "PUT", "/a", BODY)
        link = (await on.ask("ann", "POST", "/a/share")).json()["link"]
        everything = [
            ("GET", ""), ("GET", "/a"), ("PUT", "/a"), ("DELETE", "/a"), ("POST", "/a/share"),
            ("DELETE", "/a/share"), ("GET", f"/shared/{link}"), ("HEAD", "/a"),
        ]  # fmt: skip
        for method, path in everything:
            response = await on.http.request(method, f"/v1/channels{path}")
            assert response.status_code == 401
        for method, path, allowed in (
            ("POST", "/a", {"GET", "HEAD", "PUT", "DELETE"}),
            ("DELETE", "", {"GET", "HEAD"}),
            ("GET", "/a/share", {"POST", "DELETE"}),
            ("DELETE", f"/shared/{link}", {"GET", "HEAD"}),
        ):
            response = await on.ask("ann", method, path)
            assert response.status_code == 405
            assert set(response.headers["allow"].split(", ")) == allowed
        head = await on.ask("ann", "HEAD", "/a")
        assert (head.status_code, head.headers["etag"]) == (
            200,
            (await on.ask("ann", "GET", "/a")).headers["etag"],
        )

    play(settings, scenario)


def test_each_verb_on_another_users_channel_finds_nothing(settings: Settings, client: redis.Redis) -> None:
    async def scenario(on: Gateway) -> None:
        await on.ask("bob", "PUT", "/secret", BODY)
        before = stored(client)
        (key,) = before
        tag = (await on.ask("bob", "GET", "/secret")).headers["etag"]
        for name in (
            "secret",
            quote(key, safe=""),
            key.rpartition(":")[2],
            "bob%2Fsecret",
            "..%2Fbob%2Fsecret",
        ):
            for method, path, body in (
                ("GET", f"/{name}", None),
                ("PUT", f"/{name}", {"name": "mine"}),
                ("DELETE", f"/{name}", None),
                ("POST", f"/{name}/share", None),
                ("DELETE", f"/{name}/share", None),
                ("GET", f"/shared/{name}", None),
            ):
                for headers in ({}, {"if_match": tag}, {"if_match": "*"}):
                    response = await on.ask("ann", method, path, body, **headers)
                    assert response.status_code in (404, 412), (method, path)
                    assert "SPY" not in response.text
                    assert "bob" not in response.text.replace("bob/secret", "")
                    # Whether another user's exists makes no difference to the answer.
                    other = await on.ask("ann", method, path.replace("secret", "nothing"), body, **headers)
                    assert other.status_code == response.status_code
        assert stored(client) == before
        assert (await on.ask("ann", "PUT", "/secret", {"filter": "QQQ"})).status_code == 201
        assert (await on.ask("bob", "GET", "/secret")).json()["text"] == "SPY calls premium>=100k"
        assert len((await on.ask("ann", "GET")).json()["channels"]) == 1

    play(settings, scenario)


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/a%2Fb", 404, "request"),
        ("/a%252Fb", 201, ""),
        ("/a/b", 404, "request"),
        ("/a%00b", 400, "bad_name"),
        ("/%00", 400, "bad_name"),
        ("/%20", 400, "bad_name"),
        ("/%2e", 400, "bad_name"),
        ("/%2e%2e", 400, "bad_name"),
        ("/...", 201, ""),
        ("/%ff", 400, "bad_name"),
        ("/%E2%80%AE", 400, "bad_name"),
        ("/a%0d%0aSet-Cookie:x", 400, "bad_name"),
        ("/" + "a" * 64, 201, ""),
        ("/" + "a" * 65, 400, "bad_name"),
        ("/" + "a" * 60_000, 400, "bad_name"),
        (f"/{LINK_PREFIX}{'0' * 32}", 400, "bad_name"),
        (f"/{LINK_PREFIX.upper()}x", 400, "bad_name"),
        ("/%F0%9F%9A%80", 201, ""),
    ],
    ids=range(18),
)
def test_a_name_in_an_address_is_taken_as_it_is_or_refused(
    settings: Settings, client: redis.Redis, path: str, status: int, code: str
) -> None:
    async def scenario(on: Gateway) -> None:
        response = await on.ask("ann", "PUT", path, BODY)
        if status == 201:
            assert response.status_code == 201
            # Where it says that the channel is, it is.
            at = response.headers["location"].removeprefix("/v1/channels")
            assert (await on.ask("ann", "GET", at)).json() == response.json()
        else:
            assert_problem(response, status, code)
            assert "set-cookie" not in response.headers
            assert stored(client) == {}

    play(settings, scenario)
    assert_whole_if_any(client)


def assert_whole_if_any(client: redis.Redis) -> None:
    if stored(client):
        assert_whole(client)


@pytest.mark.parametrize("operator", OPERATORS)
def test_operators_of_the_query_language_reach_no_query(
    settings: Settings, client: redis.Redis, operator: str
) -> None:
    async def scenario(on: Gateway) -> None:
        await on.ask("bob", "PUT", "/secret", BODY)
        link = (await on.ask("bob", "POST", "/secret/share")).json()["link"]
        name = quote(operator, safe="")
        made = await on.ask("ann", "PUT", f"/{name}", BODY)
        assert made.status_code == 201
        assert (await on.ask("ann", "GET", f"/{name}")).json()["name"] == operator
        for text in (
            operator,
            link + operator,
            LINK_PREFIX + operator,
            link[:-1] + operator,
            link[:-1] + "*",
        ):
            response = await on.ask("ann", "GET", f"/shared/{quote(text, safe='')}")
            assert response.status_code == 404, text
            assert "secret" not in response.text
        for field in LISTS:
            response = await on.ask("ann", "PUT", "/x", {"filter": {field: [operator]}})
            if field == "underlying" and response.is_success:
                # `$` and `.` are ways to write a ticker; what is kept of it are letters.
                assert re.fullmatch(r"[A-Z0-9]{1,6}", response.json()["filter"]["underlying"][0])
                await on.ask("ann", "DELETE", "/x")
            else:
                assert_problem(response, 400, "filter")
        for bad in (
            {"flags": {"all": [operator]}}, {"flags": {operator: ["sweep"]}}, {operator: ["SPY"]},
            *({field: {"gte": operator}} for field in RANGES), {"size": {operator: 1}},
        ):  # fmt: skip
            assert_problem(await on.ask("ann", "PUT", "/x", {"filter": bad}), 400, "filter")
        assert [c["name"] for c in (await on.ask("ann", "GET")).json()["channels"]] == [operator]

    play(settings, scenario)
    assert_whole(client)


@given(wanted=filters(), form=st.sampled_from(["text", "json", "itself"]))
def test_any_filter_is_saved_as_text_or_json_or_by_itself_and_comes_back(
    settings: Settings, wanted: Filter, form: str
) -> None:
    async def scenario(on: Gateway) -> None:
        body = (
            wanted.to_json()
            if form == "itself"
            else {"filter": filter_text(wanted) if form == "text" else wanted.to_json()}
        )
        document = (await on.ask("ann", "PUT", "/any", body)).json()
        assert Filter.from_json(document["filter"]) == wanted
        assert parse_filter(document["text"]) == wanted
        assert (await on.ask("ann", "GET", "/any")).json() == document

    play(settings, scenario)


def test_the_largest_filter_fits_into_a_body(settings: Settings) -> None:
    largest = {
        "underlying": [f"{n:05d}A" for n in range(90)],
        "symbol": [f"SPY261218C{n:08d}" for n in range(1, 98)],
        "flags": {"none": list(FLAGS[:10])},
    }

    async def scenario(on: Gateway) -> None:
        response = await on.ask("ann", "PUT", f"/{'x' * 64}", {"filter": largest, "name": "x" * 64})
        assert response.status_code == 201, response.text
        assert len(response.json()["filter"]["symbol"]) == 97

    play(settings, scenario)


def test_what_another_version_saved_is_listed_and_can_be_saved_anew(
    settings: Settings, client: redis.Redis
) -> None:
    async def scenario(on: Gateway) -> None:
        await on.ask("ann", "PUT", "/a", BODY)
        await on.ask("ann", "PUT", "/b", BODY)
        for key, document in stored(client).items():
            if document["name"] == "b":
                client.execute_command("JSON.SET", key, "$.filter", '"{\\"moon\\":[]}"')
        good, bad = (await on.ask("ann", "GET")).json()["channels"]
        assert good["text"] == "SPY calls premium>=100k"
        assert (bad["name"], bad["filter"]) == ("b", None)
        assert "moon" in bad["error"]
        assert "'b'" in assert_problem(await on.ask("ann", "GET", "/b"), 409, "unreadable_channel")
        assert (await on.ask("ann", "PUT", "/b", {"name": "c"})).json()["error"] == bad["error"]
        assert (await on.ask("ann", "PUT", "/c", BODY)).status_code == 200

    play(settings, scenario)


def test_a_user_that_asks_too_often_is_told_when_to_come_back(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(channel_routes, "REQUESTS_PER_MINUTE", 5)

    async def scenario(on: Gateway) -> None:
        answers = [await on.ask("ann", "GET") for _ in range(7)]
        assert [answer.status_code for answer in answers[:5]] == [200] * 5
        refused = answers[-1] if answers[-1].status_code == 429 else answers[-2]
        assert_problem(refused, 429, "rate")
        assert int(refused.headers["retry-after"]) >= 1
        assert (await on.ask("bob", "GET")).status_code == 200

    play(settings, scenario)


def test_names_of_users_that_look_like_keys_share_nothing(settings: Settings, client: redis.Redis) -> None:
    async def scenario(on: Gateway) -> None:
        users = ["a", "a:b", "a}", "{a", "a:names:b", "names:a", "*", "a*", "A"]
        for n, user in enumerate(users):
            assert (await on.ask(user, "PUT", f"/of{n}", BODY)).status_code == 201
        for n, user in enumerate(users):
            assert [c["name"] for c in (await on.ask(user, "GET")).json()["channels"]] == [f"of{n}"]

    play(settings, scenario)
    assert {document["user"] for document in stored(client).values()} == {
        key.decode().removeprefix(keys.channel_names(""))
        for key in client.scan_iter(f"{keys.channel_names('')}*")
    }


def test_the_openapi_document_names_every_route_and_verb_and_no_other(settings: Settings) -> None:
    async def scenario(on: Gateway) -> None:
        routed = {
            route.path: {method.lower() for method in route.methods or ()} - {"head"}
            for route in channel_routes.routes(on.services)
            if isinstance(route, Route)
        }
        documented = {
            path: set(operations) - {"parameters"} for path, operations in channel_paths.PATHS.items()
        }
        assert documented == routed

    play(settings, scenario)
