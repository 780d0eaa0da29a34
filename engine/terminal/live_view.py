"""What `flowtape up` shows: newest trades, notable ones, rates, lag and memory. Pure: state in, lines out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from rich.console import Group
from rich.style import Style
from rich.text import Text

from engine.terminal import format as write
from engine.terminal.gateway_gauges import GatewayReading
from engine.terminal.gauges import Rates, Reading
from schemas.flags import Flag
from schemas.trade import Side, Trade

NOTABLE_HEIGHT = 26
"""Lines of a terminal from which notable trades get a part of the screen."""

NOTABLE_SHARE = 3
"""One of so many lines for trades is for notable ones."""

BIG_PREMIUM, HUGE_PREMIUM = 100_000.0, 1_000_000.0
"""Dollars from which a trade stands out, and stands out more."""

LAGGING_MS, LAGGING_ENTRIES = 2_000.0, 5_000
"""Age of the newest trade and number of waiting prints from which they are marked."""


LINK_SHARE = 6
"""One of so many lines of the screen may be the link's; a longer one is only there to click on."""

WIDE = 100
"""Columns of a terminal from which the header writes words out."""


@dataclass(slots=True)
class ViewState:
    """All that the view shows besides the trades."""

    feed: str
    synthetic: bool
    where: str
    """How redis-cli reaches Redis, as its arguments."""
    reading: Reading = field(default_factory=lambda: Reading(0.0))
    rates: Rates = field(default_factory=Rates)
    feed_state: str = "starting"
    feed_says: str = ""
    """Why it is not live, in its own words."""
    dropped: int = 0
    """Prints that the feed dropped because Redis was slower."""
    redis_away: bool = False
    link: str = ""
    """Opens the page; empty while the gateway does not listen."""
    gateway: GatewayReading | None = None
    """None while the gateway does not answer."""
    rows_sent: float = 0.0
    """Rows a second that the gateway hands to its clients."""
    seconds: float = 0.0
    """Since the start."""
    notes: list[str] = field(default_factory=list)
    """What happened lately, newest last."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column: title, width, where text stands, what it says; higher `rank` gives way first."""

    title: str
    width: int
    rank: int
    right: bool
    cell: Callable[[Trade], str]
    style: Callable[[Trade], str] = lambda _: ""


def _right_style(trade: Trade) -> str:
    return "green" if trade.right == "C" else "red"


def _side_style(trade: Trade) -> str:
    if trade.side in (Side.ASK, Side.ABOVE_ASK):
        return "green"
    return "red" if trade.side in (Side.BID, Side.BELOW_BID) else "dim"


def _premium_style(trade: Trade) -> str:
    return "bold yellow" if trade.premium >= BIG_PREMIUM else ""


def _quote(trade: Trade) -> str:
    return f"{write.price(trade.bid)} x {write.price(trade.ask)}"


COLUMNS: tuple[Column, ...] = (
    Column("TIME", 8, 0, False, lambda t: write.clock(t.ts), lambda _: "dim"),
    Column("TICKER", 6, 0, False, lambda t: t.underlying, lambda _: "bold"),
    Column("", 1, 0, False, lambda t: t.right, _right_style),
    Column("STRIKE", 7, 0, True, lambda t: write.strike(t.strike)),
    Column("EXPIRY", 8, 0, False, lambda t: write.expiry(t.expiry)),
    Column("DTE", 4, 2, True, lambda t: str(t.dte)),
    Column("OTM", 7, 3, True, lambda t: write.percent(t.otm_pct)),
    Column("PRICE", 7, 0, True, lambda t: write.price(t.price)),
    Column("SIZE", 6, 0, True, lambda t: write.count(t.size)),
    Column("PREMIUM", 7, 0, True, lambda t: write.money(t.premium), _premium_style),
    Column("BID x ASK", 17, 4, True, _quote),
    Column("SIDE", 4, 1, False, lambda t: write.side(t.side), _side_style),
    Column("SPOT", 9, 5, True, lambda t: write.price(t.underlying_price)),
    Column("VOLUME", 7, 6, True, lambda t: write.count(t.volume)),
    Column("OI", 8, 6, True, lambda t: write.count(t.open_interest)),
    Column("IV", 6, 7, True, lambda t: write.UNKNOWN if t.iv is None else f"{t.iv * 100:.1f}%"),
    Column("DELTA", 6, 7, True, lambda t: write.UNKNOWN if t.delta is None else f"{t.delta:+.2f}"),
    Column("EXCH", 4, 8, False, lambda t: t.exchange or write.UNKNOWN, lambda _: "dim"),
)
"""In their order on the screen; flags follow and take what is left."""

