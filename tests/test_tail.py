"""`flowtape tail` as a user runs it, against a real WebSocket server; and what it prints for each event."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from engine.access.login_link import TIER, login_name
from engine.access.tokens import Access
from engine.cli import main
from engine.client import Disconnected, Reconnected, View
from engine.settings import Settings
from engine.terminal.tail_view import SYNTHETIC, TailView, greeting
from engine.terminal.trade_lines import Mark, TradeLines
from schemas.messages import Batch, Error, ErrorCode, Snapshot
from schemas.trade import COLUMNS
from tests.stream_server import GUARD_S, WELCOME, Peer, ScriptedGateway, batch, row, snapshot
from tests.trade_strategies import a_trade

ROOT = Path(__file__).parents[1]

NOON = 1_795_280_400_000
"""2026-11-21 12:00 in New York."""

SECRET = "a secret of thirty-two bytes or more"  # noqa: S105


def run(scenario: Coroutine[Any, Any, None]) -> None:
    """Run a scenario; one that hangs fails."""

    async def guarded() -> None:
        async with asyncio.timeout(GUARD_S):
            await scenario

    asyncio.run(guarded())


@asynccontextmanager
async def tail(*words: str, **environment: str) -> AsyncIterator[Process]:
    """A running `flowtape tail`."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "engine.cli", "tail", *words,
        cwd=ROOT, env={**os.environ, "FLOWTAPE_JWT_SECRET": SECRET, **environment}, stdout=PIPE, stderr=PIPE,
    )  # fmt: skip
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def lines(process: Process, count: int) -> list[str]:
    assert process.stdout is not None
    return [(await process.stdout.readline()).decode().rstrip("\n") for _ in range(count)]


async def remarks(process: Process, count: int) -> list[str]:
    assert process.stderr is not None
    return [(await process.stderr.readline()).decode().rstrip("\n") for _ in range(count)]


def test_rows_come_oldest_first_and_what_happens_to_the_connection_is_said() -> None:
    async def first(peer: Peer) -> None:
        assert peer.bearer is not None
        access = Access(Settings.load(jwt_secret=SECRET), SECRET)
        identity = await access.identify(peer.bearer.removeprefix("Bearer "))
        assert (identity.user, identity.tier.name) == (login_name(), TIER)
        await peer.say(
            msgspec.structs.replace(WELCOME, tier="free", limits={"delay_s": 900, "interval_ms": 5_000})
        )
        asked = await peer.subscribed()
        assert asked.filter == {"underlying": ["SPY"]}
        assert asked.snapshot == 2
        rows = [row(number, ts=NOON + number, size=100 + number) for number in (2, 1)]
        await peer.say(Snapshot(asked.sub, rows, "p1_0", False, None, False))
        await peer.say(batch(asked.sub, pos="p1_1", skipped=1_234))
        await peer.close(4001, "The gateway stops.")

    async def second(peer: Peer) -> None:
        await peer.say(WELCOME)
        asked = await peer.subscribed()
        assert asked.since == "p1_1"
        again = row(1, ts=NOON + 1, seq=9, flags=("sweep", "synthetic"))
        await peer.say(Batch(asked.sub, [again, row(3, ts=NOON + 3)], "p1_2", 0, recovered=True))
        await peer.say(batch(asked.sub, pos="p1_3", gone=[row(2, ts=NOON + 2, seq=10, flags=("cancelled",))]))
        await peer.gone()

    async def scenario() -> None:
        async with (
            ScriptedGateway(first, second) as gateway,
            tail("SPY", "--url", gateway.url, "--snapshot", "2") as process,
        ):
            title, header, day, *trades = await lines(process, 8)
            assert title == "SPY"
            assert header.split()[:4] == ["Time", "Ticker", "Expiry", "Strike"]
            assert day == "2026-11-21, New York time (EST)"
            assert [line[:1] for line in trades] == [" ", " ", "~", " ", "-"]
            assert [line[2:14] for line in trades] == [
                "12:00:00.001", "12:00:00.002", "12:00:00.001", "12:00:00.003", "12:00:00.002",
            ]  # fmt: skip
            assert "SWEEP SYN" in trades[2]
            said = await remarks(process, 5)
            assert said[0] == "DELAYED: the tier free shows trades 15 min late, every 5 s."
            assert said[1] == "1,234 more trades passed the filter, too many for one batch."
            assert said[2].startswith("Disconnected: ")
            assert "4001 The gateway stops." in said[2]
            assert "Connecting again in " in said[2]
            assert said[3:] == ["Connected again; what was missed follows.", SYNTHETIC]

    run(scenario())


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_it_quietly(number: signal.Signals, status: int) -> None:
    async def script(peer: Peer) -> None:
        await peer.say(WELCOME)
        asked = await peer.subscribed()
        assert asked.channel == "mine"
        await peer.say(snapshot(asked.sub, 1))
        await peer.gone()

    async def scenario() -> None:
        async with (
            ScriptedGateway(script) as gateway,
            tail("--channel", "mine", "--url", gateway.url) as process,
        ):
            assert (await lines(process, 4))[0] == "channel mine"
            process.send_signal(number)
            output, errors = await process.communicate()
            assert (process.returncode, output, errors) == (status, b"", b"")

    run(scenario())


