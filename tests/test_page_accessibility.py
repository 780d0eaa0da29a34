"""The trader's page for people who do not see it, or not well: axe-core finds no serious fault in any of its parts."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser import EXPIRY, PHONE, Gateway, Market, OpenPage, Trader, absent

AXE = Path(__file__).parents[1] / "web" / "ui" / "node_modules" / "axe-core" / "axe.min.js"

LOOKS: dict[str, dict[str, Any]] = {
    "light": {"color_scheme": "light"},
    "dark": {"color_scheme": "dark"},
    "phone": {"color_scheme": "light", **PHONE},
}


def check(trader: Trader, what: str) -> None:
    """Ask axe-core about the page as it stands."""
    if not trader.page.evaluate("'axe' in globalThis"):
        trader.page.evaluate(AXE.read_text(encoding="utf-8"))
    found = trader.page.evaluate("axe.run(document, { resultTypes: ['violations'] })")
    serious = [
        f"{each['id']}: {each['help']}; {node['html'][:200]}; {node['failureSummary'][:300]}"
        for each in found["violations"]
        if each["impact"] in ("serious", "critical")
        for node in each["nodes"][:3]
    ]
    assert not serious, (what, *serious)


@pytest.fixture
def axe() -> None:
    """axe-core is there."""
    if not AXE.is_file():
        absent(f"There is no {AXE}. `npm ci` in web/ui brings it.")


@pytest.fixture(params=LOOKS)
def look(
    request: pytest.FixtureRequest, axe: None, serving: Gateway, visitors: OpenPage, market: Market
) -> Trader:
    """Somebody who sees trades of every kind."""
    for right, exchange in (("C", "XCBO"), ("P", "XPHL")):
        symbol = f"SPY{EXPIRY}{right}00600000"
        market.trade(2, symbol=symbol, exchange=exchange, size=900, price=25.0, ask=25.0, synthetic=True)
        market.trade(2, symbol=symbol, exchange=exchange, price=1.9, underlying_price=598.2)
    [traded] = market.prints(size=77)
    market.publish([traded])
    market.cancel(traded)
    first = market.trade(symbol=f"QQQ{EXPIRY}C00500000", size=300)
    market.trade(symbol=f"QQQ{EXPIRY}C00500000", size=300, exchange="XPHL")
    trader = visitors(serving, **LOOKS[request.param])
    trader.expects("status of 400")
    trader.open()
    trader.sees(lambda: first[0] in trader.shown(), "rows")
    expect(trader.page.get_by_role("region", name="Pictures")).to_contain_text("Net premium")
    return trader


def test_nothing_serious_is_found_in_any_part_of_the_page(look: Trader) -> None:
    page = look.page
    check(look, "the page")
    page.get_by_role("button", name="Panel").click()
    expect(page.get_by_role("dialog", name="Filter as controls")).to_be_visible()
    check(look, "the panel")
    page.get_by_role("dialog", name="Filter as controls").get_by_role("button", name="Close").click()
    look.filter.click()
    page.keyboard.type("swep ")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert").filter(has_text="swep")).to_be_visible()
    check(look, "a wrong filter")
    look.filter_by("calls ")
    page.get_by_role("button", name="Save", exact=True).click()
    dialog = page.get_by_role("dialog", name="Save as a channel")
    expect(dialog).to_be_visible()
    check(look, "the dialog that saves a channel")
    dialog.get_by_label("Name").fill("calls")
    dialog.get_by_role("button", name="Save").click()
    expect(page.get_by_role("tab", name=re.compile("^calls"))).to_be_visible()
    check(look, "a saved channel")
    page.get_by_role("button", name="Actions for calls").click()
    expect(page.get_by_role("menu")).to_be_visible()
    check(look, "the menu of a channel")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Help").click()
    check(look, "the help")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Columns").click()
    check(look, "the list of columns")
    page.keyboard.press("Escape")
    look.sees(look.shown, "rows")
    look.cell(look.shown()[0], "premium").click()
    expect(page.get_by_role("complementary")).to_be_visible()
    check(look, "an open contract")


def test_who_is_signed_out_and_who_gets_nothing_hears_why(
    axe: None, serving: Gateway, visitors: OpenPage, market: Market
) -> None:
    market.trade()
    stranger = visitors(serving, tier=None)
    stranger.expects("status of 401")
    stranger.open()
    expect(stranger.page.get_by_role("dialog", name="Sign in")).to_be_visible()
    check(stranger, "the sign-in")
    trader = visitors(serving)
    trader.open("/?q=NVDA")
    expect(trader.page.get_by_text("No trade passes this filter yet.")).to_be_visible()
    check(trader, "an empty table")
