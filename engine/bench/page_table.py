"""Shows what `bench page` measured."""

from __future__ import annotations

from statistics import median
from typing import Any, Final

from rich.console import Console
from rich.table import Table

WIDTH: Final = 110

_WATCHED: Final = (
    ("frames a second", "frames_per_s", "{:.1f}"),
    ("longest time between two frames", "longest_frame_ms", "{:.0f} ms"),
    ("longest task", "longest_task_ms", "{:.0f} ms"),
    ("tasks of 50 ms and more", "long_tasks", "{:,}"),
    ("main thread at work", "busy", "{:.0%}"),
    ("of it in scripts", "script", "{:.0%}"),
    ("of it on styles and layout", "layout", "{:.0%}"),
    ("layout shift", "layout_shift", "{:.4f}"),
)


def show(figures: dict[str, Any]) -> None:
    """Print the tables and which goals were reached."""
    console = Console(width=max(WIDTH, Console().width))
    idle, live = figures["idle"], figures["live"]
    console.print(
        f"page: Chromium {figures['chromium']}, {figures['rows']['start']:,} rows, "
        f"{figures['fed_per_s']:,.0f} trades a second for {figures['seconds']:g} s"
    )
    table = Table()
    for column in ("", "at rest", "trades arriving"):
        table.add_column(column, justify="right" if column else "left")
    for title, name, text in _WATCHED:
        table.add_row(title, _task(name, text, idle[name]), _task(name, text, live[name]))
    console.print(table)
    opening, heap, paint = figures["opening"], figures["heap"], figures["paint"]
    console.print(
        f"print to paint: p50 {paint['p50']:.0f} ms, p99 {paint['p99']:.0f} ms, longest {paint['worst']:.0f} ms, of "
        f"{paint['rows']:,} rows; {paint['never']:,} were never painted."
    )
    console.print(
        f"heap after collecting: {heap['start'] / 1e6:.1f} MB with {figures['rows']['start']:,} rows, "
        f"{heap['end'] / 1e6:.1f} MB in the end with {figures['rows']['end']:,} ({heap['growth']:+.1%})."
    )
    console.print(
        f"opening: first rows after {', '.join(f'{ms:,.0f}' for ms in opening['first_rows_ms'])} ms, layout shift "
        f"{opening['layout_shift']:.4f}; transferred {opening['page_bytes'] / 1e3:,.0f} kB for the page itself. "
        "By kind: " + ", ".join(f"{kind} {count / 1e3:,.1f} kB" for kind, count in opening["bytes"].items())
    )
    if figures["faults"]:
        console.print(f"The page said {len(figures['faults'])} errors, the first: {figures['faults'][0]}")
    held, goals = figures["held"], figures["goals"]
    for name, said in (
        ("frames_per_s", f"{live['frames_per_s']:.1f} frames a second, goal {goals['frames_per_s']:g}"),
        (
            "longest_task_ms",
            f"no task above {goals['longest_task_ms']:g} ms, {live['long_tasks']} were as long",
        ),
        ("heap_growth", f"flat heap, at most {goals['heap_growth']:+.0%}"),
        ("paint_p99_ms", f"print to paint p99 below {goals['paint_p99_ms']:g} ms"),
        (
            "first_rows_ms",
            f"first rows within {goals['first_rows_ms']:,.0f} ms, {median(opening['first_rows_ms']):,.0f} as median",
        ),
        ("page_bytes", f"page under {goals['page_bytes'] / 1e3:,.0f} kB"),
    ):
        console.print(f"{'reached' if held[name] else 'missed '}  {said}")


def _task(name: str, text: str, value: float) -> str:
    return "under 50 ms" if name == "longest_task_ms" and not value else text.format(value)