def test_json_is_one_object_a_line_and_says_what_is_gone(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("t1\n")

    async def script(peer: Peer) -> None:
        assert peer.bearer == "Bearer t1"
        await peer.say(WELCOME)
        asked = await peer.subscribed()
        assert asked.filter == {"underlying": ["-TSLA"]}
        await peer.say(snapshot(asked.sub, 2, 1), batch(asked.sub, pos="p1_1", gone=[row(1, seq=9)]))
        await peer.gone()

    async def scenario() -> None:
        words = ("-TSLA", "--json", "--token-file", str(token))
        async with (
            ScriptedGateway(script) as gateway,
            tail(*words, FLOWTAPE_GATEWAY_URL=gateway.url) as process,
        ):
            objects = [json.loads(line) for line in await lines(process, 3)]
            documents = [json.loads(msgspec.json.encode(a_trade(number))) for number in (1, 2)]
            assert objects == [*documents, documents[0] | {"seq": 9, "gone": True}]

    run(scenario())


def test_a_token_of_the_environment_is_used_as_it_is() -> None:
    async def script(peer: Peer) -> None:
        assert peer.bearer == "Bearer t7"
        await peer.close(4403, "Not this user.")

    async def scenario() -> None:
        async with (
            ScriptedGateway(script) as gateway,
            tail("--url", gateway.url, FLOWTAPE_TOKEN="t7") as process,  # noqa: S106
        ):
            output, errors = await process.communicate()
            assert process.returncode == 1
            assert output == b""
            assert errors.decode().count("\n") == 1
            assert "4403" in errors.decode()
            assert "Not this user." in errors.decode()

    run(scenario())


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (["--url", "http://127.0.0.1:1"], 1, "flowtape serve"),
        (["--url", "nowhere"], 1, "no gateway's address"),
        (["--url", "http://flow.example.com"], 2, "FLOWTAPE_TOKEN"),
        (["swep"], 2, "swep"),
        (["SPY", "--channel", "mine"], 2, "Give one of them"),
        (["--token-file", "/nowhere/token"], 1, "/nowhere/token: No such file"),
        (["--token-file", os.devnull], 1, "holds no token"),
        (["--tier", "gold"], 1, "gold"),
    ],
)
def test_what_cannot_be_followed_is_one_line_that_says_what_to_do(
    words: list[str],
    status: int,
    said: str,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setenv("FLOWTAPE_DATA_DIR", str(tmp_path))
    with pytest.raises(SystemExit) as ended:
        main(["tail", *words])
    printed = capfd.readouterr()
    assert ended.value.code == status
    assert printed.out == ""
    assert printed.err.startswith("flowtape: ")
    assert printed.err.count("\n") == 1
    assert said in printed.err


def test_every_kind_of_event_is_told() -> None:
    view = TailView("SPY", None, as_json=False)
    nothing = View().apply(batch("s", pos="p"))

    def told(event: Any) -> str:
        shown, sentences = view.take(event, nothing, COLUMNS)
        assert shown == []
        return " ".join(sentences)

    assert told(Disconnected("It broke.", 1.26)) == "Disconnected: It broke. Connecting again in 1.3 s."
    assert "newest trades follow" in told(Reconnected(recovered=False))
    assert told(Error(ErrorCode.SOURCE_UNAVAILABLE, "Redis does not answer.")) == "Redis does not answer."
    assert told(batch("s", pos="p", skipped=1)) == "1 more trade passed the filter, too many for one batch."
    assert told(batch("s", pos="p")) == ""
    assert greeting(WELCOME) == []


def test_synthetic_trades_are_called_so_once() -> None:
    held, view = View(), TailView("SPY", None, as_json=False)
    for number in (1, 2):
        message = Batch("s", [row(number, flags=("synthetic",))], "p", 0)
        _, sentences = view.take(message, held.apply(message), COLUMNS)
        assert sentences == ([SYNTHETIC] if number == 1 else [])


@pytest.mark.parametrize("width", [60, 80, 120, 160, 240, None])
def test_lines_keep_their_columns_and_leave_out_what_does_not_fit(width: int | None) -> None:
    shown = TradeLines(width)
    header = shown.header().plain
    usual = a_trade(1, ts=NOON, price=2.45, size=1_200, premium=1_254_400.0, bid=2.4, ask=2.45, underlying_price=600.12,
                    dte=27, otm_pct=-0.02, volume=5_000, open_interest=1_000, vol_oi=5.0, iv=0.231, delta=0.5,
                    exchange="XCBO", flags=("sweep", "golden"))  # fmt: skip
    day, line = shown.lines(usual)
    (second,) = shown.lines(a_trade(2, ts=NOON + 1), Mark.CHANGED)
    assert "2026-11-21" in day.plain
    assert second.plain.startswith("~ 12:00:00.001")
    for title, text in (("Ticker", "SPY"), ("Side", "A"), ("Flags", "GOLDEN SWEEP")):
        if title in header:
            assert line.plain.index(text, header.index(title)) == header.index(title)
    for title, text in (("Strike", "600"), ("Premium", "$1.25M"), ("Size", "1,200")):
        end = header.index(title) + len(title)
        assert line.plain[:end].endswith(text)
    everything = all(title in header for title in ("Exch", "Delta", "IV", "Spot"))
    assert everything is (width in (None, 240)) is not bool(shown.left_out)
    if width is not None and width > 80:
        assert len(line.plain) <= width


def test_a_wide_value_moves_its_line_and_is_not_cut() -> None:
    (_, line) = TradeLines(100).lines(a_trade(1, ts=NOON, size=123_456_789, strike=12_345.125))
    assert "123,456,789" in line.plain
    assert "12345.1" in line.plain


def test_withdrawn_trades_are_struck_through() -> None:
    (_, line) = TradeLines(None).lines(a_trade(1, flags=("cancelled",)), Mark.GONE)
    assert "strike" in str(line.style)
    assert line.plain.startswith("- ")