FLAGS_LEAST, FLAGS_FULL = 12, 30
"""Columns of text that flags need at least, and from which other columns may grow instead."""


def columns_for(width: int) -> list[Column]:
    """The columns that fit a terminal of a width, with FLAGS_LEAST left for the flags."""
    chosen: list[Column] = []
    taken = 0
    for rank in sorted({column.rank for column in COLUMNS}):
        for column in (column for column in COLUMNS if column.rank == rank):
            # Columns of higher rank leave more room for flags, which say why a trade is worth a look.
            flags = FLAGS_LEAST if rank < 4 else FLAGS_FULL if rank > 4 else FLAGS_LEAST + 8
            if rank == 0 or taken + column.width + 1 + flags <= width:
                chosen.append(column)
                taken += column.width + 1
    return [column for column in COLUMNS if column in chosen]


def titles(columns: Sequence[Column], width: int) -> Text:
    """The line of titles."""
    line = Text(no_wrap=True, overflow="crop", style="bold reverse")
    for column in columns:
        title = column.title[: column.width]
        line.append((title.rjust if column.right else title.ljust)(column.width) + " ")
    line.append("FLAGS")
    line.pad_right(max(0, width - line.cell_len))
    return line


def trade_line(trade: Trade, columns: Sequence[Column], width: int, synthetic: bool) -> Text:
    """One trade in one line; big ones bold, withdrawn ones struck through."""
    line = Text(no_wrap=True, overflow="crop", style=_line_style(trade))
    for column in columns:
        text = column.cell(trade)
        if len(text) > column.width:
            text = text[: column.width - 1] + "…"
        line.append((text.rjust if column.right else text.ljust)(column.width), column.style(trade))
        line.append(" ")
    # The header says it of the whole feed; a row says it where rows differ.
    names = [name for name in trade.flags if not (synthetic and name == Flag.SYNTHETIC)]
    line.append(write.flags(names, max(0, width - line.cell_len)), "cyan")
    return line


def _line_style(trade: Trade) -> str:
    if Flag.CANCELLED in trade.flags:
        return "strike dim"
    if trade.premium >= HUGE_PREMIUM or Flag.GOLDEN in trade.flags:
        return "bold on grey23"
    return "bold" if trade.premium >= BIG_PREMIUM else ""


def header(state: ViewState, newest: Trade | None, now: int, width: int, height: int) -> list[Text]:
    """The lines above the trades: what runs, how fast, how late, how large, for whom; `now` is unix ms."""
    reading, rates = state.reading, state.rates
    first = Text(" FLOWTAPE ", style="bold reverse", no_wrap=True, overflow="crop")
    first.append(f" {state.feed} ", "bold not reverse")
    if state.synthetic:
        label = " SYNTHETIC, not a real market " if width >= WIDE else " SYNTHETIC "
        first.append(label, "bold black on yellow not reverse")
    first.append(
        f" {state.feed_state}", "not reverse " + ("green" if state.feed_state == "live" else "yellow")
    )
    clock = f"{write.clock(now)} {write.zone(now)}" + (" New York " if width >= WIDE else " ")
    if (space := width - first.cell_len - len(clock)) > 0:
        first.append(" " * space + clock, "not reverse dim")

    age = now - newest.ts if newest else None
    second = Text(no_wrap=True, overflow="crop")
    _gauge(second, "prints", f"{rates.appended:,.0f}/s")
    _gauge(second, "indexed", f"{rates.announced:,.0f}/s")
    _gauge(second, "waiting", f"{reading.behind:,}", reading.behind >= LAGGING_ENTRIES)
    _gauge(
        second, "newest", f"{write.age(age)} old" if age is not None else "none yet", (age or 0) >= LAGGING_MS
    )
    _gauge(second, "dead", f"{reading.dead:,}", reading.dead > 0)
    if state.dropped:
        _gauge(second, "dropped", f"{state.dropped:,}", True)

    third = Text(no_wrap=True, overflow="crop")
    _gauge(third, "trades held", f"{reading.documents:,}")
    _gauge(
        third, "Redis", "away" if state.redis_away else f"{reading.memory / 2**20:,.0f} MB", state.redis_away
    )
    if (each := reading.bytes_a_trade) is not None:
        _gauge(third, "a trade", f"{each:,} bytes")
    _gauge(third, "up", _duration(state.seconds))

    lines = [first, second, third]
    if state.gateway is not None:
        lines.append(_gateway_line(state.gateway, state.rows_sent))
    if width < 40:
        return [*lines, Text("")]
    return [*lines, *_link(state, width, height), *_hints(state, width)]


