"""The dead stream: what is on it is listed with its reason, and can be put back on its way."""

from __future__ import annotations

import subprocess
import sys

import msgspec
import pytest
import redis

from engine.dead import count, entries, retry
from engine.scripts import script
from engine.settings import Settings
from schemas import keys
from schemas.errors import FlowtapeError
from tests.indexing import a_print, append, index, trades, unprocessed

SPY = "SPY261218C00600000"
MESSAGE = b'[{"ev":"T","sym":"O:SPY261218C00600000","x":304,"p":1.5,"s":2,"c":[209],"t":1795280400000,"q":7}]'


def flowtape(settings: Settings, *words: str) -> subprocess.CompletedProcess[str]:
    """`flowtape dead` on the test's Redis."""
    return subprocess.run(
        [sys.executable, "-m", "engine.cli", "dead", "--redis-url", str(settings.redis_url), *words],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def bury_message(client: redis.Redis, raw: bytes, feed: str = "massive") -> None:
    """As the publisher does."""
    client.xadd(keys.dead(0), {"reason": "why", "feed": feed, "kind": "message", "raw": raw, "at": 1})


def test_a_dead_print_is_indexed_once_its_cause_is_gone(client: redis.Redis, settings: Settings) -> None:
    client.set(keys.contract(0, SPY), "not a hash")
    append(client, [a_print(1), a_print(2)])
    index(client, settings)
    found = list(entries(client, settings))
    assert [(e.kind, e.feed) for e in found] == [("print", "test")] * 2
    assert "could not be read" in found[0].reason
    client.delete(keys.contract(0, SPY))
    assert [retry(client, settings, entry).reason for entry in found] == ["", ""]
    index(client, settings, "two")
    assert set(trades(client)) == {"t_1", "t_2"}
    assert count(client, settings) == 0


def test_a_vendors_message_is_read_again(client: redis.Redis, settings: Settings) -> None:
    bury_message(client, MESSAGE)
    (entry,) = entries(client, settings)
    assert retry(client, settings, entry).reason == ""
    index(client, settings)
    assert [(t.symbol, t.price, t.size) for t in trades(client).values()] == [(SPY, 1.5, 2)]
    assert count(client, settings) == 0


@pytest.mark.parametrize(
    ("raw", "feed", "reason"),
    [(b"[{", "massive", ""), (MESSAGE, "cboe", "replay its file"), (MESSAGE, "simulator", "no messages")],
)
def test_what_still_cannot_be_read_stays_with_the_reason(
    client: redis.Redis, settings: Settings, raw: bytes, feed: str, reason: str
) -> None:
    bury_message(client, raw, feed)
    (entry,) = entries(client, settings)
    said = retry(client, settings, entry).reason
    assert said
    assert reason in said
    assert count(client, settings) == 1
    assert client.exists(keys.prints(0)) == 0


def test_an_entry_is_put_back_only_once(client: redis.Redis, settings: Settings) -> None:
    client.xadd(
        keys.dead(0),
        {"reason": "why", "feed": "test", "kind": "print", "raw": msgspec.msgpack.encode(a_print()), "at": 1},
    )
    (entry,) = entries(client, settings)
    retry(client, settings, entry)
    with pytest.raises(FlowtapeError, match="is gone"):
        retry(client, settings, entry)
    assert client.xlen(keys.prints(0)) == 1


def test_the_dead_stream_is_bounded(client: redis.Redis, settings: Settings) -> None:
    client.xgroup_create(keys.prints(0), keys.INDEXER_GROUP, id="0", mkstream=True)
    for n in range(500):
        client.xadd(keys.prints(0), {"d": str(n)})
    client.xreadgroup(keys.INDEXER_GROUP, "c", {keys.prints(0): ">"}, count=500)
    for entry_id, _ in client.xrange(keys.prints(0)):  # type: ignore[union-attr]
        script("bury_print").run(
            client,
            [keys.prints(0), keys.dead(0), keys.counts(0)],
            [keys.INDEXER_GROUP, entry_id, 100, "why", "test", "print", b"x", 1],
        )
    assert 100 <= client.xlen(keys.dead(0)) < 300
    assert unprocessed(client) == 0
    assert client.hget(keys.counts(0), "test:dead") == b"500"


def test_the_command_lists_newest_first_and_retries(client: redis.Redis, settings: Settings) -> None:
    assert "Nothing is dead" in flowtape(settings).stdout
    bury_message(client, MESSAGE)
    bury_message(client, b"[{")
    shown = [msgspec.json.decode(line) for line in flowtape(settings, "--json").stdout.splitlines()]
    assert [entry["raw"] for entry in shown] == ["W3s=", shown[1]["raw"]]
    assert "2 of 2 dead entries" in flowtape(settings).stdout
    done = flowtape(settings, "--retry")
    assert "1 of 2 are back on their way." in done.stdout
    assert f"{shown[0]['id']} stays: " in done.stdout
    assert done.returncode == 0


def test_an_id_that_is_not_there_is_an_error_in_one_sentence(client: redis.Redis, settings: Settings) -> None:
    done = flowtape(settings, "--id", "1-1")
    assert done.returncode == 1
    assert done.stderr.startswith("flowtape: There is no dead entry 1-1.")
    assert "Traceback" not in done.stderr
