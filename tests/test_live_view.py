"""The live view: what it reads from a real Redis, and what it makes of it at every size of a terminal."""

from __future__ import annotations

import io

import pytest
import redis
from rich.console import Console

from engine.settings import Settings
from engine.simulator.market import SimulatedMarket
from engine.terminal import gauges, live_view
from engine.terminal.gateway_gauges import GatewayReading
from engine.terminal.live_view import ViewState
from engine.terminal.tape_follower import AT_ONCE, NEWEST, NOTABLE, TapeFollower
from schemas import keys
from tests.indexing import NOON, a_print, append, index


@pytest.fixture
def follower(client: redis.Redis, settings: Settings) -> TapeFollower:
    """A follower of a tape that holds 400 prints of the simulator."""
    append(client, SimulatedMarket(2, NOON, 2_000).take(float("inf"), 400))
    index(client, settings)
    follower = TapeFollower(client, settings.partitions)
    follower.poll()
    return follower


def a_state(client: redis.Redis) -> ViewState:
    return ViewState("simulator", True, "-s /tmp/redis.sock", reading=gauges.read(client, 1, 1.0))


def picture(state: ViewState, follower: TapeFollower, width: int, height: int) -> list[str]:
    console = Console(file=io.StringIO(), width=width, height=height, color_system=None)
    newest, notable = follower.trades.newest(height), follower.notable.newest(height)
    console.print(live_view.render(state, newest, notable, NOON + 20_000, width, height))
    text = console.file.getvalue()  # type: ignore[attr-defined]
    return str(text).rstrip("\n").split("\n")


@pytest.mark.parametrize(("width", "height"), [(60, 12), (80, 24), (100, 30), (120, 40), (200, 60)])
def test_the_picture_fits_the_terminal_and_is_labelled_synthetic(
    client: redis.Redis, follower: TapeFollower, width: int, height: int
) -> None:
    lines = picture(a_state(client), follower, width, height)
    assert len(lines) <= height
    assert all(len(line) <= width for line in lines)
    assert "SYNTHETIC" in lines[0]
    assert lines[0].startswith(" FLOWTAPE ")


@pytest.mark.parametrize(
    ("width", "titles"),
    [
        (80, "TIME TICKER STRIKE EXPIRY DTE PRICE SIZE PREMIUM SIDE FLAGS"),
        (120, "TIME TICKER STRIKE EXPIRY DTE OTM PRICE SIZE PREMIUM BID x ASK SIDE FLAGS"),
    ],
)
def test_wider_terminals_show_more_columns(
    client: redis.Redis, follower: TapeFollower, width: int, titles: str
) -> None:
    lines = picture(a_state(client), follower, width, 24)
    shown = next(line for line in lines if line.startswith("TIME"))
    assert " ".join(shown.split()) == titles


def test_newest_trades_come_first_and_every_row_says_what_traded(
    client: redis.Redis, follower: TapeFollower
) -> None:
    lines = picture(a_state(client), follower, 120, 24)
    first = next(k for k, line in enumerate(lines) if line.startswith("TIME")) + 1
    newest = follower.trades.newest(5)
    for line, trade in zip(lines[first : first + 5], newest, strict=True):
        assert trade.underlying in line
        assert f" {trade.right} " in line
    assert [trade.ts for trade in newest] == sorted((trade.ts for trade in newest), reverse=True)


def test_large_trades_get_a_part_of_a_tall_screen(
    client: redis.Redis, settings: Settings, follower: TapeFollower
) -> None:
    append(client, [a_print(1, id="t_big", ts=NOON + 9_000, size=60_000, price=25.0, ask=25.0)])
    index(client, settings)
    follower.poll()
    tall = picture(a_state(client), follower, 120, 40)
    below = next(k for k, line in enumerate(tall) if "LARGE PREMIUM" in line)
    assert any("$150M" in line for line in tall[below:])
    assert not any("LARGE PREMIUM" in line for line in picture(a_state(client), follower, 120, 24))


def test_a_rewritten_trade_replaces_itself(client: redis.Redis, settings: Settings) -> None:
    follower = TapeFollower(client, 1)
    append(client, [a_print(1)])
    index(client, settings)
    assert follower.poll() == 1
    append(client, [a_print(2, conditions=("A",), ts=NOON + 5)])
    index(client, settings)
    follower.poll()
    assert [(trade.id, "cancelled" in trade.flags) for trade in follower.trades.newest(9)] == [
        ("t_2", True),
        ("t_1", True),
    ]
    assert follower.poll() == 0


