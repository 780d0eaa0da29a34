"""The contract of a trade on the trader's page, in a real browser: opened by a click, live, and closed again."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.browser import EXPIRY, PHONE, Gateway, Market, OpenPage, Trader

CALL, PUT = f"SPY{EXPIRY}C00600000", f"QQQ{EXPIRY}P00500000"


def test_a_click_on_a_trade_opens_its_contract_which_goes_on_live(trader: Trader, market: Market) -> None:
    calls = market.trade(3, symbol=CALL, size=20, open_interest=1_000)
    put = market.trade(symbol=PUT, size=700)
    trader.open()
    trader.sees(lambda: len(trader.shown()) == 4, "four rows")
    trader.row(calls[1]).locator('[col-id="premium"]').click()
    contract = trader.page.get_by_role("complementary")
    expect(contract.get_by_role("heading")).to_contain_text("SPY 600 Call")
    prints = contract.get_by_role("table").filter(has_text="3 prints")
    expect(prints.get_by_role("row")).to_have_count(1 + 3)
    figures = contract.locator("dl")
    expect(figures).to_contain_text("1,000")
    expect(figures).to_contain_text("60")
    expect(contract.get_by_role("img")).not_to_have_count(0)
    market.trade(symbol=CALL, size=20, open_interest=1_000)
    market.trade(symbol=PUT)
    expect(contract.get_by_role("table").filter(has_text="4 prints")).to_be_visible()
    expect(figures).to_contain_text("80")
    # Another trade shows its own.
    trader.page.mouse.move(0, 0)
    trader.row(put[0]).locator('[col-id="premium"]').click()
    expect(contract.get_by_role("heading")).to_contain_text("QQQ 500 Put")
    contract.get_by_role("button", name="Only this contract").click()
    expect(trader.filter).to_have_text(f"symbol:{PUT}")
    contract.get_by_role("button", name="Close the contract").click()
    expect(contract).to_be_hidden()


def test_on_a_phone_a_contract_takes_the_width_and_gives_it_back(
    serving: Gateway, visitors: OpenPage, market: Market
) -> None:
    traded = market.trade(2, symbol=CALL)
    trader = visitors(serving, **PHONE)
    trader.open()
    trader.sees(trader.shown, "rows")
    trader.row(traded[0]).first.tap()
    contract = trader.page.get_by_role("complementary")
    expect(contract).to_be_visible()
    box = contract.bounding_box()
    assert box is not None
    assert box["width"] >= 380
    contract.get_by_role("button", name="Close the contract").tap()
    expect(contract).to_be_hidden()
    assert trader.page.evaluate("document.documentElement.scrollWidth") <= 390
