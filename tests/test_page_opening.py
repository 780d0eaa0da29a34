"""Opening the trader's page in a real browser: who is let in, what stands in the address, and that nothing jumps."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from engine.access.tickets import PARAMETER, mint
from tests.browser import EXPIRY, PHONE, Gateway, Market, OpenPage, Trader

SHIFTS = """
addEventListener("DOMContentLoaded", () => {
  globalThis.shifts = [];
  new PerformanceObserver((list) => {
    for (const { value, hadRecentInput, sources } of list.getEntries())
      if (!hadRecentInput) shifts.push([value, ...sources.map(({ node }) => node?.outerHTML?.slice(0, 120))]);
  }).observe({ type: "layout-shift", buffered: true });
});
"""
"""Collects what moved without anybody having done anything, and what it was."""


def test_a_link_opens_the_page_and_leaves_an_address_without_the_ticket(
    serving: Gateway, visitors: OpenPage, market: Market
) -> None:
    traded = market.trade(2)
    stranger = visitors(serving, tier=None)
    stranger.open(f"/?{PARAMETER}={mint(serving.services.access, 'ann', 'premium')}")
    stranger.sees(lambda: stranger.shown() == traded[::-1], "two rows")
    assert stranger.page.url == f"{stranger.origin}/"


def test_who_is_not_signed_in_is_asked_for_a_token_and_sees_no_trade(
    serving: Gateway, visitors: OpenPage, market: Market
) -> None:
    traded = market.trade(2)
    stranger = visitors(serving, tier=None)
    stranger.expects("status of 401", "status of 400")
    stranger.open()
    dialog = stranger.page.get_by_role("dialog", name="Sign in")
    token = dialog.get_by_label("Token")
    expect(token).to_be_visible()
    token.fill("no token")
    token.press("Enter")
    expect(dialog.get_by_role("alert")).not_to_be_empty()
    assert stranger.shown() == []
    token.fill(serving.token())
    token.press("Enter")
    stranger.sees(lambda: stranger.shown() == traded[::-1], "two rows")
    # The session outlives the page.
    stranger.page.reload()
    stranger.sees(lambda: stranger.shown() == traded[::-1], "two rows after a reload")


def test_the_filter_in_the_address_opens_the_same_view_for_a_colleague(
    serving: Gateway, visitors: OpenPage, market: Market
) -> None:
    market.trade(3)
    wanted = market.trade(2, symbol=f"QQQ{EXPIRY}P00500000", size=600)
    ann, bob = visitors(serving), visitors(serving, user="bob")
    ann.open("/?q=puts premium>=100k")
    ann.sees(lambda: ann.shown() == wanted[::-1], "the two puts")
    expect(ann.filter).to_have_text("puts premium>=100k")
    bob.open(ann.page.url.removeprefix(ann.origin))
    bob.sees(lambda: bob.shown() == wanted[::-1], "the two puts")
    assert bob.page.url == ann.page.url
    expect(bob.filter).to_have_text("puts premium>=100k")


@pytest.mark.parametrize("window", [{}, PHONE], ids=["desktop", "phone"])
def test_nothing_moves_while_the_page_loads(
    serving: Gateway, visitors: OpenPage, market: Market, window: dict[str, object]
) -> None:
    market.trade(50)
    trader = visitors(serving, **window)
    trader.context.add_init_script(SHIFTS)
    trader.open()
    trader.sees(lambda: len(trader.shown()) > 5, "rows")
    trader.page.wait_for_timeout(1_500)
    moved = trader.page.evaluate("shifts")
    assert sum(value for value, *_ in moved) < 0.01, moved


def test_on_a_phone_nothing_is_wider_than_the_screen(
    serving: Gateway, visitors: OpenPage, market: Market
) -> None:
    traded = market.trade(30)
    trader = visitors(serving, **PHONE)
    trader.open()
    trader.sees(lambda: trader.shown()[:1] == traded[-1:], "the newest row")
    width, height = trader.page.evaluate(
        "[document.documentElement.scrollWidth, document.documentElement.scrollHeight]"
    )
    assert width <= 390
    assert height <= 844
    box = trader.row(traded[-1]).first.bounding_box()
    assert box is not None
    # Rows have room below what is above them.
    assert box["y"] < 844 - 3 * box["height"]


@pytest.mark.parametrize("width", [320, 390])
def test_on_a_phone_no_figure_of_a_picture_is_cut(
    serving: Gateway, visitors: OpenPage, market: Market, width: int
) -> None:
    for right in "CP":
        market.trade(20, symbol=f"SPY{EXPIRY}{right}00600000", price=90.0, bid=89.0, ask=90.0, size=1_000)
    visitor = visitors(serving, **PHONE | {"viewport": {"width": width, "height": 844}})
    visitor.open()
    picture = visitor.page.get_by_role("figure").filter(has_text="Net premium")
    expect(picture.get_by_text(re.compile(r"^\+\$180M$")).first).to_be_visible()
    box, puts = picture.bounding_box(), picture.get_by_text("Puts").first.bounding_box()
    assert box is not None
    assert puts is not None
    assert puts["x"] + puts["width"] <= box["x"] + box["width"]


def test_the_page_says_that_trades_are_synthetic(trader: Trader, market: Market) -> None:
    market.trade()
    trader.open()
    trader.sees(trader.shown, "a row")
    expect(trader.page.get_by_text("Synthetic")).to_have_count(0)
    market.trade(synthetic=True)
    expect(trader.page.get_by_text("Synthetic").first).to_be_visible()
