"""The Grafana dashboard asks only for metrics and labels that exist; every panel says what it shows, in its unit."""

from __future__ import annotations

import itertools
import json
import re
from pathlib import Path
from typing import Any

import pytest

from engine.metrics import GatewayMetrics
from engine.redis_facts import PartitionFacts, RedisFacts

DASHBOARD: dict[str, Any] = json.loads(
    (Path(__file__).parents[1] / "docs" / "grafana" / "flowtape.json").read_text(encoding="utf-8")
)
PANELS: list[dict[str, Any]] = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
EXPRESSIONS: list[str] = [target["expr"] for panel in PANELS for target in panel["targets"]]
WIDTH = 24
"""Columns of a dashboard."""

WORDS = {
    "sum", "max", "min", "count", "by", "rate", "increase", "histogram_quantile", "or", "vector",
}  # fmt: skip
"""What an expression may hold beside metrics and labels."""

UNITS = {"s", "short", "ops", "Bps", "bytes", "percentunit"}
"""Grafana's names of the units in use."""


def labels_by_sample() -> dict[str, set[str]]:
    """The labels of every sample that /metrics gives, by its name; `instance` comes from Prometheus."""
    facts = RedisFacts(True, 0, partitions=(PartitionFacts(True, 0, 0, 0, 0),))
    facts.outcomes["simulator", "indexed"] = 1
    found: dict[str, set[str]] = {}
    for family in [*GatewayMetrics().registry.collect(), *facts.collect()]:
        for sample in family.samples:
            found.setdefault(sample.name, {"instance"}).update(sample.labels)
    return found


SAMPLES = labels_by_sample()


def metrics_of(expression: str) -> set[str]:
    return set(re.findall(r"\bflowtape_\w+", expression))


def test_panels_are_found() -> None:
    assert len(PANELS) > 20


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_an_expression_asks_for_metrics_and_labels_that_exist(expression: str) -> None:
    metrics = metrics_of(expression)
    assert metrics
    assert metrics <= set(SAMPLES)
    labels = set.intersection(*(SAMPLES[name] for name in metrics))
    for listed in re.findall(r"\bby \(([^)]*)\)", expression):
        assert set(re.split(r",\s*", listed)) <= labels
    for matcher in re.findall(r"\{([^}]*)\}", expression):
        assert set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", matcher)) <= labels
    bare = re.sub(r"\{[^}]*\}|\[[^\]]*\]|by \([^)]*\)", " ", expression)
    assert set(re.findall(r"[a-z_]\w*", bare)) - metrics <= WORDS


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_an_expression_is_closed_and_selects_the_chosen_gateways(expression: str) -> None:
    depth = 0
    for character in expression:
        depth += {"(": 1, ")": -1}.get(character, 0)
        assert depth >= 0
    assert depth == 0
    for name in metrics_of(expression):
        assert f'{name}{{instance=~"$instance"' in expression


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_what_only_grows_is_shown_as_a_rate_and_nothing_else_is(expression: str) -> None:
    for name in metrics_of(expression):
        grows = re.search(r"_(total|bucket|count|sum)$", name) is not None
        assert grows is (re.search(rf"(?:rate|increase)\({name}\{{", expression) is not None)


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel["title"])
def test_a_panel_has_a_title_a_description_a_unit_and_a_legend(panel: dict[str, Any]) -> None:
    assert panel["title"]
    assert panel["description"].endswith(".")
    assert panel["fieldConfig"]["defaults"]["unit"] in UNITS
    assert panel["targets"]
    for target in panel["targets"]:
        legend = target["legendFormat"]
        assert legend
        kept = {
            label for by in re.findall(r"\bby \(([^)]*)\)", target["expr"]) for label in re.split(r",\s*", by)
        }
        assert set(re.findall(r"\{\{(\w+)\}\}", legend)) <= kept


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel["title"])
def test_seconds_bytes_and_rates_have_their_unit(panel: dict[str, Any]) -> None:
    unit = panel["fieldConfig"]["defaults"]["unit"]
    for target in panel["targets"]:
        expression = target["expr"]
        if "histogram_quantile" in expression:
            wanted = "s" if "_seconds" in expression else "short"
        elif "cpu_seconds" in expression:
            wanted = "percentunit"
        elif "rate(" in expression:
            wanted = "Bps" if "_bytes_total" in expression else "ops"
        elif re.search(r"_bytes\{", expression):
            wanted = "bytes"
        elif re.search(r"_seconds\{", expression):
            wanted = "s"
        else:
            wanted = "short"
        assert unit == wanted


def test_each_datasource_is_the_one_that_the_user_chooses() -> None:
    chosen = {"type": "prometheus", "uid": "${datasource}"}
    variables = {variable["name"]: variable for variable in DASHBOARD["templating"]["list"]}
    assert variables["datasource"]["type"] == "datasource"
    assert variables["instance"]["datasource"] == chosen
    assert metrics_of(variables["instance"]["definition"]) <= set(SAMPLES)
    for panel in PANELS:
        assert panel["datasource"] == chosen
        assert all(target["datasource"] == chosen for target in panel["targets"])


def test_it_can_be_imported_anew_and_has_no_number_twice() -> None:
    assert "id" not in DASHBOARD
    assert DASHBOARD["uid"] == "flowtape"
    numbers = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(numbers) == len(set(numbers))


def test_no_panel_lies_over_another_or_beyond_the_edge() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        at = panel["gridPos"]
        assert at["x"] + at["w"] <= WIDTH
        cells = set(itertools.product(range(at["x"], at["x"] + at["w"]), range(at["y"], at["y"] + at["h"])))
        assert not cells & taken, panel["title"]
        taken |= cells


def test_every_metric_is_on_it() -> None:
    shown = {name for expression in EXPRESSIONS for name in metrics_of(expression)}
    shown = {re.sub(r"_(bucket|count|sum)$", "", name) for name in shown}
    families = {re.sub(r"_(bucket|count|sum|created)$", "", name) for name in SAMPLES}
    totals = {name.removesuffix("_total") for name in families if name.endswith("_total")}
    assert families - totals - shown == set()
