"""Filters as an attacker writes them: refused or taken literally, and never part of a query, as Redis itself says."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

import httpx
import pytest
import redis

from engine.settings import Settings
from schemas.filter import LISTS, RANGES
from schemas.messages import Error, ErrorCode, History, Page, Snapshot
from tests.attacks import watched
from tests.gateways import ids, run
from tests.indexing import NOON, a_print, append, index

MARK = "ZZINJECTED"
"""Stands in every text of an attack, in a spelling that no tool of ours changes."""

OPERATORS = [
    "|", "-", "~", "*", "%", "%%", "@", ":", "{", "}", "(", ")", "[", "]", '"', "'", "=>", "$", "\\", ";", "!", "?",
    "<", ">", "=", "+", "&", "#", ".", "/", "`", "^", "\0", "\n", "\r\n", "\t", "\x1b", "\u2028", "\u202e", "\u00ad",
    "\uff5c", "\uff20", "\u2019", "\U0001f600",
]  # fmt: skip
"""Every sign that RediSearch's query language knows, and those that look or split like one."""

ATTACKS = [
    *(f"{sign}{MARK}" for sign in OPERATORS),
    *(f"SPY{sign}{MARK}" for sign in OPERATORS),
    f"SPY}} | @underlying:{{{MARK}",
    f"*}} @underlying:{{* | {MARK}",
    f"SPY|{MARK}",
    f"$v0 {MARK}",
    "$v0",
    f"w'*{MARK}*'",
    f"%%{MARK}%%",
    f"{MARK}*",
    f"*=>[KNN 10 @vec $v0 AS {MARK}]",
    f"@underlying:[-inf +inf] {MARK}",
    f"SPY => {{$weight: 5; $inorder: true; $slop: 1}} {MARK}",
    f"ismissing(@{MARK})",
    f"SPY\\}} {MARK}",
    f"PARAMS 2 v0 {MARK} DIALECT 4",
    f"LOAD * {MARK}",
    f"\\\\x00{MARK}",
    f"{MARK}\r\nFLUSHALL\r\n",
]

LIST_FIELDS = (*LISTS, "underlying_not")

FIELD = r"@(?:underlying|right|side|sentiment|exchange|symbol|flags|" + "|".join(RANGES) + r"|ts|seq)"
BOUND = r"\(?(?:\$[a-z0-9_]+|[-+]inf)"
TAG = r"\$(?:v[0-9]+|withdrawn)"
CLAUSE = rf"-?{FIELD}:(?:\{{{TAG}(?:\|{TAG})*\}}|\[{BOUND} {BOUND}\])"
QUERY = re.compile(rf"\*|(?:(?:{CLAUSE}|\({CLAUSE}(?: \| {CLAUSE})*\))(?: |$))+")
"""All that a query of ours consists of: our field names, names of parameters, and what binds them."""

LINK_QUERY = re.compile(r"\(?@link:\{ftlink_[0-9a-f]{32}\}\)?")
"""The query for a shared channel's link, whose form is checked before."""


