"""`flowtape bench fanout` and the clients that both benches of the stream have."""

from __future__ import annotations

import asyncio
import os
import time
from typing import Any

import pytest

from engine.bench.fanout import run
from engine.bench.process_cost import allow_descriptors, cpu_seconds, resident_bytes
from engine.bench.stream_receivers import Receivers, Visitor
from engine.bench.worker import Verbs, Worker, wait_until
from schemas.errors import FlowtapeError
from schemas.messages import ENCODINGS, MSGPACK, Batch
from tests.processes import runs
from tests.stream_server import GUARD_S, Peer, ScriptedGateway, row, snapshot

SUBSCRIBE = ENCODINGS[MSGPACK].encode({"op": "subscribe", "sub": "a", "filter": {}, "snapshot": 0})


def test_the_bench_counts_frames_of_the_gateway_and_of_the_bare_loop(
    capsys: pytest.CaptureFixture[str],
) -> None:
    figures = run(clients=20, rounds=1, seconds=1)
    for side in (figures["ours"], figures["bare"]):
        assert side["frames_per_s"] > 0
        assert side["frame_bytes"] > 100
    # One row a frame, so both send about the same.
    assert abs(figures["ours"]["frame_bytes"] - figures["bare"]["frame_bytes"]) < 50
    assert figures["ratio"] > 0
    assert "gateway / bare loop" in " ".join(capsys.readouterr().out.split())


def test_receivers_read_frames_of_every_length_and_answer_pings() -> None:
    asyncio.run(_read_and_answer())


async def _read_and_answer() -> None:
    seen: list[int] = []

    async def script(peer: Peer) -> None:
        await peer.subscribed()
        await peer.say(snapshot("a"))
        for rows in (0, 1, 1_000):
            batch = Batch("a", [row(n) for n in range(rows)], "p1_0", 0)
            seen.append(len(ENCODINGS[MSGPACK].encode(batch)))
            await peer.say(batch)
        # Raises unless the pong comes.
        await (await peer.socket.ping())
        await peer.close(4001)

    receivers = Receivers(keep=True)
    async with ScriptedGateway(script) as gateway:
        assert await receivers.connect(gateway.url + "/v1/stream", [Visitor("token", SUBSCRIBE)]) == []
        async with asyncio.timeout(GUARD_S):
            await asyncio.gather(*(client.gone for client in receivers._clients))
    assert (await receivers.mark()).closed == {4001: 1}
    assert await receivers.batches() == 3
    assert [len(kept.content) for kept in receivers.kept[1:]] == seen
    # Lengths of 7, 16 and 64 bits.
    assert seen[0] < 126 <= seen[1] < 65_536 <= seen[2]
    await receivers.drop()
    assert (await receivers.mark()).frames == 0


def test_receivers_say_why_they_could_not_come_in() -> None:
    asyncio.run(_be_refused())


async def _be_refused() -> None:
    async def refuse(peer: Peer) -> None:
        await peer.close(4401)

    receivers = Receivers(keep=False)
    async with ScriptedGateway(refuse) as gateway:
        failures = await receivers.connect(gateway.url + "/v1/stream", [Visitor("token", SUBSCRIBE)])
        missing = await receivers.connect(gateway.url + "/v1/stream", [Visitor("token", SUBSCRIBE)])
    assert len(failures) == 1
    assert "ended before it was subscribed" in failures[0]
    assert "404" in missing[0]
    await receivers.drop()


def echoing(prefix: str) -> Verbs:
    async def echo(text: str) -> Any:
        if text == "fail":
            raise ValueError("told to")
        if text == "end":
            os._exit(1)
        return prefix + text

    return {"echo": echo}


def test_a_worker_answers_fails_and_ends_as_its_starter_sees() -> None:
    with Worker(echoing, "> ") as worker:
        pid = worker.pid
        assert worker.ask("echo", "a") == "> a"
        with pytest.raises(RuntimeError, match="told to"):
            worker.ask("echo", "fail")
        assert worker.ask("echo", "b") == "> b"
        with pytest.raises(RuntimeError, match="ended"):
            worker.ask("echo", "end")
    assert not runs(pid)


def test_waiting_for_what_does_not_happen_ends() -> None:
    with pytest.raises(RuntimeError, match="A miracle did not happen"):
        wait_until(lambda: False, "A miracle", 0.05, 0.01)


def test_the_cost_of_a_process_is_what_the_system_says() -> None:
    before = cpu_seconds(os.getpid())
    begun = time.process_time()
    while time.process_time() - begun < 0.1:
        pass
    assert cpu_seconds(os.getpid()) - before >= 0.05
    assert resident_bytes(os.getpid()) > 1_000_000


def test_more_connections_than_files_are_allowed_are_refused() -> None:
    allow_descriptors(1)
    with pytest.raises(FlowtapeError, match="open files"):
        allow_descriptors(2_000_000_000)
