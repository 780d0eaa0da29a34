"""Saved channels and tiers on the trader's page, in a real browser: kept, shared, counted, refused with the limit."""

from __future__ import annotations

import re
import time
from pathlib import Path

from playwright.sync_api import Locator, expect

from engine.settings import Settings
from tests.browser import EXPIRY, Gateway, Market, OpenPage, Trader, gateway_beside

PUT = f"QQQ{EXPIRY}P00500000"

AGO_S = 901
"""Older than the delay of the free tier."""


def tab(trader: Trader, name: str) -> Locator:
    """The tab of a channel."""
    return trader.page.get_by_role("tab", name=re.compile(f"^{re.escape(name)}"))


def every_trade(trader: Trader) -> None:
    """Go to the tab that is no channel."""
    trader.page.get_by_role("tab").first.click()


def save(trader: Trader, name: str) -> None:
    """Save the filter that is shown as a channel."""
    trader.page.get_by_role("button", name="Save", exact=True).click()
    dialog = trader.page.get_by_role("dialog", name="Save as a channel")
    dialog.get_by_label("Name").fill(name)
    dialog.get_by_role("button", name="Save").click()
    expect(dialog).to_be_hidden()


def act(trader: Trader, name: str, action: str) -> None:
    """Choose an action for the channel that is shown."""
    trader.page.get_by_role("button", name=f"Actions for {name}").click()
    trader.page.get_by_role("menuitem", name=action).click()


def test_a_channel_is_saved_shared_and_opened_again_by_both(
    serving: Gateway, visitors: OpenPage, market: Market
) -> None:
    market.trade(2)
    puts = market.trade(2, symbol=PUT)
    ann, bob = visitors(serving), visitors(serving, user="bob")
    ann.open("/?q=puts")
    ann.sees(lambda: ann.shown() == puts[::-1], "the puts")
    save(ann, "hedges")
    expect(tab(ann, "hedges")).to_have_attribute("aria-selected", "true")
    assert ann.page.url == f"{ann.origin}/?channel=hedges&q=puts"
    act(ann, "hedges", "Share")
    share = ann.page.get_by_role("dialog", name="Share hedges")
    share.get_by_role("button", name="Make an address").click()
    address = share.get_by_label("Address").input_value()
    share.get_by_role("button", name="Close").click()
    # Reopened by its owner, in a browser that has never seen it.
    again = visitors(serving)
    again.open()
    again.sees(lambda: len(again.shown()) == 4, "all trades")
    tab(again, "hedges").click()
    again.sees(lambda: again.shown() == puts[::-1], "the puts")
    expect(again.filter).to_have_text("puts")
    # And by somebody else, who gets what comes later, too.
    bob.open(address.removeprefix(bob.origin))
    bob.sees(lambda: bob.shown() == puts[::-1], "the puts")
    expect(tab(bob, "hedges")).to_contain_text("shared")
    later = market.trade(symbol=PUT)
    bob.sees(lambda: bob.shown() == [*later, *puts[::-1]], "a further put")


def test_what_a_channel_got_unseen_is_counted_until_it_is_looked_at(trader: Trader, market: Market) -> None:
    market.trade(symbol=PUT)
    trader.open("/?q=puts")
    trader.sees(trader.shown, "the put")
    save(trader, "hedges")
    every_trade(trader)
    expect(tab(trader, "hedges")).not_to_contain_text("new")
    market.trade(3, symbol=PUT)
    market.trade(2)
    expect(tab(trader, "hedges")).to_contain_text("3 new")
    tab(trader, "hedges").click()
    trader.sees(lambda: len(trader.shown()) == 4, "all puts")
    expect(tab(trader, "hedges")).not_to_contain_text("new")


def test_a_channel_is_renamed_changed_and_deleted_where_it_stands(trader: Trader, market: Market) -> None:
    market.trade(2)
    trader.open("/?q=puts")
    save(trader, "hedges")
    act(trader, "hedges", "Rename")
    dialog = trader.page.get_by_role("dialog", name="Rename hedges")
    dialog.get_by_label("Name").fill("insurance")
    dialog.get_by_role("button", name="Rename").click()
    expect(tab(trader, "insurance")).to_be_visible()
    trader.filter_by("calls ")
    expect(tab(trader, "insurance")).to_contain_text("changed")
    trader.page.get_by_role("button", name="Save", exact=True).click()
    expect(trader.page.get_by_role("button", name="Saved", exact=True)).to_be_visible()
    trader.page.reload()
    expect(trader.filter).to_have_text("calls")
    act(trader, "insurance", "Delete")
    trader.page.get_by_role("dialog", name="Delete insurance?").get_by_role("button", name="Delete").click()
    expect(tab(trader, "insurance")).to_have_count(0)


def test_tabs_keep_the_order_that_they_were_moved_into(trader: Trader, market: Market) -> None:
    market.trade()
    trader.open("/?q=puts")
    for name in ("one", "two", "three"):
        save(trader, name)
        every_trade(trader)
    names = trader.page.get_by_role("tab").locator(".channel-tab-name")
    before = names.all_inner_texts()
    tab(trader, before[3]).click()
    act(trader, before[3], "Move left")
    moved = [before[0], before[1], before[3], before[2]]
    trader.sees(lambda: names.all_inner_texts() == moved, "the new order")
    trader.page.reload()
    trader.sees(lambda: names.all_inner_texts() == moved, "the new order after a reload")


def test_a_free_user_is_told_the_delay_and_which_tier_saves(
    serving: Gateway, visitors: OpenPage, market: Market
) -> None:
    old = market.trade(2, ts=int((time.time() - AGO_S) * 1000))
    market.trade(2)
    trader = visitors(serving, tier="free")
    # Asking what the tier may not is how its limit is known.
    trader.expects("status of 403")
    trader.open()
    trader.sees(lambda: trader.shown() == old[::-1], "the trades that are old enough")
    expect(trader.page.get_by_role("status").filter(has_text="Delayed by 15 min")).to_be_attached()
    button = trader.page.get_by_role("button", name="Save", exact=True)
    expect(button).to_have_attribute("aria-disabled", "true")
    button.click(force=True)
    expect(trader.page.get_by_role("tooltip")).to_contain_text("premium")


def test_a_tier_with_one_channel_says_so_when_it_is_used_up(
    settings: Settings, built_page: Path, visitors: OpenPage, market: Market
) -> None:
    market.trade()
    with gateway_beside(settings, page_dir=built_page, tiers={"premium": {"channels": 1}}) as running:
        trader = visitors(running)
        trader.expects("status of 409")
        trader.open("/?q=puts")
        save(trader, "one")
        every_trade(trader)
        trader.page.get_by_role("button", name="Save", exact=True).click()
        dialog = trader.page.get_by_role("dialog", name="Save as a channel")
        expect(dialog).to_contain_text("1 of 1 channel")
        dialog.get_by_label("Name").fill("two")
        dialog.get_by_role("button", name="Save").click()
        expect(dialog.get_by_role("alert")).to_contain_text("1 channel")
