"""Alerts and dashboard ask for metrics that exist, each alert is tried, and the runbook says what to do."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from prometheus_client.metrics import MetricWrapperBase

from app import projection, telemetry
from app.cli import cli

ROOT = Path(__file__).resolve().parents[2]
ALERTS = ROOT / "deploy/prometheus/alerts.yml"
TRIALS = ROOT / "deploy/prometheus/alerts_test.yml"
DASHBOARD = ROOT / "deploy/grafana/sluice.json"

PROMETHEUS_OWN = {"up", "process_cpu_seconds_total", "process_resident_memory_bytes"}

OPERATORS = {"or", "and", "unless"}


def alerts() -> list[dict[str, Any]]:
    groups = yaml.safe_load(ALERTS.read_text("utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def panels() -> list[dict[str, Any]]:
    dashboard = json.loads(DASHBOARD.read_text("utf-8"))
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


def samples() -> dict[str, set[str]]:
    """Every sample that the code can show, with its labels."""
    found: dict[str, set[str]] = {}
    for metric in vars(telemetry).values():
        if isinstance(metric, MetricWrapperBase):
            [described] = metric.describe()
            labels = set(metric._labelnames)
            suffixes = {"counter": ["_total"], "histogram": ["_bucket", "_count", "_sum"]}
            for suffix in suffixes.get(described.type, [""]):
                found[described.name + suffix] = labels | ({"le"} if suffix == "_bucket" else set())
    return found


def asked(expression: str) -> Iterator[tuple[str, set[str]]]:
    """The samples an expression asks for, each with the labels that it selects by."""
    plain = re.sub(r"\b(by|without) \([^)]*\)", "", expression)
    for name, selected in re.findall(r"\b([a-z][a-z0-9_]*)\b(?![(\"])(?:\{(.*?)\})?", _without_values(plain)):
        if name not in OPERATORS:
            yield name, set(re.findall(r"(\w+)[=!]", selected))


def _without_values(expression: str) -> str:
    """Without what stands in quotes and brackets: values and durations."""
    return re.sub(r"offset \w+", "", re.sub(r'"[^"]*"|\[[^\]]*\]', "", expression))


def expressions() -> list[str]:
    of_panels = [target["expr"] for panel in panels() for target in panel["targets"]]
    return [alert["expr"] for alert in alerts()] + of_panels


@pytest.mark.parametrize("expression", expressions())
def test_every_expression_asks_for_metrics_and_labels_that_exist(expression: str) -> None:
    found = list(asked(expression))
    assert found
    for name, selected in found:
        if name not in PROMETHEUS_OWN:
            assert name in samples()
            assert selected <= samples()[name] | {"job"}
    grouped = {
        label.strip() for labels in re.findall(r"by \(([^)]*)\)", expression) for label in labels.split(",")
    }
    assert grouped <= {label for name, _ in found for label in samples().get(name, set())}


def test_every_metric_is_on_the_dashboard() -> None:
    shown = {name for panel in panels() for target in panel["targets"] for name, _ in asked(target["expr"])}
    for metric in vars(telemetry).values():
        if isinstance(metric, MetricWrapperBase):
            [described] = metric.describe()
            assert any(name.startswith(described.name) for name in shown), described.name


def test_panels_do_not_overlap_and_have_a_description() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in panels():
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken
        assert panel["description"]
        taken |= cells


def test_the_runbook_has_a_section_for_each_alert_and_each_alert_names_it() -> None:
    runbook = (ROOT / "docs/runbook.md").read_text("utf-8")
    sections = re.findall(r"^## (Sluice\w+)$", runbook, re.MULTILINE)
    names = [alert["alert"] for alert in alerts()]
    assert sections == names
    for alert in alerts():
        assert alert["annotations"]["runbook"] == f"docs/runbook.md#{alert['alert'].lower()}"
        section = runbook.partition(f"\n## {alert['alert']}\n")[2].partition("\n## ")[0]
        for part in ("**Means**", "**Look**", "**Do**"):
            assert part in section, alert["alert"]


def test_the_runbook_names_the_followers_lock() -> None:
    runbook = (ROOT / "docs/runbook.md").read_text("utf-8")
    assert re.findall(r"objid = (\d+)", runbook) == [str(projection._FOLLOWER_LOCK)]


def commands() -> list[str]:
    """What runbook and operations guide have somebody type."""
    text = "".join((ROOT / "docs" / page).read_text("utf-8") for page in ("runbook.md", "operations.md"))
    blocks = re.findall(r"```sh\n(.+?)```", text, re.DOTALL)
    found = {line for block in blocks for line in block.splitlines() if line.startswith("sluice ")}
    return sorted(found)


@pytest.mark.parametrize("command", commands())
def test_the_commands_of_the_guides_exist(command: str) -> None:
    """Parsed as the shell would hand them over, and not run."""
    words = shlex.split(command.replace("$RUN", "0193b0a5-7c1e-7b5a-9d1e-3f0c8a4e2b11"))[1:]
    at: Any = typer.main.get_command(cli)
    while isinstance(at, typer.core.TyperGroup):
        at = at.commands[words.pop(0)]
    if words != ["--help"]:
        at.make_context(command, words)


def test_every_alert_is_tried_ringing_and_silent() -> None:
    trials = yaml.safe_load(TRIALS.read_text("utf-8"))["tests"]
    ringing = {
        rule["alertname"] for trial in trials for rule in trial["alert_rule_test"] if rule["exp_alerts"]
    }
    silent = {
        rule["alertname"] for trial in trials for rule in trial["alert_rule_test"] if not rule["exp_alerts"]
    }
    assert ringing == silent == {alert["alert"] for alert in alerts()}


@pytest.mark.parametrize("command", [["check", "rules", str(ALERTS)], ["test", "rules", str(TRIALS)]])
def test_promtool_accepts_the_alerts(command: list[str]) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed here; it comes with Prometheus")
    outcome = subprocess.run(  # noqa: S603 (Prometheus's own tool)
        [promtool, *command], check=False, capture_output=True, text=True
    )
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
