"""What the live view reads of a gateway's own metrics."""

from __future__ import annotations

import socket

from engine.metrics import GatewayMetrics
from engine.settings import Settings
from engine.terminal.gateway_gauges import GatewayReading, GatewayWatch, parse, rows_per_second
from tests.processes import GUARD_S


def test_gauges_are_read_from_what_a_gateway_writes() -> None:
    metrics = GatewayMetrics()
    metrics.sessions["free"].inc(2)
    metrics.sessions["premium"].inc()
    metrics.subscriptions.inc(5)
    metrics.groups["push"].inc(3)
    metrics.groups["poll"].inc()
    metrics.rows_sent.inc(1_234)
    metrics.tape_lag.set(0.25)
    assert parse(metrics.text().decode(), 7.0) == GatewayReading(7.0, 3, 5, 4, 1_234, 250.0)


def test_a_page_that_is_no_gateways_gives_nothing() -> None:
    assert parse("", 0.0) is None
    assert parse("<html>flowtape_sessions</html>\nflowtape_sessions x\nflowtape_up 1", 0.0) is None


def test_the_rate_is_zero_where_the_count_began_anew() -> None:
    first, second = GatewayReading(1.0, 0, 0, 0, 100, 0.0), GatewayReading(3.0, 0, 0, 0, 500, 0.0)
    assert rows_per_second(first, second) == 200.0
    assert rows_per_second(None, second) == 0.0
    assert rows_per_second(second, GatewayReading(4.0, 0, 0, 0, 7, 0.0)) == 0.0
    assert rows_per_second(first, first) == 0.0


def test_a_gateway_that_takes_connections_and_says_nothing_shows_nothing_and_holds_up_nobody() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(GUARD_S)
        with GatewayWatch(f"http://127.0.0.1:{silent.getsockname()[1]}", Settings.load()) as watch:
            connection, _ = silent.accept()
            with connection:
                connection.settimeout(GUARD_S)
                assert connection.recv(100).startswith(b"GET /metrics ")
                # It gives up by itself.
                while connection.recv(4_096):
                    pass
            assert watch.newest is None
