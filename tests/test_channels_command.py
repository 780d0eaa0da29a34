"""`flowtape channels` as an operator runs it, on a real Redis."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import redis
from typer.testing import CliRunner, Result

from engine.channels import Channels
from engine.cli import build_app
from engine.settings import Settings
from engine.store.connect import connect_async
from schemas import keys
from schemas.channel import is_whole_link
from schemas.errors import ChannelError, FilterError, FlowtapeError
from schemas.filter_text import parse_filter

FILTER = "SPY calls premium>=100k"


def run(settings: Settings, *words: str, columns: int = 200) -> Result:
    environment = {"FLOWTAPE_REDIS_URL": settings.redis_url, "COLUMNS": str(columns)}
    return CliRunner().invoke(build_app("channels"), ["channels", *words], env=environment)


def ok(settings: Settings, *words: str) -> str:
    result = run(settings, *words)
    assert result.exit_code == 0, result.output
    return result.stdout


def on_gateway(settings: Settings, scenario: Callable[[Channels], Awaitable[Any]]) -> Any:
    async def go() -> Any:
        client = connect_async(settings)
        try:
            return await scenario(Channels(client))
        finally:
            await client.aclose()

    return asyncio.run(go())


def test_the_way_of_a_channel(settings: Settings, client: redis.Redis) -> None:
    ann = ("--user", "ann")
    assert "ann has no saved channels" in ok(settings, "list", *ann)
    assert ok(settings, "save", "calls", FILTER, *ann) == "Saved 'calls': SPY calls premium>=100k\n"
    # What the operator saved is what a gateway reads.
    held = on_gateway(settings, lambda channels: channels.get("ann", "calls"))
    assert held.filter == parse_filter(FILTER)
    listed = ok(settings, *ann)
    assert "1 saved channels of ann" in listed
    assert re.search(r"calls +SPY calls premium>=100k +1 +20\d\d-", listed)
    assert held.key in ok(settings, "show", "calls", *ann)
    assert "Saved" in ok(settings, "save", "calls", *ann, "--", "-TSLA", "QQQ puts")
    assert "named 'puts' now" in ok(settings, "rename", "calls", "puts", *ann)
    link = ok(settings, "share", "puts", *ann).splitlines()[-1]
    assert is_whole_link(link)
    assert re.search(r"filter +QQQ puts", ok(settings, "show", link))
    assert "Nobody else" in ok(settings, "unshare", "puts", *ann)
    with pytest.raises(ChannelError, match="No channel is shared"):
        on_gateway(settings, lambda channels: channels.get("bob", link))
    assert ok(settings, "delete", "puts", *ann) == "Deleted 'puts'.\n"
    assert not list(client.scan_iter(f"{keys.channel_prefix()}*"))


def test_json_is_one_object_a_line(settings: Settings) -> None:
    ann = ("--user", "ann", "--json")
    saved = json.loads(ok(settings, "save", "a", FILTER, *ann))
    assert saved["filter"] == {"underlying": ["SPY"], "right": ["C"], "premium": {"gte": 100_000}}
    assert (saved["name"], saved["link"], saved["revision"]) == ("a", None, 1)
    ok(settings, "save", "b", "*", *ann)
    assert [json.loads(line)["name"] for line in ok(settings, "list", *ann).splitlines()] == ["a", "b"]
    assert is_whole_link(json.loads(ok(settings, "share", "a", *ann))["link"])
    assert json.loads(ok(settings, "rename", "a", "c", *ann))["name"] == "c"
    assert json.loads(ok(settings, "show", "c", *ann))["text"] == "SPY calls premium>=100k"
    assert json.loads(ok(settings, "unshare", "c", *ann))["link"] is None
    assert ok(settings, "delete", "c", *ann) == ""


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("list",), "list --user U"),
        (("save", "a"), "save NAME FILTER --user U"),
        (("save", "a", "SPY"), "save NAME FILTER --user U"),
        (("save", "a", "--user", "ann"), "save NAME FILTER --user U"),
        (("rename", "a", "--user", "ann"), "rename NAME NEW --user U"),
        (("rename", "a", "b", "c", "--user", "ann"), "rename NAME NEW --user U"),
        (("show", "--user", "ann"), "show NAME --user U"),
        (("delete", "a", "b", "--user", "ann"), "delete NAME --user U"),
        (("list", "a", "--user", "ann"), "list --user U"),
        (("sav", "a", "SPY", "--user", "ann"), "sav"),
    ],
)
def test_wrong_words_say_what_was_expected(
    settings: Settings, client: redis.Redis, words: tuple[str, ...], said: str
) -> None:
    result = run(settings, *words)
    assert result.exit_code == 2
    assert said in result.stderr
    assert client.dbsize() == 0


@pytest.mark.parametrize(
    ("words", "error", "said"),
    [
        (("save", "a", "SPY premum>=5"), FilterError, "premum"),
        (("save", "a/b", "SPY"), ChannelError, "slash"),
        (("save", "a", "SPY", "--tier", "free"), ChannelError, "saves no channels"),
        (("save", "a", "SPY", "--tier", "premum"), FlowtapeError, "nearest: premium"),
        (("show", "a"), ChannelError, "There is no channel 'a'"),
        (("rename", "a", "b"), ChannelError, "There is no channel 'a'"),
        (("delete", "a"), ChannelError, "There is no channel 'a'"),
        (("share", "a"), ChannelError, "There is no channel 'a'"),
        (("show", "ftlink_0"), ChannelError, "No channel is shared"),
        (("list", "--user", "a\nb"), FlowtapeError, "user"),
    ],
)
def test_what_cannot_be_done_is_an_error_for_people(
    settings: Settings, words: tuple[str, ...], error: type[FlowtapeError], said: str
) -> None:
    result = run(settings, *(words if "--user" in words else (*words, "--user", "ann")))
    assert isinstance(result.exception, error)
    assert said in str(result.exception)


def test_the_limit_of_a_named_tier_holds(settings: Settings) -> None:
    tiers = settings.model_copy(update={"tiers": {"premium": {"channels": 1}}})
    environment = {"FLOWTAPE_REDIS_URL": settings.redis_url, "FLOWTAPE_TIERS": json.dumps(tiers.tiers)}

    def save(name: str, *more: str) -> Result:
        words = ["channels", "save", name, "SPY", "--user", "ann", *more]
        return CliRunner().invoke(build_app("channels"), words, env=environment)

    assert save("a", "--tier", "premium").exit_code == 0
    refused = save("b", "--tier", "premium").exception
    assert isinstance(refused, ChannelError)
    assert refused.code == "channel_limit"
    assert save("b").exit_code == 0


def test_what_another_version_saved_is_listed_with_the_reason(
    settings: Settings, client: redis.Redis
) -> None:
    ok(settings, "save", "good", "SPY", "--user", "ann")
    ok(settings, "save", "newer", "SPY", "--user", "ann")
    made = on_gateway(settings, lambda channels: channels.get("ann", "newer"))
    client.execute_command("JSON.SET", made.key, "$.filter", '"{\\"moon\\":[]}"')
    table = ok(settings, "list", "--user", "ann")
    assert re.search(r"newer +'moon' is no field", table)
    lines = [json.loads(line) for line in ok(settings, "list", "--user", "ann", "--json").splitlines()]
    assert [line["name"] for line in lines] == ["good", "newer"]
    assert lines[1]["filter"] is None
    assert "moon" in lines[1]["error"]


def test_markup_in_a_name_is_shown_as_it_is(settings: Settings) -> None:
    ok(settings, "save", "[bold]x[red]", "SPY", "--user", "[u]")
    assert "[bold]x[red]" in ok(settings, "list", "--user", "[u]")
    assert "[bold]x[red]" in ok(settings, "show", "[bold]x[red]", "--user", "[u]")
    assert "of [u]" in ok(settings, "list", "--user", "[u]")


def test_as_a_process_it_ends_with_one_sentence(settings: Settings) -> None:
    words = ["channels", "--redis-url", str(settings.redis_url), "show", "none", "--user", "ann"]
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "engine.cli", *words],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "flowtape: There is no channel 'none'.\n"
