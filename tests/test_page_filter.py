"""The filter of the trader's page, in a real browser: as a text, as controls, and both always the same."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.browser import EXPIRY, PHONE, Gateway, Market, OpenPage, Trader

CALL, PUT = f"SPY{EXPIRY}C00600000", f"QQQ{EXPIRY}P00500000"


@pytest.fixture
def calls(market: Market) -> list[str]:
    """Two small SPY calls."""
    return market.trade(2, symbol=CALL, size=10)


@pytest.fixture
def puts(market: Market) -> list[str]:
    """Two QQQ puts for 120,000 dollars each."""
    return market.trade(2, symbol=PUT, size=600)


def test_a_filter_that_is_typed_shows_its_trades_then_and_later(
    trader: Trader, market: Market, calls: list[str], puts: list[str]
) -> None:
    trader.open()
    trader.sees(lambda: trader.shown() == [*puts[::-1], *calls[::-1]], "all trades")
    trader.page.keyboard.press("/")
    expect(trader.filter).to_be_focused()
    trader.page.keyboard.type("puts premium>=100k ")
    trader.page.keyboard.press("Enter")
    trader.sees(lambda: trader.shown() == puts[::-1], "the puts alone")
    market.trade(symbol=CALL)
    later = market.trade(symbol=PUT, size=700)
    trader.sees(lambda: trader.shown() == [*later, *puts[::-1]], "another put on top")
    assert trader.page.url == f"{trader.origin}/?q=puts+premium%3E=100k"


def test_a_filter_that_is_chosen_in_the_panel_is_the_text_that_says_the_same(
    trader: Trader, calls: list[str], puts: list[str]
) -> None:
    trader.open()
    trader.sees(trader.shown, "rows")
    trader.page.get_by_role("button", name="Panel").click()
    panel = trader.page.get_by_role("dialog", name="Filter as controls")
    panel.get_by_role("radio", name="Puts", exact=True).check()
    expect(trader.filter).to_have_text("puts")
    trader.sees(lambda: trader.shown() == puts[::-1], "the puts alone")
    panel.get_by_label(re.compile("^Premium from")).fill("200k")
    panel.get_by_label("Only these", exact=True).fill("QQQ")
    panel.get_by_label("Only these", exact=True).press("Enter")
    expect(trader.filter).to_have_text("QQQ puts premium>=200k")
    trader.sees(lambda: trader.shown() == [], "no put as large")
    # What is typed is in the panel, too.
    trader.filter_by("SPY calls size:5..20 -sweep")
    trader.sees(lambda: trader.shown() == calls[::-1], "the calls")
    expect(panel.get_by_role("radio", name="Calls", exact=True)).to_be_checked()
    expect(panel.get_by_role("button", name="Remove SPY")).to_be_visible()
    expect(panel.get_by_label(re.compile("^Size from"))).to_have_value("5")
    expect(panel.get_by_label(re.compile("^Size to"))).to_have_value("20")
    expect(panel.get_by_label(re.compile("^Premium from"))).to_have_value("")
    expect(
        panel.get_by_role("radiogroup", name="sweep").get_by_role("radio", name="must not be there")
    ).to_be_checked()
    panel.get_by_role("button", name="Close").click()
    expect(panel).to_be_hidden()


def test_a_wrong_word_is_marked_where_it_stands_and_the_filter_in_force_stays(
    trader: Trader, calls: list[str], puts: list[str]
) -> None:
    trader.expects("status of 400")
    trader.open("/?q=puts")
    trader.sees(lambda: trader.shown() == puts[::-1], "the puts")
    trader.filter_by("calls swep dte<=400 ")
    expect(trader.page.get_by_role("alert").filter(has_text=re.compile(".swep. is no flag"))).to_be_visible()
    expect(trader.filter).to_have_attribute("aria-invalid", "true")
    marked = trader.filter.locator(".word-wrong")
    expect(marked).to_have_text("swep")
    expect(marked).to_have_css("text-decoration-line", "underline")
    assert trader.shown() == puts[::-1]
    trader.filter_by("calls dte<=4000")
    trader.sees(lambda: trader.shown() == calls[::-1], "the calls")
    expect(trader.filter).to_have_attribute("aria-invalid", "false")


def test_words_are_completed_also_by_tickers_that_were_seen(trader: Trader, puts: list[str]) -> None:
    trader.open()
    trader.sees(trader.shown, "rows")
    offers = trader.page.get_by_role("listbox")
    trader.filter.press_sequentially("gold")
    expect(offers.get_by_role("option", name=re.compile("^golden"))).to_be_visible()
    # For a moment the editor takes no key for the list, which may have come unexpected.
    trader.page.wait_for_timeout(200)
    trader.filter.press("Enter")
    expect(trader.filter).to_have_text(re.compile("^golden ?$"))
    trader.page.get_by_role("button", name="Clear the filter").click()
    trader.filter.press_sequentially("QQ")
    expect(offers.get_by_role("option", name=re.compile("^QQQ"))).to_be_visible()


def test_the_rows_stay_until_those_of_another_filter_are_there(
    trader: Trader, calls: list[str], puts: list[str]
) -> None:
    trader.open()
    trader.sees(trader.shown, "rows")
    trader.page.evaluate("""() => new MutationObserver(() => {
      if (document.querySelector(".table-empty")) document.title = "emptied";
    }).observe(document.body, { childList: true, subtree: true })""")
    switches = trader.page.get_by_role("group", name="Quick filters")
    switches.get_by_role("button", name="Puts").click()
    trader.sees(lambda: trader.shown() == puts[::-1], "the puts alone")
    switches.get_by_role("button", name="Puts").click()
    trader.sees(lambda: trader.shown() == [*puts[::-1], *calls[::-1]], "all trades")
    expect(trader.page).to_have_title("Flowtape")


def test_escape_closes_the_panel_first_and_then_the_contract(trader: Trader, calls: list[str]) -> None:
    trader.open()
    trader.row(calls[0]).click()
    contract = trader.page.get_by_role("complementary")
    expect(contract).to_be_visible()
    trader.page.get_by_role("button", name="Panel").click()
    panel = trader.page.get_by_role("dialog", name="Filter as controls")
    panel.get_by_role("button", name="DTE 0").focus()
    trader.page.keyboard.press("Escape")
    expect(panel).to_be_hidden()
    expect(contract).to_be_visible()
    trader.page.keyboard.press("Escape")
    expect(contract).to_be_hidden()


def test_on_a_phone_the_panel_takes_the_screen_and_leaves_it(
    serving: Gateway, visitors: OpenPage, calls: list[str], puts: list[str]
) -> None:
    trader = visitors(serving, **PHONE)
    trader.open()
    trader.sees(trader.shown, "rows")
    trader.page.get_by_role("button", name="Panel").tap()
    panel = trader.page.get_by_role("dialog", name="Filter as controls")
    box = panel.bounding_box()
    assert box is not None
    assert (box["x"], box["width"]) == (0, 390)
    panel.get_by_role("radio", name="Puts", exact=True).check()
    panel.get_by_role("button", name="Close").tap()
    expect(panel).to_be_hidden()
    trader.sees(lambda: trader.shown() == puts[::-1], "the puts")


def test_a_quick_filter_is_pressed_is_the_same_text_and_is_taken_back(
    trader: Trader, calls: list[str], puts: list[str]
) -> None:
    trader.open()
    trader.sees(lambda: len(trader.shown()) == 4, "all trades")
    quick = trader.page.get_by_role("group", name="Quick filters")
    quick.get_by_role("button", name="Puts", exact=True).click()
    quick.get_by_role("button", name="≥ $100K", exact=True).click()
    expect(trader.filter).to_have_text("puts premium>=100k")
    trader.sees(lambda: trader.shown() == puts[::-1], "the large puts")
    # What is typed presses them, too.
    trader.filter_by("calls")
    expect(quick.get_by_role("button", name="Calls", exact=True)).to_have_attribute("aria-pressed", "true")
    expect(quick.get_by_role("button", name="Puts", exact=True)).to_have_attribute("aria-pressed", "false")
    trader.sees(lambda: trader.shown() == calls[::-1], "the calls")
    quick.get_by_role("button", name="Calls", exact=True).click()
    trader.sees(lambda: len(trader.shown()) == 4, "all trades again")
