"""The table of the trader's page, in a real browser: rows come, change where they stand, and hold still when asked."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.browser import EXPIRY, Market, Trader

HIDE = """
() => {
  const wait = globalThis.requestAnimationFrame;
  const held = [];
  let hidden = false;
  Object.defineProperty(document, "visibilityState", { get: () => (hidden ? "hidden" : "visible") });
  Object.defineProperty(document, "hidden", { get: () => hidden });
  globalThis.requestAnimationFrame = (draw) => (hidden ? -held.push(draw) : wait(draw));
  globalThis.setHidden = (now) => {
    hidden = now;
    document.dispatchEvent(new Event("visibilitychange"));
    if (!hidden) for (const draw of held.splice(0)) wait(draw);
  };
}
"""
"""What a browser does to a page in the background: it says so, and gives it no frames. A browser without a window
never does it by itself."""


@pytest.fixture
def ten(trader: Trader, market: Market) -> list[str]:
    """Ten trades that the trader sees, the newest first."""
    traded = market.trade(10)[::-1]
    trader.open()
    trader.sees(lambda: trader.shown() == traded, "ten rows")
    return traded


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


def test_a_trade_that_became_part_of_a_sweep_changes_where_it_stands(trader: Trader, market: Market) -> None:
    [first] = market.prints()
    market.publish([first])
    other = market.trade(symbol=f"QQQ{EXPIRY}P00500000")
    trader.open()
    trader.sees(lambda: trader.shown() == [*other, first.id], "two rows")
    expect(trader.row(first.id)).not_to_contain_text(re.compile("sweep", re.IGNORECASE))
    second = market.trade(ts=first.ts, exchange="XPHL")
    trader.sees(lambda: {*trader.shown()} == {*other, *second, first.id}, "the other leg")
    expect(trader.row(first.id)).to_contain_text(re.compile("sweep", re.IGNORECASE))
    expect(trader.row(second[0])).to_contain_text(re.compile("sweep", re.IGNORECASE))


def test_a_cancelled_trade_is_marked_where_it_stands_and_leaves_a_filter_without_such(
    trader: Trader, market: Market
) -> None:
    kept, taken_back = market.prints(2, size=33)
    market.publish([kept, taken_back])
    trader.open()
    trader.sees(lambda: trader.shown() == [taken_back.id, kept.id], "two rows")
    market.cancel(taken_back)
    expect(trader.row(taken_back.id)).to_contain_text(re.compile("cancel", re.IGNORECASE))
    expect(trader.cell(taken_back.id, "premium")).to_have_css("text-decoration-line", "line-through")
    expect(trader.row(kept.id)).not_to_contain_text(re.compile("cancel", re.IGNORECASE))
    trader.filter_by("size:33 -cancelled ")
    trader.sees(lambda: trader.shown() == [kept.id], "the one that was kept")
    market.cancel(kept)
    trader.page.mouse.move(0, 0)
    trader.sees(lambda: trader.shown() == [], "none")


def test_pointing_at_a_row_holds_the_view_still_and_says_how_many_wait(
    trader: Trader, market: Market, ten: list[str]
) -> None:
    row = trader.row(ten[3])
    row.hover()
    before = row.bounding_box()
    newer = market.trade(2)
    pill = trader.page.get_by_role("button", name=re.compile("2 new"))
    expect(pill).to_be_visible()
    # What is pointed at changes where it stands, too.
    assert trader.shown() == ten
    assert row.bounding_box() == before
    trader.page.mouse.move(0, 0)
    trader.sees(lambda: trader.shown() == [*newer[::-1], *ten], "the two that waited, on top")
    expect(pill).to_have_count(0)


def test_a_page_that_becomes_narrow_goes_on_from_the_newest_trades(trader: Trader, market: Market) -> None:
    traded = market.trade(80)
    trader.open()
    trader.row(traded[-1]).hover()
    trader.page.mouse.wheel(0, 1_000)
    trader.sees(lambda: trader.shown()[0] != traded[-1], "older trades")
    trader.page.set_viewport_size({"width": 650, "height": 800})
    expect(trader.table.get_by_role("columnheader", name="Contract")).to_be_visible()
    newer = market.trade()
    trader.sees(lambda: trader.shown()[:1] == newer, "the newest trade on top")


def test_pause_lets_new_trades_wait_until_the_pill_is_pressed(
    trader: Trader, market: Market, ten: list[str]
) -> None:
    trader.page.keyboard.press("p")
    expect(trader.page.get_by_role("button", name="Pause")).to_have_attribute("aria-pressed", "true")
    newer = market.trade(3)
    pill = trader.page.get_by_role("button", name=re.compile("3 new"))
    expect(pill).to_be_visible()
    assert trader.shown() == ten
    pill.click()
    trader.sees(lambda: trader.shown() == [*newer[::-1], *ten], "the three that waited")
    expect(trader.page.get_by_role("button", name="Pause")).to_have_attribute("aria-pressed", "false")


def test_columns_that_were_hidden_and_sorted_by_stay_so(trader: Trader, market: Market) -> None:
    sizes = [30, 10, 50, 20]
    traded = {size: market.trade(size=size)[0] for size in sizes}
    by_size = [traded[size] for size in sorted(sizes, reverse=True)]
    trader.open()
    trader.sees(lambda: len(trader.shown()) == 4, "four rows")

    def head(name: str) -> object:
        return trader.table.get_by_role("columnheader", name=name, exact=True)

    expect(head("Exch")).to_have_count(1)
    trader.show_column("Exchange", shown=False)
    expect(head("Exch")).to_have_count(0)
    head("Size").click()
    trader.sees(lambda: trader.shown() == by_size, "the largest on top")
    expect(head("Size")).to_have_attribute("aria-sort", "descending")
    trader.page.reload()
    trader.sees(lambda: trader.shown() == by_size, "the largest on top after a reload")
    expect(head("Exch")).to_have_count(0)
    # What comes later is sorted in, too.
    middle = market.trade(size=40)[0]
    trader.sees(lambda: trader.shown() == [by_size[0], middle, *by_size[1:]], "it in the second place")


def test_what_is_shown_is_saved_as_csv(trader: Trader, market: Market) -> None:
    market.trade(2, symbol=f"QQQ{EXPIRY}P00500000")
    calls = market.trade(3, size=500)
    trader.open("/?q=calls")
    trader.sees(lambda: trader.shown() == calls[::-1], "the calls")
    trader.show_column("Id")
    rows = trader.export()
    assert [row["id"] for row in rows] == calls[::-1]
    for row in rows:
        assert (row["underlying"], row["right"], row["premium"], row["size"]) == ("SPY", "C", "100000", "500")
        assert (row["bid"], row["ask"], row["side"], row["exchange"]) == ("1.9", "2", "ask", "XCBO")
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}-0[45]:00", row["time"])
    trader.show_column("Premium", shown=False)
    assert "premium" not in trader.export()[0]


def test_the_keyboard_goes_through_rows_opens_one_and_shows_its_help(trader: Trader, ten: list[str]) -> None:
    keyboard = trader.page.keyboard
    for _ in range(3):
        keyboard.press("j")
    expect(trader.row(ten[2]).locator(":focus")).to_have_count(1)
    keyboard.press("k")
    expect(trader.row(ten[1]).locator(":focus")).to_have_count(1)
    keyboard.press("o")
    contract = trader.page.get_by_role("complementary")
    expect(contract).to_be_visible()
    keyboard.press("Escape")
    expect(contract).to_be_hidden()
    # A list is closed by Escape before anything else is.
    keyboard.press("o")
    keyboard.press("c")
    columns = trader.page.get_by_role("group", name="Columns")
    expect(columns).to_be_visible()
    keyboard.press("Escape")
    expect(columns).to_be_hidden()
    expect(contract).to_be_visible()
    keyboard.press("Escape")
    expect(contract).to_be_hidden()
    keyboard.press("?")
    dialog = trader.page.get_by_role("dialog", name="Help")
    expect(dialog).to_contain_text("Pause, or go on")
    keyboard.press("Escape")
    expect(dialog).to_be_hidden()


def test_older_trades_come_as_somebody_scrolls_down(trader: Trader, market: Market) -> None:
    traded = market.trade(450)[::-1]
    trader.open()
    trader.show_column("Id")
    trader.sees(lambda: trader.ids() == traded[:200], "as many as the tier's snapshot has")
    trader.row(traded[2]).hover()

    def scrolled() -> bool:
        trader.page.mouse.wheel(0, 2_000)
        return trader.shown()[-1:] == traded[-1:]

    trader.sees(scrolled, "the oldest trade")
    newer = market.trade(2)
    expect(trader.page.get_by_role("button", name=re.compile("2 new"))).to_be_visible()
    assert trader.ids() == traded
    # Back at the newest.
    trader.page.keyboard.press("n")
    trader.sees(lambda: trader.shown()[:3] == [*newer[::-1], traded[0]], "the newest on top")


def test_a_page_in_the_background_catches_up_when_it_is_looked_at(trader: Trader, market: Market) -> None:
    trader.context.add_init_script(f"({HIDE})()")
    before = market.trade(3)
    trader.open("/?q=calls")
    trader.show_column("Id")
    trader.sees(lambda: trader.shown() == before[::-1], "three rows")
    trader.page.evaluate("setHidden(true)")
    meanwhile = [market.trade(200) for _ in range(6)]
    expect(trader.page).to_have_title(re.compile(r"^\(\d+\+?\) Flowtape$"))
    assert trader.shown() == before[::-1]
    trader.page.evaluate("setHidden(false)")
    wanted = [*before, *(each for chunk in meanwhile for each in chunk)][::-1]
    trader.sees(lambda: trader.shown()[:1] == wanted[:1], "the newest trade")
    expect(trader.page).to_have_title("Flowtape")
    trader.sees(lambda: trader.ids() == wanted, "every trade")


def test_tab_passes_the_table_by(trader: Trader, market: Market) -> None:
    traded = market.trade(30)
    trader.open()
    trader.sees(trader.shown, "rows")
    trader.page.keyboard.press("j")
    expect(trader.row(traded[-1]).locator(":focus")).to_have_count(1)
    trader.page.keyboard.press("Tab")
    expect(trader.table.locator(":focus")).to_have_count(0)
    focused = trader.page.locator(":focus")
    expect(focused).to_have_accessible_name(re.compile("CSV|Load older"))


def test_large_premiums_sweeps_and_golden_sweeps_stand_out_each_in_its_own_way(
    trader: Trader, market: Market
) -> None:
    def contract(root: str) -> str:
        return f"{root}{EXPIRY}C00600000"

    def legs(root: str, **fields: int) -> list[str]:
        """Two prints of one moment on two exchanges."""
        [first] = market.prints(symbol=contract(root), **fields)
        market.publish([first])
        return [first.id, *market.trade(symbol=contract(root), ts=first.ts, exchange="XPHL", **fields)]

    [plain] = market.trade(symbol=contract("AAPL"))
    [large] = market.trade(symbol=contract("MSFT"), size=600)
    sweep, _ = legs("QQQ")
    _, golden = legs("SPY", size=6_000, open_interest=100)
    trader.open()
    trader.sees(lambda: {plain, large, sweep, golden} <= {*trader.shown()}, "all four")

    def look(trade: str) -> tuple[str, str, str]:
        style = "(cell) => { const is = getComputedStyle(cell); return [is.color, is.fontWeight]; }"
        ground = "(row) => getComputedStyle(row).backgroundColor"
        return (*trader.cell(trade, "premium").evaluate(style), trader.row(trade).evaluate(ground))

    looks = {name: look(each) for name, each in
             {"plain": plain, "large": large, "sweep": sweep, "golden": golden}.items()}  # fmt: skip
    assert len({*looks.values()}) == 4, looks
    weights = {name: int(weight) for name, (_, weight, _) in looks.items()}
    assert weights["plain"] < weights["large"] <= weights["golden"]
    assert looks["golden"][2] != looks["plain"][2] == looks["sweep"][2]
    expect(trader.cell(golden, "flags")).to_contain_text("golden")


def test_columns_that_are_moved_and_sized_stay_so(trader: Trader, ten: list[str]) -> None:
    def head(column: str) -> dict[str, float]:
        box = trader.table.locator(f'[role="columnheader"][col-id="{column}"]').bounding_box()
        assert box is not None
        return {"x": box["x"], "width": box["width"]}

    before = head("size")
    size = trader.table.locator('[role="columnheader"][col-id="size"]')
    price = trader.table.locator('[role="columnheader"][col-id="price"]')
    assert head("price")["x"] < before["x"]
    size.focus()
    trader.page.keyboard.press("Shift+ArrowLeft")
    trader.sees(lambda: head("size")["x"] < head("price")["x"], "Size left of Price")
    trader.page.keyboard.press("Alt+ArrowRight")
    trader.sees(lambda: head("size")["width"] > before["width"], "a wider Size")
    wide = head("size")["width"]
    price.drag_to(trader.table.locator('[role="columnheader"][col-id="dte"]'))
    trader.sees(lambda: head("price")["x"] < head("underlying_price")["x"], "Price dragged to the left")
    trader.page.reload()
    trader.sees(lambda: trader.shown() == ten, "the rows again")
    assert head("size")["width"] == wide
    assert head("price")["x"] < head("underlying_price")["x"]
