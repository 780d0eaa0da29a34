"""The line at the top of the trader's page: sessions that begin and end, refusals, the theme, the pause."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import expect

from engine.settings import Settings
from tests.browser import Market, OpenPage, Trader, gateway_beside
from tests.gateways import Gateway
from web.access import COOKIE

BADGE = ".status-link"

KEEP_SOCKET = """
WebSocket = class extends WebSocket {
  constructor(...given) {
    super(...given);
    globalThis.socket = this;
  }
};
"""


def test_a_page_that_waits_for_a_sign_in_goes_on_when_it_was_done_in_another_tab(
    serving: Gateway, visitors: OpenPage, market: Market
) -> None:
    traded = market.trade(2)
    stranger = visitors(serving, tier=None)
    stranger.expects("status of 401")
    stranger.open()
    expect(stranger.page.get_by_role("dialog", name="Sign in")).to_be_visible()
    for _ in range(3):
        stranger.page.keyboard.press("Escape")
    other = stranger.another()
    other.goto("/")
    dialog = other.get_by_role("dialog", name="Sign in")
    dialog.get_by_label("Token").fill(serving.token())
    dialog.get_by_role("button", name="Sign in").click()
    expect(dialog).to_have_count(0)
    # Nothing is behind it to go back to, however often Escape was pressed.
    expect(stranger.page.get_by_role("dialog", name="Sign in")).to_be_visible()
    # A browser without a window shows all of its tabs at once: nobody comes back to one.
    stranger.page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    stranger.sees(lambda: stranger.shown() == traded[::-1], "two rows")
    expect(stranger.page.get_by_role("dialog", name="Sign in")).to_have_count(0)


def test_signing_out_takes_the_rows_and_the_session_away(trader: Trader, market: Market) -> None:
    trader.expects("status of 401")
    traded = market.trade(2)
    trader.open()
    trader.sees(lambda: trader.shown() == traded[::-1], "two rows")
    banner = trader.page.get_by_role("banner")
    expect(banner.get_by_role("button", name="ann premium")).to_be_visible()
    banner.get_by_role("button", name="Sign out").click()
    expect(trader.page.get_by_role("dialog", name="Sign in")).to_be_visible()
    assert trader.shown() == []
    trader.page.reload()
    expect(trader.page.get_by_role("dialog", name="Sign in")).to_be_visible()


def test_a_session_that_runs_out_asks_for_the_next_one_and_goes_on_where_it_was(
    serving: Gateway, visitors: OpenPage, market: Market
) -> None:
    stranger = visitors(serving, tier=None)
    stranger.expects("status of 401")
    traded = market.trade(2)
    stranger.open()
    dialog = stranger.page.get_by_role("dialog", name="Sign in")
    dialog.get_by_label("Token").fill(serving.token(lifetime_s=4))
    dialog.get_by_role("button", name="Sign in").click()
    stranger.sees(lambda: stranger.shown() == traded[::-1], "two rows")
    expect(stranger.page.locator(BADGE)).to_contain_text("Signed out")
    assert stranger.shown() == traded[::-1]
    missed = market.trade()
    dialog.get_by_label("Token").fill(serving.token())
    dialog.get_by_role("button", name="Sign in").click()
    stranger.sees(lambda: stranger.shown() == (traded + missed)[::-1], "three rows")
    expect(stranger.page.locator(BADGE)).to_contain_text("Live")


def test_who_signs_in_in_another_tab_finds_nothing_of_the_user_before(
    serving: Gateway, visitors: OpenPage, market: Market
) -> None:
    market.trade()
    trader = visitors(serving)
    trader.context.add_init_script(KEEP_SOCKET)
    assert trader.context.request.put("/v1/channels/mine", data={"filter": "SPY"}).ok
    trader.open()
    tabs = trader.page.get_by_role("tab")
    expect(tabs).to_have_count(2)
    cookie = {"name": COOKIE, "value": serving.token("premium", "bob"), "url": trader.origin}
    trader.context.add_cookies([{**cookie, "httpOnly": True, "sameSite": "Strict"}])
    # As when the network breaks.
    trader.page.evaluate("socket.close()")
    expect(trader.page.get_by_role("button", name="bob premium")).to_be_visible()
    expect(tabs).to_have_count(1)
    expect(trader.page.get_by_text("was deleted")).to_have_count(0)


def test_one_connection_too_many_is_told_with_what_to_do(
    settings: Settings, built_page: Path, visitors: OpenPage, market: Market
) -> None:
    market.trade()
    with gateway_beside(settings, page_dir=built_page, connections=1) as running:
        trader = visitors(running).open()
        expect(trader.page.locator(BADGE)).to_contain_text("Live")
        second = trader.another()
        second.goto("/")
        notice = second.get_by_role("alert").filter(has_text="Close other pages")
        expect(notice).to_contain_text("More than 1 connections of one user.")
        trader.page.goto("about:blank")
        notice.get_by_role("button", name="Connect again").click()
        expect(second.locator(BADGE)).to_contain_text("Live")
        expect(notice).to_have_count(0)


def test_the_theme_is_remembered_and_follows_the_system_until_one_is_chosen(
    trader: Trader, market: Market
) -> None:
    market.trade()
    ground = "getComputedStyle(document.body).backgroundColor"
    trader.page.emulate_media(color_scheme="light")
    trader.open()
    light = trader.page.evaluate(ground)
    trader.page.emulate_media(color_scheme="dark")
    dark = trader.page.evaluate(ground)
    assert light != dark
    trader.page.get_by_label("Theme").select_option("Light")
    assert trader.page.evaluate(ground) == light
    trader.page.reload()
    assert trader.page.evaluate(ground) == light
    expect(trader.page.get_by_label("Theme")).to_have_value("light")


def test_a_pause_is_shown_and_begun_by_button_and_by_key(trader: Trader, market: Market) -> None:
    market.trade()
    trader.open()
    pause = trader.page.get_by_role("banner").get_by_role("button", name="Pause")
    expect(pause).to_have_attribute("aria-pressed", "false")
    pause.click()
    expect(pause).to_have_attribute("aria-pressed", "true")
    trader.page.get_by_role("heading", name="Flowtape").click()
    trader.page.keyboard.press("p")
    expect(pause).to_have_attribute("aria-pressed", "false")
