"""The trader's page in a real Chromium: who looks at it, what they see, and the market and gateway behind it.

A test that looks at the page fails, too, when the page writes an error to the console, throws, or breaks its content
policy. What a test brings about on purpose, such as a refused filter, it names with `Trader.expects`.
"""

from __future__ import annotations

import asyncio
import csv
import os
import re
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn

import pytest
import redis

from engine.bench.page_browser import chromium, require_chromium
from engine.search import Search
from engine.settings import Settings
from schemas.errors import FlowtapeError
from schemas.filter_text import parse_filter
from schemas.print import Print
from tests.gateways import Gateway, gateway
from tests.indexing import append, index
from web.access import COOKIE
from web.page import BUILT

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Locator, Page

GUARD_MS: Final = 30_000
"""What the page has not done by then it never does."""

DESKTOP: Final = {"width": 1280, "height": 800}
PHONE: Final[dict[str, Any]] = {
    "viewport": {"width": 390, "height": 844}, "device_scale_factor": 2, "is_mobile": True, "has_touch": True,
}  # fmt: skip
"""Options of a context."""

LOOK_MS: Final = 50
"""Between two looks at the page."""

ROWS: Final = """
(table) => [...table.querySelectorAll('[role="row"][row-id]')]
  .sort((a, b) => a.ariaRowIndex - b.ariaRowIndex)
  .map((row) => row.getAttribute("row-id"))
  .filter((id, place, all) => all.indexOf(id) === place)
"""
"""A table's rows need not stand in the document in the order in which they are seen."""

EXPIRY: Final = f"{(datetime.now(UTC).year + 1) % 100}1218"
"""Of the contracts that are traded here: a day that is always to come."""

WATCH: Final = """
addEventListener("securitypolicyviolation", (event) =>
  console.error(`policy: ${event.violatedDirective} ${event.blockedURI} ${event.sample}`));
"""
"""Has breaches of the content policy said on the console, also those that Chromium itself says in other words."""


def absent(why: str) -> NoReturn:
    """Fail under CI, skip elsewhere."""
    if "CI" in os.environ:
        pytest.fail(f"CI needs the page in a real browser. {why}", pytrace=False)
    pytest.skip(why)


@pytest.fixture(scope="session")
def settings_with_chromium() -> Settings:
    """Settings on a machine where a page can be opened."""
    settings = Settings.load()
    try:
        require_chromium(settings)
    except FlowtapeError as error:
        absent(str(error))
    return settings


@pytest.fixture(scope="module")
def browser(settings_with_chromium: Settings) -> Iterator[Browser]:
    """A Chromium for the tests of one module."""
    from playwright.sync_api import expect

    expect.set_options(timeout=GUARD_MS)
    with chromium(settings_with_chromium) as found:
        yield found


@pytest.fixture(scope="session")
def built_page(pytestconfig: pytest.Config) -> Path:
    """The folder of the built page."""
    folder = Path(pytestconfig.getoption("--page") or BUILT)
    if not (folder / "index.html").is_file():
        absent(f"The page is not built: {folder} has no index.html. scripts/page builds it.")
    return folder


@contextmanager
def gateway_beside(settings: Settings, **changes: Any) -> Iterator[Gateway]:
    """A gateway in a thread of its own, so that the test may wait for the browser; `changes` are settings."""
    started: Future[tuple[Gateway, Callable[[], None]]] = Future()

    async def serve() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        async with gateway(settings, **changes) as running:
            started.set_result((running, lambda: loop.call_soon_threadsafe(stop.set)))
            await stop.wait()

    def work() -> None:
        try:
            asyncio.run(serve())
        except BaseException as error:
            if started.done():
                raise
            started.set_exception(error)

    thread = threading.Thread(target=work, name="gateway")
    thread.start()
    running, stop = started.result()
    try:
        yield running
    finally:
        stop()
        thread.join()


class Market:
    """Prints that a test makes, and the indexer that makes trades of them."""

    def __init__(self, client: redis.Redis, settings: Settings) -> None:
        self._client, self._settings = client, settings
        self._made = 0

    def prints(self, count: int = 1, **fields: Any) -> list[Print]:
        """Prints of ten SPY calls at the ask, a millisecond apart and the newest of now; `fields` say what differs."""
        now = int(time.time() * 1000)
        made = []
        for place in range(count):
            self._made += 1
            ts = fields.get("ts", now) - (count - 1 - place)
            values: dict[str, Any] = {
                "id": f"t_{self._made}", "feed": "test", "received": ts, "symbol": f"SPY{EXPIRY}C00600000",
                "price": 2.0, "size": 10, "exchange": "XCBO", "bid": 1.9, "ask": 2.0,
            }  # fmt: skip
            made.append(Print(**(values | fields | {"ts": ts})))
        return made

    def trade(self, count: int = 1, **fields: Any) -> list[str]:
        """Let trades happen; their ids. When it returns they are on the tape."""
        made = self.prints(count, **fields)
        self.publish(made)
        return [each.id for each in made]

    def publish(self, prints: list[Print]) -> None:
        """Have prints indexed."""
        append(self._client, prints)
        index(self._client, self._settings)

    def cancel(self, traded: Print) -> None:
        """Have a trade withdrawn by the exchange."""
        self.publish(self.prints(symbol=traded.symbol, price=traded.price, size=traded.size,
                                 exchange=traded.exchange, conditions=("A",)))  # fmt: skip

    def found(self, text: str = "", limit: int = 10_000) -> set[str]:
        """The ids that a search for a filter finds."""
        search = Search(self._client, self._settings.partitions, 10_000)
        return {row.trade().id for row in search.page(parse_filter(text), limit).rows}


