"""Shows what `bench live` measured."""

from __future__ import annotations

from typing import Any, Final

from rich.console import Console
from rich.table import Table

WIDTH: Final = 130

_PARTS: Final = ("p50", "p99", "worst")
"""Of a latency, as they are shown."""


def show(figures: dict[str, Any]) -> None:
    """Print the tables and whether the goal was reached."""
    console = Console(width=max(WIDTH, Console().width))
    loads = [("live", figures["live"])]
    if "idle" in figures:
        loads.append(("idle", figures["idle"]))
    loads += [("highest", step) for step in figures.get("highest", {}).get("tried", ())]
    table = Table(title="live: from the feed's receipt to the client's, ms", title_justify="left")
    for column in (
        "", "clients", "trades/s", "rows/s", "frames/s", "p50", "p99", "max",
        "lost", "doubled", "wrong", "skipped", "cut off",
    ):  # fmt: skip
        table.add_column(column, justify="right" if column else "left")
    for name, load in loads:
        delay = load["latency"]
        table.add_row(
            name,
            f"{load['clients']:,}",
            f"{load['rate']:,.0f}",
            f"{load['rows_per_s']:,.0f}",
            f"{load['frames_per_s']:,.0f}",
            *(f"{delay[part]:,.1f}" for part in _PARTS),
            *(f"{load[part]:,}" for part in ("lost", "doubled", "wrong", "skipped")),
            f"{sum(load['closed'].values()):,}",
        )
    console.print(table)
    table = Table(
        title="processor time, share of a core; mean ms until announced, and from there to the socket",
        title_justify="left",
    )
    for column in ("", "trades/s", *figures["live"]["cpu"], "announced ms", "sent ms"):
        table.add_column(column, justify="right" if column else "left")
    for name, load in loads:
        table.add_row(
            name,
            f"{load['rate']:,.0f}",
            *(f"{share:.0%}" for share in load["cpu"].values()),
            *(f"{load['gateway'][part]:,.1f}" for part in ("index_ms", "send_ms")),
        )
    console.print(table)
    for name, load in loads:
        if "session_bytes" in load:
            console.print(
                f"{name}: {load['session_bytes']:,} bytes a session once connected, "
                f"{load['session_bytes_in_the_end']:,} in the end (resident memory of the gateway), "
                f"{load['clients']:,} connected in {load['connecting_s']:g} s, "
                f"longest silence {load['silence_s']:.1f} s."
            )
    live = figures["live"]
    verdict = "reached" if live["held"] else "missed"
    console.print(
        f"p99 {live['latency']['p99']:.1f} ms at {live['rate']:,.0f} trades/s: "
        f"goal {figures['goal_ms']:g} ms {verdict}."
    )
    if "highest" in figures:
        console.print(f"Highest rate held: {figures['highest']['held']:,.0f} trades/s.")
    _print_polling(figures["polling"], console)


def _print_polling(polled: dict[str, Any], console: Console) -> None:
    table = Table(
        title=f"plain design: one FT.SEARCH a user and interval, {polled['users']:,} users, no sockets",
        title_justify="left",
    )
    for column in (
        "",
        "searches/s",
        "rows each",
        "p50 ms",
        "p99 ms",
        "max ms",
        "busy",
        "CPU of Redis",
        "of who asks",
    ):
        table.add_column(column, justify="right" if column else "left")
    for name in ("each_interval", "flat_out"):
        row = polled[name]
        table.add_row(
            f"every {polled['interval_s']:g} s" if name == "each_interval" else "as often as it goes",
            f"{row['per_s']:,.0f}",
            f"{row['rows_per_search']:,.1f}",
            *(f"{row['latency'][part]:,.0f}" if row["latency"]["rows"] else "" for part in _PARTS),
            *(f"{row[part]:.0%}" for part in ("busy", "redis_cpu", "askers_cpu")),
        )
    console.print(table)
    console.print(
        f"The plain design sustains {polled['users_sustained']:,} users at one search every "
        f"{polled['interval_s']:g} s beside {polled['flat_out']['rate']:,.0f} trades a second."
    )
