"""The pictures above the table, in a real browser: the sums of the gateway, live, for the filter and the window."""

from __future__ import annotations

import re
import time

from playwright.sync_api import expect

from tests.browser import EXPIRY, Market, Trader

CALL, PUT = f"SPY{EXPIRY}C00600000", f"QQQ{EXPIRY}P00500000"


def test_the_pictures_show_the_sums_of_the_filter_and_go_on_with_the_trades(
    trader: Trader, market: Market
) -> None:
    # 200 contracts at 2 dollars: 40,000 dollars of calls bought, 20,000 of puts.
    market.trade(4, symbol=CALL, size=50)
    market.trade(symbol=PUT, size=100)
    trader.open()
    pictures = trader.page.get_by_role("region", name="Pictures")
    expect(pictures.locator(".pictures-state")).to_contain_text("5 trades · $60.0K")
    net, ratio = pictures.get_by_role("figure").nth(0), pictures.get_by_role("figure").nth(1)
    expect(net).to_contain_text("+$40.0K")
    expect(net).to_contain_text("+$20.0K")
    expect(net.get_by_role("img")).to_have_accessible_name(re.compile(r"\$40\.0K"))
    expect(ratio).to_contain_text("0.50")
    expect(ratio).to_contain_text("more calls")
    top = pictures.get_by_role("button", name=re.compile(r"Show \w+ only"))
    expect(top).to_have_count(2)
    expect(top.first).to_contain_text("SPY")
    # Nobody touches anything, and the puts overtake the calls.
    market.trade(symbol=PUT, size=300)
    expect(pictures.locator(".pictures-state")).to_contain_text("6 trades · $120K")
    expect(top.first).to_contain_text("QQQ")
    expect(ratio).to_contain_text("2.00")
    expect(ratio).to_contain_text("more puts")


def test_a_ticker_that_is_pressed_narrows_the_filter_and_the_pictures(trader: Trader, market: Market) -> None:
    market.trade(4, symbol=CALL, size=50)
    puts = market.trade(symbol=PUT, size=100)
    trader.open("/?q=size>=20")
    pictures = trader.page.get_by_role("region", name="Pictures")
    pictures.get_by_role("button", name=re.compile("Show QQQ only")).click()
    expect(trader.filter).to_have_text("QQQ size>=20")
    trader.sees(lambda: trader.shown() == puts, "the put alone")
    expect(pictures.locator(".pictures-state")).to_contain_text("1 trade · $20.0K")


def test_another_window_is_summed_anew_and_remembered(trader: Trader, market: Market) -> None:
    now = int(time.time() * 1000)
    market.trade(ts=now - 600_000, size=30)
    market.trade(ts=now, size=10)
    trader.open()
    pictures = trader.page.get_by_role("region", name="Pictures")
    window = pictures.get_by_role("group", name="Window of the pictures")
    expect(pictures.locator(".pictures-state")).to_contain_text("2 trades · $8.00K")
    window.get_by_role("button", name="5m", exact=True).click()
    expect(pictures.locator(".pictures-state")).to_contain_text("1 trade · $2.00K")
    trader.page.reload()
    expect(window.get_by_role("button", name="5m", exact=True)).to_have_attribute("aria-pressed", "true")
    expect(pictures.locator(".pictures-state")).to_contain_text("1 trade · $2.00K")


def test_the_pictures_can_be_put_away_and_stay_so(trader: Trader, market: Market) -> None:
    market.trade()
    trader.open()
    pictures = trader.page.get_by_role("region", name="Pictures")
    expect(pictures.get_by_role("figure")).to_have_count(3)
    trader.page.keyboard.press("g")
    expect(pictures.get_by_role("figure")).to_have_count(0)
    trader.page.reload()
    trader.sees(trader.shown, "rows")
    expect(pictures.get_by_role("figure")).to_have_count(0)
    pictures.get_by_role("button", name="Pictures").click()
    expect(pictures.get_by_role("figure")).to_have_count(3)