class Commands:
    """What Redis was asked while it was watched."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client
        self._lines: list[str] = []
        self._seen = threading.Event()

    @contextmanager
    def watched(self) -> Iterator[Commands]:
        """Ask Redis itself for every command it gets meanwhile."""
        pool = self._client.connection_pool
        connection = pool.make_connection()
        connection.connect()
        connection.send_command("MONITOR")
        connection.read_response()
        reader = threading.Thread(target=self._read, args=(connection,))
        reader.start()
        try:
            yield self
        finally:
            self._client.ping()
            self._client.echo("the watch ends")
            assert self._seen.wait(30)
            reader.join()
            connection.disconnect()

    def _read(self, connection: Any) -> None:
        while not self._seen.is_set():
            line = connection.read_response()
            text = line.decode("latin-1") if isinstance(line, bytes) else str(line)
            self._lines.append(text)
            if "the watch ends" in text:
                self._seen.set()

    def of(self, *names: str) -> list[list[str]]:
        """The arguments of the commands of these names, as MONITOR writes them."""
        found = [re.findall(r'"((?:[^"\\]|\\.)*)"', line) for line in self._lines]
        return [words for words in found if words and words[0].upper() in names]


@pytest.fixture
def trades(client: redis.Redis, settings: Settings) -> list[str]:
    """Ids of the trades that are indexed, newest first."""
    append(client, [a_print(n, ts=NOON + n * 1_000) for n in range(1, 6)])
    index(client, settings)
    return [f"t_{n}" for n in range(5, 0, -1)]


def trees() -> list[dict[str, Any]]:
    """Filters in JSON with an attack in every place that takes a text."""
    made: list[dict[str, Any]] = []
    for attack in ATTACKS:
        made += [{field: [attack]} for field in LIST_FIELDS]
        made += [{"underlying": ["SPY", attack]}, {"underlying": [f"-{attack}"]}, {attack: ["SPY"]}]
        made += [{"flags": {group: [attack]}} for group in ("all", "any", "none")]
        made += [{"flags": {attack: ["sweep"]}}, {"premium": {attack: 1}}, {"expiry": {"gte": attack}}]
        made += [{field: {"gte": attack}} for field in ("premium", "dte")]
    return made


def texts() -> list[str]:
    """Filters as text, with an attack in every place."""
    made: list[str] = []
    for attack in ATTACKS:
        made += [
            attack,
            f"SPY {attack}",
            f"premium>={attack}",
            f"expiry<={attack}",
            f"{attack}>=1",
            f"-{attack}",
        ]
        made += [f"{field}:{attack}" for field in (*LISTS, "flags", attack)]
    return made


def assert_no_query_holds_any_of_it(commands: Commands) -> None:
    searches = commands.of("FT.SEARCH", "FT.AGGREGATE", "FT.EXPLAIN", "FT.PROFILE")
    assert searches
    for words in searches:
        query = words[2]
        assert QUERY.fullmatch(query) or LINK_QUERY.fullmatch(query), words
        assert MARK not in " ".join(words).upper(), words
    for words in commands.of("EVAL", "EVALSHA", "FCALL"):
        assert MARK not in words[1], words
    assert not commands.of("FLUSHALL", "FLUSHDB", "CONFIG", "SCRIPT", "KEYS")


@pytest.mark.parametrize("tier", ["premium", "pro"])
def test_over_the_stream_no_text_of_a_filter_enters_a_query(
    settings: Settings, client: redis.Redis, trades: list[str], tier: str
) -> None:
    async def scenario() -> None:
        limits = {"messages_per_minute": 1_000_000, "history_per_minute": 1_000_000}
        tiers = {tier: {"interval_ms": 20}}
        async with watched(settings, tiers=tiers, **limits) as running, running.client(tier) as peer:
            taken = 0
            with Commands(client).watched() as commands:
                for wanted in (*trees(), *texts()):
                    answer = await peer.subscribe("a", wanted)
                    while not isinstance(answer, Error | Snapshot):
                        answer = await peer.hear()
                    if isinstance(answer, Error):
                        assert answer.code == ErrorCode.BAD_FILTER, (wanted, answer)
                        assert answer.sub == "a"
                        continue
                    # Literally: a ticker that nobody trades, or all but it, and never more.
                    taken += 1
                    assert ids(answer.rows) in ([], trades), wanted
                    if "-" not in str(wanted):
                        assert MARK not in str(wanted) or answer.rows == [], wanted
                for attack in ATTACKS:
                    await peer.subscribe("b", None, channel=attack[:64])
                await peer.subscribe("a", "")
                for attack in ATTACKS:
                    from_there = History("a", attack, 3)
                    await peer.say(from_there)
                    answer = await peer.hear()
                    while not isinstance(answer, Error | Page):
                        answer = await peer.hear()
                    assert isinstance(answer, Page) or answer.code == ErrorCode.BAD_POSITION
                await asyncio.sleep(0.2)
            assert_no_query_holds_any_of_it(commands)
        assert client.dbsize() > 0

    run(scenario())


def test_over_http_no_text_of_a_filter_enters_a_query(
    settings: Settings, client: redis.Redis, trades: list[str]
) -> None:
    async def scenario() -> None:
        async with watched(settings, searches_per_minute=1_000_000) as running:
            headers = {"Authorization": f"Bearer {running.token()}"}
            base = f"http://{running.address}"
            async with httpx.AsyncClient(base_url=base, headers=headers, timeout=30) as http:
                with Commands(client).watched() as commands:
                    for text in texts():
                        for path in ("/v1/trades", "/v1/stats"):
                            answer = await http.get(path, params={"q": text})
                            assert answer.status_code in (200, 400), (text, answer.text)
                            if answer.status_code == 200 and path == "/v1/trades":
                                found = [trade["id"] for trade in answer.json()["trades"]]
                                assert found in ([], trades)
                            if answer.status_code == 400:
                                assert answer.json()["type"] == "urn:flowtape:problem:filter"
                    for attack in ATTACKS:
                        for name in ("before", "limit", "window", "top", attack):
                            answer = await http.get("/v1/trades", params={name: attack})
                            assert answer.status_code == 400
                    await http.get("/v1/trades", params={"q": "SPY"})
                assert_no_query_holds_any_of_it(commands)

    run(scenario())


def test_no_name_or_filter_of_a_channel_enters_a_query_or_leaves_its_user(
    settings: Settings, client: redis.Redis, trades: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from web import channels

    monkeypatch.setattr(channels, "REQUESTS_PER_MINUTE", 1_000_000)

    async def scenario() -> None:
        tiers = {"premium": {"channels": 1_000}}
        async with watched(settings, tiers=tiers, messages_per_minute=1_000_000) as running:
            base = f"http://{running.address}"
            mine = {"Authorization": f"Bearer {running.token()}"}
            others = {"Authorization": f"Bearer {running.token(user='bob')}"}
            async with httpx.AsyncClient(base_url=base, timeout=30) as http, running.client() as peer:
                with Commands(client).watched() as commands:
                    for wanted in (*trees()[::3], *texts()[::3]):
                        answer = await http.put("/v1/channels/one", json={"filter": wanted}, headers=mine)
                        assert answer.status_code in (200, 201, 400), answer.text
                    for attack in ATTACKS:
                        path = f"/v1/channels/{quote(attack[:60], safe='')}"
                        answer = await http.put(path, json={"filter": "SPY"}, headers=mine)
                        assert answer.status_code in (201, 200, 400, 404), (attack, answer.text)
                        if answer.status_code == 201:
                            name = answer.json()["name"]
                            snapshot = await peer.subscribe("a", None, channel=name)
                            assert isinstance(snapshot, Snapshot)
                            assert ids(snapshot.rows) == trades
                            assert (await http.get(path, headers=others)).status_code == 404
                    await http.get("/v1/channels/shared/ftlink_" + "0" * 32, headers=others)
                    await http.get("/v1/trades", headers=mine)
                assert_no_query_holds_any_of_it(commands)
                assert (await http.get("/v1/channels", headers=others)).json()["channels"] == []

    run(scenario())
