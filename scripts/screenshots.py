"""Photographs the trader's page for the docs: light and dark, at a desk and on a phone, and its parts.

The market is simulated, the same at each run but for the time of day. The page is the one that the gateway serves.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import httpx

from engine.access.tickets import PARAMETER, mint
from engine.access.tokens import Access
from engine.bench.gateway_process import TIER, Gateway, gateway, indexer
from engine.bench.page_browser import chromium
from engine.bench.worker import wait_until
from engine.publish import Policy, Publisher
from engine.settings import Settings
from engine.simulator.market import SimulatedMarket
from engine.store.connect import connect, connect_async, redis_server
from schemas import keys

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

PICTURES: Final = Path(__file__).parents[1] / "docs" / "pictures"

SEED: Final = 7
MINUTES: Final = 15
"""How far the market reaches back: the window that the page shows at first."""

RATE: Final = 6.0
"""Prints a second."""

DESKTOP: Final[dict[str, Any]] = {"viewport": {"width": 1280, "height": 800}}
PHONE: Final[dict[str, Any]] = {
    "viewport": {"width": 390, "height": 844}, "device_scale_factor": 2, "is_mobile": True, "has_touch": True,
}  # fmt: skip

CHANNELS: Final = {
    "whales": "premium>=1m",
    "golden": "golden -cancelled",
    "0DTE": "SPY,QQQ,IWM dte<=0",
    "puts at the ask": "puts side:ask,above_ask premium>=100k",
}

LARGEST: Final = 300_000
"""Bytes of a picture."""

INDEX_S: Final = 60.0
SETTLE_MS: Final = 2_500
"""Until the pictures above the table have their sums."""


async def publish(settings: Settings) -> int:
    """Let a quarter of an hour happen; how many prints that were."""
    now = time.time_ns() // 1_000_000
    market = SimulatedMarket(SEED, now - MINUTES * 60_000, RATE)
    prints = market.take(now, 1_000_000)
    async with connect_async(settings) as client, Publisher(client, settings, Policy.WAIT) as publisher:
        await publisher.put(prints)
        await publisher.drain()
    return len(prints)


@contextmanager
def opened(browser: Browser, running: Gateway, settings: Settings, **options: Any) -> Iterator[Page]:
    """The page with its rows, as a user with saved channels sees it."""
    context = browser.new_context(reduced_motion="reduce", **options)
    access = Access(settings, running.secret)
    context.request.get(f"{running.http}/?{PARAMETER}={mint(access, 'ann', TIER)}")
    page = context.new_page()
    page.goto(running.http)
    page.get_by_role("gridcell").first.wait_for()
    page.wait_for_timeout(SETTLE_MS)
    yield page
    context.close()


def save(page: Page, name: str) -> None:
    """Photograph what is seen."""
    path = PICTURES / f"{name}.png"
    page.screenshot(path=path)
    size = path.stat().st_size
    print(f"{path.relative_to(PICTURES.parents[1])}  {size / 1000:,.0f} kB")
    if size > LARGEST:
        raise SystemExit(f"{path.name} has {size:,} bytes; at most {LARGEST:,} are for the docs.")


def show_whole(page: Page) -> None:
    """The page with the trades that a trader would look at."""
    page.goto(f"{page.url}?q=premium>=25k")
    page.get_by_role("gridcell").first.wait_for()
    page.wait_for_timeout(SETTLE_MS)


def show_panel(page: Page) -> None:
    """A filter as a text and as controls."""
    page.get_by_role("textbox", name="Filter", exact=True).click()
    page.keyboard.type("SPY,QQQ,NVDA premium>=100k -multi_leg ")
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Panel").click()
    page.wait_for_timeout(SETTLE_MS)


def show_contract(page: Page) -> None:
    """The contract of the newest sweep, beside the others."""
    page.goto(f"{page.url}?q=SPY,QQQ+sweep")
    page.get_by_role("gridcell", name="QQQ").or_(page.get_by_role("gridcell", name="SPY")).first.click()
    page.get_by_role("complementary").get_by_role("table").last.wait_for()
    page.mouse.move(0, 0)
    page.wait_for_timeout(SETTLE_MS)


def show_channels(page: Page) -> None:
    """A saved channel, which is about to be shared."""
    page.get_by_role("tab", name="golden").click()
    page.get_by_role("button", name="Actions for golden").click()
    page.get_by_role("menuitem", name="Share").click()
    dialog = page.get_by_role("dialog", name="Share golden")
    dialog.get_by_role("button", name="Make an address").click()
    dialog.get_by_label("Address").wait_for()
    page.wait_for_timeout(SETTLE_MS)


SCENES: Final[dict[str, tuple[dict[str, Any], str, Callable[[Page], None]]]] = {
    "page-light-desktop": (DESKTOP, "light", show_whole),
    "page-dark-desktop": (DESKTOP, "dark", show_whole),
    "page-light-phone": (PHONE, "light", show_whole),
    "page-dark-phone": (PHONE, "dark", show_whole),
    "filter-panel": (DESKTOP, "light", show_panel),
    "contract": (DESKTOP, "dark", show_contract),
    "channels": (DESKTOP, "light", show_channels),
}
"""What is photographed, in which window and colours, and what is done on the page before."""


def main() -> None:
    """Write all pictures."""
    settings = Settings.load().model_copy(update={"redis_url": None, "partitions": 1})
    PICTURES.mkdir(exist_ok=True)
    with ExitStack() as stack:
        own = stack.enter_context(redis_server(settings, persistent=False))
        client = stack.enter_context(connect(own))
        stack.enter_context(indexer(own, client))
        running = stack.enter_context(gateway(own, {}))
        asyncio.run(publish(own))
        wait_until(
            lambda: sum(int(g["lag"]) + int(g["pending"]) for g in client.xinfo_groups(keys.prints(0))) == 0,
            "Indexing the prints",
            INDEX_S,
        )
        token = Access(own, running.secret).issue("ann", TIER, 600)
        for name, text in CHANNELS.items():
            httpx.put(
                f"{running.http}/v1/channels/{name}",
                json={"filter": text},
                headers={"Authorization": f"Bearer {token}"},
            ).raise_for_status()
        browser = stack.enter_context(chromium(own))
        for name, (window, colours, act) in SCENES.items():
            with opened(browser, running, own, color_scheme=colours, **window) as page:
                act(page)
                save(page, name)


if __name__ == "__main__":
    main()
