"""`flowtape bench page`: what the trader's page costs a browser, and how soon a print is on the screen.

The whole path runs as a user runs it: a feed's publisher, `flowtape index`, Redis, `flowtape serve`, and the page in
Chromium, all on this machine, so that times are of one clock. The page is opened, filled, watched while nothing
happens, and then while trades arrive at a steady rate. What its main thread does is told by the browser itself; when
rows are painted and frames drawn, by a script that is in the page beside its own (page_watch.js), whose work counts as
the page's. Painted is a row when the frame that it came in is handed on to be drawn.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, Final

import msgspec
import redis
from rich.console import Console

from engine.access.tickets import PARAMETER, mint
from engine.access.tokens import Access
from engine.bench.gateway_process import TIER, Gateway, gateway, indexer
from engine.bench.live_check import latency_of
from engine.bench.live_feed import steady_feed
from engine.bench.page_browser import chromium
from engine.bench.page_table import show
from engine.bench.worker import Worker, wait_until
from engine.settings import Settings
from engine.store.connect import connect, redis_server
from schemas import keys
from schemas.errors import FlowtapeError
from schemas.trade import Trade

if TYPE_CHECKING:
    from playwright.sync_api import Browser, CDPSession, Page

RATE: Final = 200.0
SECONDS: Final = 60.0
ROWS: Final = 5_000

GOALS: Final[Mapping[str, float]] = {
    "frames_per_s": 55.0,
    "longest_task_ms": 50.0,
    "heap_growth": 0.05,
    "paint_p99_ms": 150.0,
    "first_rows_ms": 2_000.0,
    "page_bytes": 600_000,
}
"""Frames at least; of everything else at most so much. A long task is one of 50 ms; growth is a share of the start."""

SURPLUS: Final = 1.15
"""So many times the rows fill the table: what is too much it lets go a tenth at a time, and shall from the start."""

FILL_RATE: Final = 1_000.0
"""Trades a second while the table is filled."""

IDLE_S: Final = 10.0
"""How long the page is watched at most while nothing arrives."""

OPENINGS: Final = 3
"""How often the page is opened, each time by a browser that has never seen it."""

SETTLE_S: Final = 2.0
"""What is on its way when the last trade was published may take this long; the page rests as long before."""

WAIT_S: Final = 60.0
"""What the page or the indexer has not done by then it never does."""

USER: Final = "bench"

TAPE_LENGTH: Final = 2_000_000
"""Announcements kept, so that the whole tape is there to compare with."""

WATCH: Final = Path(__file__).with_name("page_watch.js")

VIEWPORT: Final = {"width": 1280, "height": 800}

PAGE_KINDS: Final = ("Document", "Script", "Stylesheet", "Font", "Image", "Manifest", "Other")
"""Kinds of what is the page itself, as the browser calls them; the rest are answers to what the page asks."""


@dataclass(frozen=True, slots=True)
class Watched:
    """A stretch of time at the page."""

    seconds: float
    frames_per_s: float
    longest_frame_ms: float
    """Longest time between two frames."""
    longest_task_ms: float
    """0 where none took 50 ms."""
    long_tasks: int
    layout_shift: float
    """Sum of the shifts' scores."""
    busy: float
    """Share of the time that the page's main thread worked."""
    script: float
    """Share of the time that it ran scripts."""
    layout: float
    """Share of the time that it worked out styles and places; painting is what is left of `busy`."""


