"""`flowtape feed` as a process: refusals, missing keys, a clean stop."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from typing import Any

import pytest
import redis

from engine.settings import Settings
from engine.store.connect import connect_async
from schemas import keys
from tests.vendors.harness import Vendor, Wire
from tests.vendors.massive import Server

GUARD_S = 60


async def start(settings: Settings, *arguments: str, **environment: Any) -> Process:
    told = {f"FLOWTAPE_{name.upper()}": str(value) for name, value in environment.items()}
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "engine.cli", "feed", *arguments, stdout=PIPE, stderr=PIPE,
        env={**os.environ, "FLOWTAPE_REDIS_URL": str(settings.redis_url), **told},
    )  # fmt: skip


def finished(settings: Settings, *arguments: str, **environment: Any) -> tuple[int, str, str]:
    """Exit status, standard output and standard error of a feed that ends by itself."""

    async def scenario() -> tuple[int, str, str]:
        async with asyncio.timeout(GUARD_S):
            process = await start(settings, *arguments, **environment)
            out, err = await process.communicate()
            assert process.returncode is not None
            return process.returncode, out.decode(), err.decode()

    return asyncio.run(scenario())


def test_the_list_names_every_feed_and_its_keys(settings: Settings) -> None:
    status, out, err = finished(settings, "--list")
    assert (status, err) == (0, "")
    assert "unusual-whales" in out
    assert "FLOWTAPE_ALPACA_SECRET" in out


@pytest.mark.parametrize(
    ("arguments", "told"),
    [((), "No feed is named"), (("alpca",), "Did you mean alpaca?"), (("massive",), "FLOWTAPE_MASSIVE_KEY is not set"),
     (("massive", "--rate", "5"), "--rate and --seed are the simulator's")],
)  # fmt: skip
def test_a_wrong_call_is_one_sentence_with_the_remedy(
    settings: Settings, arguments: tuple[str, ...], told: str
) -> None:
    status, out, err = finished(settings, *arguments)
    assert status == 2
    assert told in err
    assert out == ""
    assert err.count("\n") == 1


def test_a_wrong_key_ends_with_the_vendors_answer(settings: Settings) -> None:
    async def scenario() -> tuple[int | None, str]:
        vendor = Server()
        async with asyncio.timeout(GUARD_S), vendor:
            process = await start(settings, "massive", **vendor.settings(right_key=False))
            _, err = await process.communicate()
            assert vendor.attempts == 1
            return process.returncode, err.decode()

    status, err = asyncio.run(scenario())
    assert status == 3
    assert err.startswith("flowtape: Massive answered auth_failed: authentication failed.")
    assert "FLOWTAPE_MASSIVE_KEY" in err
    assert "Traceback" not in err


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_the_feed_when_its_prints_are_in_redis(
    settings: Settings, client: redis.Redis, number: signal.Signals
) -> None:
    count = 550

    async def scenario() -> tuple[int | None, str]:
        vendor: Vendor = Server()
        sent = asyncio.Event()

        async def turn(wire: Wire) -> None:
            for n in range(count):
                await wire.send(vendor.message(n))
            sent.set()
            await wire.stay()

        vendor.plan = [turn]
        async with asyncio.timeout(GUARD_S), vendor:
            # What lingers for a minute is still in hand at the signal: the last 50.
            told = {**vendor.settings(right_key=True), "publish_linger_ms": 60_000, "publish_batch": 100}
            process = await start(settings, "massive", **told)
            await sent.wait()
            await appended(settings, 500)
            process.send_signal(number)
            out, err = await process.communicate()
            assert err == b""
            return process.returncode, out.decode()

    status, out = asyncio.run(scenario())
    assert status == 0
    last = out.splitlines()[-1]
    found = client.xlen(keys.prints(0))
    assert f"massive stopped · 0 prints/s · {found} prints · 0 rejects · 0 dropped" in last
    assert found >= 500


async def appended(settings: Settings, least: int) -> None:
    """Wait until so many prints are on the stream."""
    client = connect_async(settings)
    last: bytes | str = "0"
    seen = 0
    while seen < least:
        answer: Any = await client.xread({keys.prints(0): last}, block=GUARD_S * 1000)
        entries = [entry for batches in answer.values() for batch in batches for entry in batch]
        seen, last = seen + len(entries), entries[-1][0]
    await client.aclose()
