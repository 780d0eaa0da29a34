"""The trader's page as a new user meets it, in a real browser: `flowtape up`, its link, and the simulated market."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Browser, expect

from tests.browser import Trader
from tests.test_up import up


def test_the_link_of_up_shows_the_simulated_market_labelled_and_live(
    browser: Browser, built_page: Path, stack: Path, tmp_path: Path
) -> None:
    with up(tmp_path / "data", "--rate", "50", FLOWTAPE_PAGE_DIR=str(built_page)) as running:
        link = running.line(r"^Open (http://127\.0\.0\.1:\d+/\?ticket=\S+)$")[1]
        origin = link.partition("/?")[0]
        trader = Trader(browser, origin, None)
        try:
            trader.open(link)
            trader.sees(lambda: len(trader.shown()) > 10, "the first rows")
            assert trader.page.url == f"{origin}/"
            expect(trader.page.get_by_text("Synthetic data")).to_be_visible()
            expect(trader.page.locator(".status-link")).to_contain_text("Live")
            first = trader.shown()[0]
            trader.sees(lambda: first not in trader.shown()[:1], "a newer trade on top")
            # A filter that is typed finds trades of the market, and its pictures sum them.
            trader.filter_by("premium>=25k")
            trader.sees(trader.shown, "trades of the filter")
            pictures = trader.page.get_by_role("region", name="Pictures")
            expect(pictures.locator(".pictures-state")).to_contain_text("$")
            assert trader.unexpected() == []
        finally:
            trader.context.close()