def run(rate: float = RATE, seconds: float = SECONDS, rows: int = ROWS) -> dict[str, Any]:
    """Measure, print, and return the figures. Raises FlowtapeError without a browser or a built page."""
    settings = Settings.load().model_copy(
        update={"redis_url": None, "partitions": 1, "tape_length": TAPE_LENGTH}
    )
    console = Console(stderr=True)
    figures: dict[str, Any] = {"rate": rate, "seconds": seconds, "goals": dict(GOALS)}
    with ExitStack() as opened:
        browser = opened.enter_context(chromium(settings))
        own = opened.enter_context(redis_server(settings, persistent=False))
        client = opened.enter_context(connect(own))
        opened.enter_context(indexer(own, client))
        running = opened.enter_context(gateway(own, {}))
        feed = opened.enter_context(Worker(steady_feed, own))
        published = Published(client, feed)
        published.run(rows, FILL_RATE)
        with opening(browser, running, own) as visit:
            first = [visit.opened()]
            console.print(f"page: filling the table with {rows:,} rows")
            published.run(int(rows * SURPLUS), FILL_RATE, visit)
            visit.wait(lambda: visit.rows() >= rows, f"A table of {rows:,} rows")
            console.print("page: at rest")
            visit.rest(SETTLE_S)
            idle = visit.watched(min(IDLE_S, seconds))
            before = {"heap": visit.heap(), "rows": visit.rows()}
            console.print(f"page: {rate:,.0f} trades a second for {seconds:g} s")
            behind = published.end()
            visit.begin()
            figures["fed_per_s"] = round(published.run(int(rate * seconds), rate, visit), 1)
            live = visit.end()
            visit.rest(SETTLE_S)
            painted = {**visit.painted, **visit.take()}
            after = {"heap": visit.heap(), "rows": visit.rows()}
            figures["faults"] = visit.faults
        for _ in range(OPENINGS - 1):
            with opening(browser, running, own) as visit:
                first.append(visit.opened())
        received = published.received(behind)
        version = browser.version
    delays = [float(painted[trade] - at) for trade, at in received.items() if trade in painted]
    figures |= {
        "chromium": version,
        "opening": {
            "first_rows_ms": [round(each.first_rows_ms) for each in first],
            "layout_shift": round(max(each.layout_shift for each in first), 4),
            "bytes": first[0].kinds,
            "page_bytes": sum(n for kind, n in first[0].kinds.items() if kind in PAGE_KINDS),
        },
        "idle": _rounded(idle),
        "live": _rounded(live),
        "heap": {"start": before["heap"], "end": after["heap"],
                 "growth": round(after["heap"] / before["heap"] - 1, 3)},
        "rows": {"start": before["rows"], "end": after["rows"]},
        "paint": {**latency_of(delays)._asdict(), "never": len(received) - len(delays)},
    }  # fmt: skip
    figures["held"] = verdicts(figures)
    show(figures)
    return figures


def verdicts(figures: Mapping[str, Any]) -> dict[str, bool]:
    """Whether each goal was kept."""
    opening_, live = figures["opening"], figures["live"]
    return {
        "frames_per_s": live["frames_per_s"] >= GOALS["frames_per_s"],
        "longest_task_ms": live["longest_task_ms"] <= GOALS["longest_task_ms"],
        "heap_growth": figures["heap"]["growth"] <= GOALS["heap_growth"],
        "paint_p99_ms": 0 < figures["paint"]["p99"] < GOALS["paint_p99_ms"],
        "first_rows_ms": median(opening_["first_rows_ms"]) < GOALS["first_rows_ms"],
        "page_bytes": opening_["page_bytes"] < GOALS["page_bytes"],
    }


class Published:
    """Trades that the bench lets arrive."""

    def __init__(self, client: redis.Redis, feed: Worker) -> None:
        self._client, self._feed = client, feed
        self._prints = 0

    def run(self, prints: int, rate: float, visit: Visit | None = None) -> float:
        """Publish so many and wait until they are indexed; the rate as it turned out. The page goes on meanwhile."""
        self._feed.ask("prepare", prints)
        self._feed.tell("run", rate)
        if visit is not None:
            visit.rest(prints / rate)
        fed = self._feed.answer()
        self._prints += fed.prints
        wait_until(lambda: self._indexed() >= self._prints, "Indexing all prints", WAIT_S)
        return float(fed.per_s)

    def end(self) -> str:
        """The newest entry of the tape."""
        entries: Any = self._client.xrevrange(keys.tape(0), count=1)
        return entries[0][0].decode() if entries else "0-0"

    def received(self, behind: str) -> dict[str, int]:
        """When each trade that was first announced behind an entry was received, unix ms, by its id."""
        known: Any = self._client.xrange(keys.tape(0), max=behind)
        before = {_trade(fields).id for _, fields in known}
        found: dict[str, int] = {}
        announced: Any = self._client.xrange(keys.tape(0), min=f"({behind}")
        for _, fields in announced:
            trade = _trade(fields)
            if trade.id not in before:
                found.setdefault(trade.id, trade.received)
        return found

    def _indexed(self) -> int:
        counts: Any = self._client.hgetall(keys.counts(0))
        return sum(int(n) for name, n in counts.items() if name.endswith((b":indexed", b":cancels")))


def _trade(fields: Mapping[bytes, bytes]) -> Trade:
    return msgspec.msgpack.decode(fields[b"d"], type=Trade)


@dataclass(frozen=True, slots=True)
class Opened:
    """An opening of the page by a browser that had nothing of it."""

    first_rows_ms: float
    """From the start of the navigation until the first row was painted."""
    layout_shift: float
    kinds: dict[str, int]
    """Bytes that were transferred, with headers, by the browser's word for their kind; without those of the stream."""


