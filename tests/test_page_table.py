"""The table of the trader's page, in a real browser: rows come, change where they stand, and hold still when asked."""

from __future__ import annotations

from tests.browser import Market, Trader


def test_rows_are_there_when_the_page_opens_and_more_come_without_a_reload(
    trader: Trader, market: Market
) -> None:
    older = market.trade(3)
    trader.open()
    trader.sees(lambda: trader.shown() == older[::-1], "three rows, newest on top")
    loaded = trader.page.evaluate("performance.timeOrigin")
    newer = market.trade(2)
    trader.sees(lambda: trader.shown() == (older + newer)[::-1], "two more on top")
    assert trader.page.evaluate("performance.timeOrigin") == loaded
