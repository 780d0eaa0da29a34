"""`flowtape doctor`: whether the Redis in use fits, and what to change."""

from __future__ import annotations

import dataclasses
import json
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from engine.settings import Settings
from engine.store.connect import connect, redis_server
from engine.store.doctor import Finding, Verdict, judge, must_change
from engine.store.doctor_facts import gather

STYLES = {Verdict.OK: "green", Verdict.NOTE: "yellow", Verdict.CHANGE: "bold red"}


def doctor(
    redis_url: Annotated[
        str | None, typer.Option(help="The Redis to check; unset, the one in the settings.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="One object on one line instead of a table.")
    ] = False,
) -> None:
    """Check the Redis in use: version, search, JSON, memory, persistence, latency, index, backlog.

    The exit status is 1 if something must change.
    """
    with redis_server(Settings.load(redis_url=redis_url)) as settings:
        client = connect(settings)
        findings = judge(gather(client, settings))
        client.close()
    if as_json:
        found = [dataclasses.asdict(finding) for finding in findings]
        typer.echo(json.dumps({"fits": not must_change(findings), "findings": found}))
    else:
        _show(findings)
    if must_change(findings):
        raise typer.Exit(1)


def _show(findings: list[Finding]) -> None:
    table = Table(box=None, pad_edge=False)
    for title in ("", "check", "found", "what to do"):
        table.add_column(title, overflow="fold")
    for finding in findings:
        table.add_row(
            f"[{STYLES[finding.verdict]}]{finding.verdict}[/]",
            finding.check,
            escape(finding.found),
            escape(finding.advice),
        )
    Console().print(table)