class Visit:
    """A browser context of its own with the page in it."""

    def __init__(self, page: Page, line: CDPSession) -> None:
        self._page, self._line = page, line
        self._before: Mapping[str, float] = {}
        self._kinds: dict[str, int] = {}
        self._kind_of: dict[str, str] = {}
        self.painted: dict[str, int] = {}
        """When each row was painted first, unix ms, of what was watched last."""
        self.faults: list[str] = []
        """What the page wrote as an error, or threw."""
        line.on("Network.responseReceived", self._answered)
        line.on("Network.loadingFinished", self._loaded)
        page.on("pageerror", lambda error: self.faults.append(str(error)))
        page.on("console", lambda said: self.faults.append(said.text) if said.type == "error" else None)

    def _answered(self, event: Any) -> None:
        self._kind_of[event["requestId"]] = event["type"]

    def _loaded(self, event: Any) -> None:
        kind = self._kind_of.get(event["requestId"])
        if kind is not None:
            self._kinds[kind] = self._kinds.get(kind, 0) + int(event["encodedDataLength"])

    def opened(self) -> Opened:
        """Wait for the first rows, and until the page has come to rest."""
        self.wait(lambda: self._page.evaluate("pageWatch.firstRow()") is not None, "The first row")
        self.rest(SETTLE_S)
        first = self._page.evaluate("pageWatch.firstRow()")
        return Opened(first, sum(self._page.evaluate("pageWatch.take().shifts")), dict(self._kinds))

    def wait(self, fact: Any, what: str) -> None:
        """Wait until something is so. Raises RuntimeError where it is not in time."""
        deadline = time.monotonic() + WAIT_S
        while not fact():
            if time.monotonic() > deadline:
                said = f" The page said: {self.faults[0]}" if self.faults else ""
                raise RuntimeError(f"{what} did not come within {WAIT_S:g} s.{said}")
            self.rest(0.1)

    def rest(self, seconds: float) -> None:
        """Let time pass, in which the browser is listened to."""
        self._page.wait_for_timeout(1000 * seconds)

    def rows(self) -> int:
        """Rows that the table has, drawn or not, by what it tells a screen reader."""
        count: int = self._page.evaluate(
            """() => {
              const table = document.querySelector("[aria-rowcount]");
              const heads = table.querySelectorAll('[role="row"]:has([role="columnheader"])').length;
              return Number(table.getAttribute("aria-rowcount")) - heads;
            }"""
        )
        return count

    def heap(self) -> int:
        """Bytes of the page's script heap, after everything that nobody holds was let go."""
        self._line.send("HeapProfiler.collectGarbage")
        return int(self._line.send("Runtime.getHeapUsage")["usedSize"])

    def take(self) -> dict[str, int]:
        """When rows were painted that were not told yet."""
        return dict(self._page.evaluate("pageWatch.take().painted"))

    def watched(self, seconds: float) -> Watched:
        """What a stretch of time was like."""
        self.begin()
        self.rest(seconds)
        return self.end()

    def begin(self) -> None:
        """Begin to watch."""
        self._before = self._work()
        self._page.evaluate("pageWatch.take()")

    def end(self) -> Watched:
        """What it was like since `begin`; keeps what was painted."""
        taken, work = self._page.evaluate("pageWatch.take()"), self._work()
        self.painted = dict(taken["painted"])
        seconds = taken["seconds"]
        return Watched(
            seconds=seconds,
            frames_per_s=taken["frames"] / seconds,
            longest_frame_ms=taken["longest_frame"],
            longest_task_ms=max(taken["tasks"], default=0.0),
            long_tasks=len(taken["tasks"]),
            layout_shift=sum(taken["shifts"]),
            busy=self._share(work, seconds, "TaskDuration"),
            script=self._share(work, seconds, "ScriptDuration"),
            layout=self._share(work, seconds, "LayoutDuration", "RecalcStyleDuration"),
        )

    def _share(self, work: Mapping[str, float], seconds: float, *kinds: str) -> float:
        return sum(work[kind] - self._before[kind] for kind in kinds) / seconds

    def _work(self) -> dict[str, float]:
        """Seconds that the main thread worked until now, by kind."""
        return {each["name"]: each["value"] for each in self._line.send("Performance.getMetrics")["metrics"]}


@contextmanager
def opening(browser: Browser, running: Gateway, settings: Settings) -> Iterator[Visit]:
    """Open the page as a user of the push tier, in a browser that has nothing of it."""
    access = Access(settings, running.secret)
    context = browser.new_context(viewport=VIEWPORT)  # type: ignore[arg-type]
    try:
        # Signed in beforehand: the landing of the ticket is no part of opening the page.
        context.request.get(f"{running.http}/?{PARAMETER}={mint(access, USER, TIER)}")
        context.add_init_script(path=WATCH)
        page = context.new_page()
        line = context.new_cdp_session(page)
        for domain in ("Network", "Performance"):
            line.send(f"{domain}.enable")
        visit = Visit(page, line)
        page.goto(running.http)
        if page.locator("#page").count() == 0:
            raise FlowtapeError(
                "The gateway has no page to serve.",
                "scripts/page builds it; FLOWTAPE_PAGE_DIR names another one.",
            )
        yield visit
    finally:
        context.close()


def _rounded(watched: Watched) -> dict[str, float]:
    return {name: round(value, 3) for name, value in asdict(watched).items()}