class Trader:
    """A user's browser, with the page in it."""

    def __init__(self, browser: Browser, origin: str, token: str | None, **options: Any) -> None:
        self.origin = origin
        self.context: BrowserContext = browser.new_context(
            **{"viewport": DESKTOP, "timezone_id": "Europe/Berlin", "base_url": origin, **options}
        )
        self.context.set_default_timeout(GUARD_MS)
        self.context.add_init_script(WATCH)
        if token is not None:
            self.context.add_cookies(
                [{"name": COOKIE, "value": token, "url": origin, "httpOnly": True, "sameSite": "Strict"}]
            )
        self.faults: list[str] = []
        self.requests: list[str] = []
        self._expected: list[re.Pattern[str]] = []
        self.page: Page = self.another()

    def another(self) -> Page:
        """A further tab of this browser."""
        page = self.context.new_page()
        page.on("console", self._said)
        page.on("pageerror", lambda error: self.faults.append(f"threw {error}"))
        page.on("crash", lambda _: self.faults.append("crashed"))
        return page

    def expects(self, *patterns: str) -> None:
        """Take errors of the console for wanted in which one of these is found."""
        self._expected += [re.compile(pattern) for pattern in patterns]

    def _said(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.faults.append(f"{message.type}: {message.text} ({message.location.get('url', '')})")

    def unexpected(self) -> list[str]:
        """What went wrong in the page."""
        return [fault for fault in self.faults if not any(each.search(fault) for each in self._expected)]

    def open(self, path: str = "/") -> Trader:
        """Go to an address of the gateway."""
        self.page.goto(path)
        return self

    # What is on the page, by the names that a screen reader has for it.

    @property
    def table(self) -> Locator:
        """The table of trades."""
        return self.page.get_by_role("grid").or_(self.page.get_by_role("treegrid")).first

    @property
    def filter(self) -> Locator:
        """The text of the filter."""
        return self.page.get_by_role("textbox", name="Filter", exact=True)

    def filter_by(self, text: str) -> None:
        """Write a filter over the one that is there, as a person does."""
        self.filter.click()
        self.page.keyboard.press("ControlOrMeta+a")
        self.page.keyboard.type(text)
        self.page.keyboard.press("Enter")

    def row(self, trade: str) -> Locator:
        """The row of a trade, by its id, where it is drawn."""
        return self.table.locator(f'[role="row"][row-id="{trade}"]')

    def cell(self, trade: str, column: str) -> Locator:
        """One value of a trade, by the column's id."""
        return self.row(trade).locator(f'[col-id="{column}"]')

    def shown(self) -> list[str]:
        """The ids of the rows that are drawn, from the top on."""
        found: list[str] = self.table.evaluate(ROWS)
        return found

    def show_column(self, name: str, shown: bool = True) -> None:
        """Show or hide a column of the table."""
        self.page.get_by_role("button", name="Columns").click()
        box = self.page.get_by_role("group", name="Columns").get_by_label(name, exact=True)
        box.set_checked(shown)
        self.page.keyboard.press("Escape")

    def export(self) -> list[dict[str, str]]:
        """What the page saves as CSV: a map of column to value for each row, from the top on."""
        with self.page.expect_download() as saved:
            self.page.get_by_role("button", name="CSV").click()
        with saved.value.path().open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))

    def ids(self) -> list[str]:
        """The ids of all rows of the table, drawn or not, from the top on. The column Id must be shown."""
        return [row["id"] for row in self.export()]

    def sees(self, fact: Callable[[], object], what: str) -> None:
        """Wait until something is so on the page."""
        deadline = time.monotonic() + GUARD_MS / 1000
        while not fact():
            assert time.monotonic() < deadline, f"{what} is not so after {GUARD_MS / 1000:g} s"
            self.page.wait_for_timeout(LOOK_MS)


OpenPage = Callable[..., Trader]


@pytest.fixture
def market(client: redis.Redis, settings: Settings) -> Market:
    """A market that nothing was traded in yet."""
    return Market(client, settings)


@pytest.fixture
def serving(settings: Settings, built_page: Path) -> Iterator[Gateway]:
    """A gateway that serves the page."""
    with gateway_beside(settings, page_dir=built_page) as running:
        yield running


@pytest.fixture
def visitors(browser: Browser) -> Iterator[OpenPage]:
    """Opens browsers of users; in the end each must have seen no fault."""
    came: list[Trader] = []

    def come(running: Gateway, tier: str | None = "premium", user: str = "ann", **options: Any) -> Trader:
        """`tier` None is somebody who is not signed in."""
        token = None if tier is None else running.token(tier, user)
        came.append(Trader(browser, f"http://{running.address}", token, **options))
        return came[-1]

    yield come
    faults = [fault for each in came for fault in each.unexpected()]
    for each in came:
        each.context.close()
    assert not faults, faults


@pytest.fixture
def trader(serving: Gateway, visitors: OpenPage) -> Trader:
    """A premium user, who has not opened the page yet."""
    return visitors(serving)
