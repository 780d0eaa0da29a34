"""The trader's page through outages: the gateway and Redis are killed while somebody watches, and no row is lost.

Takes about half a minute: the processes are real, and so are their deaths.
"""

from __future__ import annotations

import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect
from redis.exceptions import RedisError

from engine.access.tokens import Access
from engine.search import Search
from engine.settings import Settings
from engine.store.connect import connect
from engine.store.embedded import EmbeddedRedis
from schemas.filter_text import parse_filter
from tests.browser import Trader
from tests.chaos_feed import chaos_print
from tests.http_gateway import SECRET
from tests.indexing import append, unprocessed
from tests.processes import Running, running, until

TIERS = '{"premium": {"rows": 10000}}'
"""A snapshot holds more than is traded here: where the stream cannot go on, it brings all."""

CHUNK, PAUSE_S = 6, 0.2
"""Prints that are published at once, and how long after the ones before."""


class Site:
    """Redis with its append-only file, an indexer and a gateway, each a process that may be killed."""

    def __init__(self, stack: Path, folder: Path, page: Path) -> None:
        self.redis = EmbeddedRedis(stack, folder / "redis", persistent=True)
        self.redis.start()
        with socket.socket() as found:
            found.bind(("127.0.0.1", 0))
            self.port: int = found.getsockname()[1]
        self.settings = Settings.load(redis_url=self.redis.url)
        self._environment = {
            "FLOWTAPE_REDIS_URL": self.redis.url, "FLOWTAPE_JWT_SECRET": SECRET, "FLOWTAPE_TIERS": TIERS,
            "FLOWTAPE_PAGE_DIR": str(page),
        }  # fmt: skip
        self._indexer = running(["index"], self._environment, Running)
        self._indexer.__enter__()
        self._gateway: Running
        self.start_gateway()

    def start_gateway(self) -> None:
        """Start the gateway, on the same port as before."""
        self._gateways = running(["serve", "--port", str(self.port)], self._environment, Running)
        self._gateway = self._gateways.__enter__()
        self._gateway.line("Gateway on ")

    def kill_gateway(self) -> None:
        """End it without a word to anybody."""
        assert self._gateway.stop(signal.SIGKILL) == -signal.SIGKILL
        self._gateways.__exit__(None, None, None)

    def close(self) -> None:
        """End everything."""
        self._gateways.__exit__(None, None, None)
        self._indexer.__exit__(None, None, None)
        self.redis.stop()


@pytest.fixture
def site(stack: Path, tmp_path: Path, built_page: Path, browser: Browser) -> Iterator[Site]:
    found = Site(stack, tmp_path, built_page)
    yield found
    found.close()


@contextmanager
def watching(site: Site, browser: Browser, text: str) -> Iterator[Trader]:
    """Somebody who watches a filter; what a browser says of connections that fail is no fault."""
    token = Access(site.settings, SECRET).issue("ann", "premium", 3_600)
    trader = Trader(browser, f"http://127.0.0.1:{site.port}", token)
    trader.expects(r"WebSocket connection to", r"Failed to load resource")
    trader.open(f"/?q={text}")
    trader.show_column("Id")
    yield trader
    trader.context.close()
    assert trader.unexpected() == []


@contextmanager
def trading(site: Site) -> Iterator[None]:
    """Trades meanwhile, of which some are rewritten and some cancelled; in the end all are indexed."""
    stop = threading.Event()

    def work() -> None:
        number = 0
        with connect(site.settings) as client:
            while not stop.wait(PAUSE_S):
                now = time.time_ns() // 1_000_000
                try:
                    append(client, [chaos_print(n, now) for n in range(number, number + CHUNK)])
                except (RedisError, OSError):
                    # Redis is away; what it may have of these is known by its id.
                    continue
                number += CHUNK

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
    with connect(site.settings) as client:
        until(lambda: unprocessed(client) == 0, "indexing all")


def found(site: Site, text: str) -> set[str]:
    """The ids that a search finds."""
    with connect(site.settings) as client:
        return {row.trade().id for row in Search(client, 1, 10_000).page(parse_filter(text), 10_000).rows}


FILTERS = ("*", "SPY,QQQ -cancelled")


def test_whatever_is_killed_each_page_ends_with_the_rows_that_a_search_finds(
    site: Site, browser: Browser
) -> None:
    with ExitStack() as opened:
        traders = {text: opened.enter_context(watching(site, browser, text)) for text in FILTERS}
        loaded = [each.page.evaluate("performance.timeOrigin") for each in traders.values()]

        def all_go_on(after: str) -> None:
            newest = {text: each.shown()[:1] for text, each in traders.items()}
            for text, each in traders.items():
                each.sees(lambda text=text, each=each: each.shown()[:1] != newest[text], f"new rows {after}")

        def all_say(words: str) -> None:
            for each in traders.values():
                expect(each.page.get_by_role("banner")).to_contain_text(words)

        with trading(site):
            all_go_on("at first")
            site.kill_gateway()
            all_say("Reconnecting")
            site.start_gateway()
            all_go_on("after the gateway came back")
            all_say("Live")
            site.redis.kill()
            all_say("Stale by")
            site.redis.start()
            all_go_on("after Redis came back")
            site.kill_gateway()
            site.redis.kill()
            site.redis.start()
            site.start_gateway()
            all_go_on("after both came back")
        for text, each in traders.items():
            wanted = sorted(found(site, text))
            assert len(wanted) > 50
            each.sees(
                lambda each=each, wanted=wanted: sorted(each.ids()) == wanted,
                f"what the search finds for {text}, each once,",
            )
        assert [each.page.evaluate("performance.timeOrigin") for each in traders.values()] == loaded