def test_a_tape_faster_than_the_screen_is_read_within_bounds(client: redis.Redis, settings: Settings) -> None:
    append(client, SimulatedMarket(2, NOON, 2_000).take(float("inf"), AT_ONCE + 200))
    index(client, settings)
    follower = TapeFollower(client, 1)
    assert follower.poll() == AT_ONCE
    assert len(follower.trades.newest(10_000)) == NEWEST
    assert len(follower.notable.newest(10_000)) <= NOTABLE
    last: bytes = client.xrevrange(keys.tape(0), count=1)[0][0]  # type: ignore[index, assignment]
    assert last
    assert follower.poll() == 0


def test_gauges_count_prints_documents_and_what_waits(client: redis.Redis, settings: Settings) -> None:
    assert gauges.read(client, 1, 0.0).documents == 0
    append(client, SimulatedMarket(2, NOON, 2_000).take(float("inf"), 300))
    before = gauges.read(client, 1, 10.0)
    assert (before.appended, before.behind, before.announced) == (300, 300, 0)
    index(client, settings)
    after = gauges.read(client, 1, 12.0)
    assert (after.behind, after.documents, after.dead) == (0, 300, 0)
    assert sum(after.outcomes[name] for name in ("indexed", "cancels", "duplicates", "dead")) == 300
    assert after.memory > after.memory_empty > 0
    assert gauges.rates(before, after).announced == after.announced / 2
    assert gauges.rates(after, before) == gauges.Rates()


def test_without_trades_the_view_says_that_it_waits(client: redis.Redis) -> None:
    empty = TapeFollower(client, 1)
    assert empty.poll() == 0
    lines = picture(a_state(client), empty, 80, 24)
    assert any("Waiting for the first trade" in line for line in lines)
    assert "no trade yet" in live_view.plain_line(a_state(client), None, NOON)


def test_the_plain_line_names_the_feed_its_kind_and_the_zone(
    client: redis.Redis, follower: TapeFollower
) -> None:
    line = live_view.plain_line(a_state(client), follower.trades.newest(1)[0], NOON + 20_000)
    assert line.startswith("2026-11-21 12:00:20 EST simulator (synthetic)")
    assert "400 trades held" in line


def test_a_feed_that_is_not_live_says_why_and_what_it_dropped(
    client: redis.Redis, follower: TapeFollower
) -> None:
    state = a_state(client)
    state.feed_state, state.feed_says, state.dropped = "waiting", "massive was silent for 30 s.", 1_234
    lines = picture(state, follower, 120, 24)
    assert "waiting" in lines[0]
    assert "dropped 1,234" in lines[1]
    assert any(line.strip() == state.feed_says for line in lines[:7])
    assert "1,234 dropped, massive was silent for 30 s." in live_view.plain_line(state, None, NOON)


LINK = f"http://127.0.0.1:8000/?ticket={'x' * 240}"


def test_the_link_is_whole_until_somebody_is_in_and_then_one_line(
    client: redis.Redis, follower: TapeFollower
) -> None:
    state = a_state(client)
    state.link, state.gateway, state.rows_sent = LINK, GatewayReading(1.0, 0, 0, 0, 0, 12.0), 120.0
    before = picture(state, follower, 100, 40)
    assert LINK in "".join(line.strip() for line in before)
    state.gateway = GatewayReading(2.0, 2, 6, 4, 120, 12.0)
    after = picture(state, follower, 100, 40)
    assert LINK not in "".join(line.strip() for line in after)
    assert any(line.startswith(" open: http://127.0.0.1:8000/ ") for line in after)
    counts = " sessions 2  subscriptions 6  filters 4  sent 120 rows/s  tape lag 12 ms"
    assert counts in (line.rstrip() for line in after)
    assert "2 sessions, 120 rows/s sent" in live_view.plain_line(state, None, NOON)


def test_the_line_that_stands_for_the_link_opens_it(client: redis.Redis, follower: TapeFollower) -> None:
    state = a_state(client)
    state.link = LINK
    console = Console(file=io.StringIO(), width=80, height=12, color_system="standard", force_terminal=True)
    console.print(live_view.render(state, [], [], NOON, 80, 12))
    assert f";{LINK}\x1b\\" in console.file.getvalue()  # type: ignore[attr-defined]


@pytest.mark.parametrize(("width", "height"), [(30, 10), (60, 12), (80, 24), (120, 40)])
def test_the_picture_fits_with_a_link_and_a_gateway_too(
    client: redis.Redis, follower: TapeFollower, width: int, height: int
) -> None:
    state = a_state(client)
    state.link, state.gateway = LINK, GatewayReading(1.0, 0, 0, 0, 0, 12.0)
    lines = picture(state, follower, width, height)
    assert len(lines) <= height
    assert all(len(line) <= width for line in lines)
    assert any("SPY" in line for line in lines)


def test_without_a_gateway_nothing_is_said_of_it(client: redis.Redis, follower: TapeFollower) -> None:
    state = a_state(client)
    assert not [line for line in picture(state, follower, 120, 40) if "sessions" in line or "open:" in line]
    assert "sessions" not in live_view.plain_line(state, None, NOON)