def _gateway_line(gateway: GatewayReading, rows_sent: float) -> Text:
    line = Text(no_wrap=True, overflow="crop")
    _gauge(line, "sessions", f"{gateway.sessions:,}")
    _gauge(line, "subscriptions", f"{gateway.subscriptions:,}")
    _gauge(line, "filters", f"{gateway.groups:,}")
    _gauge(line, "sent", f"{rows_sent:,.0f} rows/s")
    _gauge(line, "tape lag", write.age(round(gateway.lag_ms)), gateway.lag_ms >= LAGGING_MS)
    return line


def _link(state: ViewState, width: int, height: int) -> list[Text]:
    """The link, whole until somebody is in; where there is no room for it, a short text to click on."""
    if not state.link:
        return []
    # Terminals that know hyperlinks open all of it, whichever piece is clicked on.
    style = Style(link=state.link, bold=True)
    whole = f" open: {state.link}"
    pieces = [whole[start : start + width] for start in range(0, len(whole), width)]
    if len(pieces) > 1 and (len(pieces) > height // LINK_SHARE or (state.gateway and state.gateway.sessions)):
        short = f" open: {state.link.partition('?')[0]}"
        line = Text(short, style, no_wrap=True, overflow="crop")
        line.append("  click here, or: flowtape token --link", Style(dim=True, bold=False))
        return [line]
    return [Text(piece, style, no_wrap=True, overflow="crop") for piece in pieces]


def _hints(state: ViewState, width: int) -> list[Text]:
    query = "flowtape query 'SPY,QQQ calls premium>=100k'"
    cli = f"redis-cli {state.where}"
    lines = [f" query: {query}   or: {cli}"]
    if len(lines[0]) > width:
        lines = [f" query: {query}", f"    or: {cli}"]
    return [Text(line, style="dim", no_wrap=True, overflow="ellipsis") for line in lines]


def _gauge(line: Text, name: str, value: str, warn: bool = False) -> None:
    line.append(f" {name} ", "dim")
    line.append(value, "bold red" if warn else "bold")
    line.append(" ")


def _duration(seconds: float) -> str:
    whole = int(seconds)
    return f"{whole // 3_600}:{whole // 60 % 60:02d}:{whole % 60:02d}"


def render(
    state: ViewState, newest: Sequence[Trade], notable: Sequence[Trade], now: int, width: int, height: int
) -> Group:
    """The whole screen of a size, `now` in unix ms; trades come newest first and are cut to what fits."""
    columns = columns_for(width)
    lines = header(state, newest[0] if newest else None, now, width, height)
    said = [state.feed_says] if state.feed_says else []
    for note in [*said, *state.notes[-2:]]:
        lines.append(Text(f" {note}", style="yellow", no_wrap=True, overflow="ellipsis"))
    room = max(0, height - len(lines) - 1)
    below = room // NOTABLE_SHARE if height >= NOTABLE_HEIGHT and notable else 0
    lines.append(titles(columns, width))
    lines += [trade_line(trade, columns, width, state.synthetic) for trade in newest[: room - below]]
    if not newest:
        lines.append(Text(" Waiting for the first trade.", style="dim"))
    elif below > 1:
        lines += [Text("")] * (room - below - len(newest))
        lines.append(
            Text(" LARGE PREMIUM, BLOCKS, GOLDEN SWEEPS".ljust(width), style="bold reverse", no_wrap=True)
        )
        lines += [trade_line(trade, columns, width, state.synthetic) for trade in notable[: below - 1]]
    return Group(*lines[:height])


def plain_line(state: ViewState, newest: Trade | None, now: int) -> str:
    """The same in one line without colours, for a log or a pipe."""
    reading, rates = state.reading, state.rates
    label = f"{state.feed} (synthetic)" if state.synthetic else state.feed
    parts = [
        f"{write.day(now)} {write.clock(now)} {write.zone(now)} {label} {state.feed_state}",
        f"{rates.appended:,.0f} prints/s",
        f"{rates.announced:,.0f} indexed/s",
        f"{reading.behind:,} waiting",
        f"newest {write.age(now - newest.ts)} old" if newest else "no trade yet",
        f"{reading.documents:,} trades held",
        "Redis away" if state.redis_away else f"Redis {reading.memory / 2**20:,.0f} MB",
        f"{reading.dead:,} dead",
    ]
    if state.gateway is not None:
        sessions = state.gateway.sessions
        parts += [
            f"{sessions:,} session{'' if sessions == 1 else 's'}",
            f"{state.rows_sent:,.0f} rows/s sent",
        ]
    if state.dropped:
        parts.append(f"{state.dropped:,} dropped")
    if state.feed_says:
        parts.append(state.feed_says)
    return ", ".join(parts)
