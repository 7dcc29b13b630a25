"""The documents say what the code does: of its settings, metrics, problems none is missing, none invented."""

from __future__ import annotations

import ast
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from datetime import UTC, datetime
from pathlib import Path

import pytest
from prometheus_client import Counter
from prometheus_client.metrics import MetricWrapperBase
from pydantic import BaseModel, SecretStr

from app import models, standard_webhooks, telemetry
from app.db import Base
from app.dev import settings_table
from app.encryption import new_key
from app.errors import SluiceError
from app.main import create_app
from app.settings import EncryptionSettings, Settings
from app.web.applications import RegisterBody, UploadBody
from app.web.decisions import DecisionBody
from flows import email, mail_transport, underwriting_tool
from flows.engines import cloud
from flows.extraction.checks import Check, CheckName, Policy
from flows.extraction.fields import FieldName

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"

BODIES: dict[str, dict[str, type[BaseModel]]] = {
    "GET": {},
    "PUT": {"/v1/applications/*": RegisterBody},
    "POST": {"/v1/applications/*/uploads": UploadBody, "/v1/applications/*/decisions": DecisionBody},
}

FLOW_MODULES = {module.__name__ for module in (email, mail_transport, underwriting_tool, cloud)}


def documents() -> list[Path]:
    """The project's Markdown files."""
    return sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md"), *(ROOT / "tests").rglob("*.md")])


def section(document: str, heading: str) -> str:
    """The text below a heading, up to the next one of its level or above."""
    text = (DOCS / document).read_text("utf-8")
    level = heading.split(" ", maxsplit=1)[0]
    begin = text.index(f"\n{heading}\n") + len(heading) + 2
    end = re.search(rf"^#{{1,{len(level)}}} ", text[begin:], re.MULTILINE)
    return text[begin : begin + end.start()] if end else text[begin:]


def rows(text: str) -> list[list[str]]:
    """The cells of every table row, heads and the rules beneath them left out."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    rules = {number for number, line in enumerate(lines) if set(line) <= set("|- ")}
    kept = (line for number, line in enumerate(lines) if not {number, number + 1} & rules)
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in kept]


def words(text: str) -> list[str]:
    """What stands in backticks, blocks of code left out."""
    return re.findall(r"`([^`\n]+)`", re.sub(r"```.+?```", "", text, flags=re.DOTALL))


def test_the_tables_of_settings_are_those_of_the_code() -> None:
    text = settings_table.DOCUMENT.read_text("utf-8")
    assert text == settings_table.brought_up(text), "run `make docs`"


def test_a_setting_that_is_not_documented_yet_gets_a_row_beside_its_group() -> None:
    text = settings_table.DOCUMENT.read_text("utf-8")
    [row] = [line for line in text.splitlines() if line.startswith("| `SLUICE_HTTP_MAX_BODY_BYTES`")]
    lines = settings_table.brought_up(text.replace(f"{row}\n", "")).splitlines()
    [number] = [number for number, line in enumerate(lines) if "`SLUICE_HTTP_MAX_BODY_BYTES`" in line]

    meaning = "An SNS message is at most 256 KiB, escaped in an envelope."
    assert lines[number] == f"| `SLUICE_HTTP_MAX_BODY_BYTES` | bytes | `1048576` | {meaning} |"
    assert lines[number - 1].startswith("| `SLUICE_HTTP_SHUTDOWN_SECONDS`")


def problems_in_the_code() -> dict[str, type[SluiceError]]:
    """Every class of error that names a problem of its own."""
    found = {SluiceError.slug: SluiceError}
    waiting = [SluiceError]
    while waiting:
        for kind in waiting.pop().__subclasses__():
            waiting.append(kind)
            if "slug" in vars(kind) and "<locals>" not in kind.__qualname__:
                found[kind.slug] = kind
    return {slug: kind for slug, kind in found.items() if kind.__module__.startswith(("app.", "flows."))}


def as_row(kind: type[SluiceError]) -> tuple[int, str]:
    return kind.status, "yes" if kind.retryable else "no"


def test_every_problem_is_documented_with_its_status() -> None:
    in_the_code = problems_in_the_code()
    answered = {
        slug: as_row(kind) for slug, kind in in_the_code.items() if kind.__module__.startswith("app.")
    }
    text = (DOCS / "problems.md").read_text("utf-8")
    overview = text[: text.index("## What SNS sees")]
    assert {words(row[0])[0]: (int(row[1]), row[2]) for row in rows(overview)} == answered
    sections = re.findall(r"^### (.+)$", section("problems.md", "## One by one"), re.MULTILINE)
    assert sorted(sections) == sorted(answered)

    inside = {
        words(row[0])[0]: (int(row[1]), row[2]) for row in rows(section("problems.md", "## Inside the flows"))
    }
    assert inside == {
        slug: as_row(kind) for slug, kind in in_the_code.items() if kind.__module__.startswith("flows.")
    }


def test_no_module_of_the_flows_defines_a_problem_that_is_overlooked() -> None:
    """They are not all imported here: some need Prefect, which takes seconds."""
    for path in (ROOT / "flows").rglob("*.py"):
        tree = ast.parse(path.read_text("utf-8"))
        assigned = {name.id for name in ast.walk(tree) if isinstance(name, ast.Name) and name.id == "slug"}
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        assert not assigned or module in FLOW_MODULES


def test_the_example_problem_is_one_of_ours() -> None:
    text = (DOCS / "problems.md").read_text("utf-8")
    for slug in re.findall(r"urn:sluice:problem:([a-z-]+)\"", text):
        assert slug in problems_in_the_code()


def test_every_metric_is_documented_with_its_labels() -> None:
    in_the_code = {
        next(iter(metric.describe())).name + ("_total" if isinstance(metric, Counter) else ""): list(
            metric._labelnames
        )
        for metric in vars(telemetry).values()
        if isinstance(metric, MetricWrapperBase)
    }
    documented = {words(row[0])[0]: words(row[1]) for row in rows((DOCS / "metrics.md").read_text("utf-8"))}
    assert documented == in_the_code


def test_every_dependency_is_documented() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    for heading, wanted in {
        "## The gateway": project["dependencies"],
        "## The flows": project["optional-dependencies"]["flows"],
        "## Tracing": project["optional-dependencies"]["telemetry"],
        "## The Docker work pool": project["optional-dependencies"]["docker"],
        "## Development and tests": project["optional-dependencies"]["dev"],
    }.items():
        names = sorted(re.split(r"[\[<>=]", requirement)[0] for requirement in wanted)
        assert sorted(words(row[0])[0] for row in rows(section("dependencies.md", heading))) == names


def test_the_floors_are_those_the_import_contracts_keep() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"][
        "contracts"
    ]
    layers = [set(layer.split(" | ")) for layer in contracts[0]["layers"]]
    documented = [words(row[1])[0] for row in rows(section("architecture.md", "## Floors"))]
    for layer in layers:
        assert set(documented[: len(layer)]) == layer
        documented = documented[len(layer) :]
    assert documented == []


def test_every_table_is_documented() -> None:
    documented = [words(row[0])[0] for row in rows(section("architecture.md", "## Tables"))]
    assert sorted(documented) == sorted(Base.metadata.tables)


def moves_drawn(heading: str) -> set[tuple[str, str]]:
    drawn = re.findall(r"^ +(\S+) --> ([\w\[\]*]+)", section("architecture.md", heading), re.MULTILINE)
    return {(start, end) for start, end in drawn if "[*]" not in {start, end}}


def test_the_drawn_states_are_those_of_the_code() -> None:
    legal = {(start, end) for start, ends in models.APPLICATION_MOVES.items() for end in ends}
    assert moves_drawn("### Applications") == legal
    assert {state for move in moves_drawn("### Documents") for state in move} == set(models.DocumentStatus)
    runs = moves_drawn("### Runs")
    assert {state for move in runs for state in move} == set(models.RunState)
    replayed = {start for start, end in runs if end == models.RunState.ACCEPTED}
    assert replayed - {models.RunState.SCHEDULED} == models.UNSUCCESSFUL_RUN_STATES


def test_every_outcome_of_a_decision_is_documented() -> None:
    assert set(models.DecisionOutcome) <= set(
        words((DOCS / "callers/underwriting-tool.md").read_text("utf-8"))
    )


def test_every_field_and_member_of_a_check_is_documented() -> None:
    fields = words(section("documents.md", "### Fields"))
    assert sorted({field for field in fields if field.isupper()}) == sorted(FieldName)
    for member in Check.model_fields:
        assert f"`{member}`" in section("documents.md", "## The result")


def test_every_check_is_documented_with_what_follows_from_it() -> None:
    policy, advice = Policy(), {"advise": "advice"}
    in_the_code = {
        name: (
            "yes" if name in policy.required else "no",
            advice.get(policy.severity(name), policy.severity(name)),
        )
        for name in CheckName
    }
    documented = {words(row[0])[0]: (row[3], row[4]) for row in rows(section("documents.md", "### Checks"))}
    assert documented == in_the_code


def test_the_calls_of_the_guide_are_ones_the_gateway_takes() -> None:
    app = create_app(Settings(encryption=EncryptionSettings(keys=[SecretStr(new_key("test"))])))
    paths = {re.sub(r"\{\w+\}", "*", path): operations for path, operations in app.openapi()["paths"].items()}
    pages = [DOCS / "sns.md", *(DOCS / "callers").glob("*.md")]
    text = "\n".join(page.read_text("utf-8") for page in pages).replace("\\\n", " ")
    calls = [shlex.split(line) for line in re.findall(r"^ *(curl .+)$", text, re.MULTILINE)]
    assert len(calls) > 10
    for call in calls:
        method = call[call.index("-X") + 1] if "-X" in call else "GET"
        [url] = [word for word in call if word.startswith("$SLUICE/")]
        path = re.sub(r"\$[A-Z_]+|A-1001", "*", url.removeprefix("$SLUICE"))
        assert method.lower() in paths[path], f"{method} {path}"
        if path in BODIES[method] and "-d" in call:
            BODIES[method][path].model_validate_json(call[call.index("-d") + 1])


BODY = """\
{
  "application_id": "A-1001",
  "outcome": "denied",
  "reasons": ["Höhe des Einkommens"],
  "decided_by": "underwriter-17"
}
"""


def signed_by_the_guide(language: str, secret: str, folder: Path) -> dict[str, str]:
    """The headers that the guide's snippet makes, run as a reader would run it."""
    guide = section("callers/underwriting-tool.md", "## Sign a decision")
    [snippet] = re.findall(rf"```{language}\n(.+?)```", guide, re.DOTALL)
    (folder / "decision.json").write_text(BODY, "utf-8")
    match language:
        case "python":
            snippet += "\nimport json, os, pathlib\nbody = pathlib.Path('decision.json').read_bytes()\n"
            snippet += "print(json.dumps(signed(os.environ['SECRET'], 'decision-17', body)))"
            command = [sys.executable, "-c", snippet]
        case "javascript":
            snippet += "\nconst body = require('node:fs').readFileSync('decision.json');\n"
            snippet += "console.log(JSON.stringify(signed(process.env.SECRET, 'decision-17', body)));"
            command = ["node", "-e", snippet]
        case _:
            snippet = snippet.partition("\ncurl ")[0] + '\nprintf "%s\\n" "$ID" "$TIMESTAMP" "$SIGNATURE"'
            command = ["sh", "-euc", snippet]
    environment = {"PATH": os.environ["PATH"], "SECRET": secret}
    answer = subprocess.run(  # noqa: S603 (our own document)
        command, cwd=folder, env=environment, check=True, capture_output=True, text=True
    )
    if language == "sh":
        names = ("webhook-id", "webhook-timestamp", "webhook-signature")
        return dict(zip(names, answer.stdout.splitlines(), strict=True))
    headers: dict[str, str] = json.loads(answer.stdout)
    return headers


@pytest.mark.parametrize(
    ("language", "needed"), [("python", sys.executable), ("javascript", "node"), ("sh", "openssl")]
)
def test_the_guides_signatures_verify(language: str, needed: str, tmp_path: Path) -> None:
    if shutil.which(needed) is None:
        pytest.skip(f"{needed} is not installed here")
    secret = standard_webhooks.new_secret()
    headers = signed_by_the_guide(language, secret, tmp_path)

    now = datetime.now(UTC)
    assert standard_webhooks.verify([SecretStr(secret)], headers, BODY.encode(), now, 300) == "decision-17"


def test_the_decision_that_the_guide_signs_names_its_application() -> None:
    [decision] = re.findall(
        r"```json\n(.+?)```", section("callers/underwriting-tool.md", "## Sign a decision"), re.DOTALL
    )
    assert DecisionBody.model_validate_json(decision).application_id == "A-1001"


def test_every_decision_record_is_listed_by_its_title() -> None:
    listed = re.findall(
        r"^\| \[(\d+)\]\((.+?)\) \| (.+?) \|$", (DOCS / "adr/README.md").read_text(), re.MULTILINE
    )
    titles = [
        (path.read_text("utf-8").partition("\n")[0].removeprefix("# ").split(". ", maxsplit=1), path.name)
        for path in sorted((DOCS / "adr").glob("0*.md"))
    ]
    assert listed == [(number, name, title) for (number, title), name in titles]


def anchors(path: Path) -> set[str]:
    """The fragments GitHub makes of a document's headings."""
    headings = re.findall(r"^#+ (.+)$", path.read_text("utf-8"), re.MULTILINE)
    plain = (re.sub(r"\[([^\]]+)\]\([^)]+\)", r"\1", heading) for heading in headings)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in plain}


@pytest.mark.parametrize("document", documents(), ids=lambda path: str(path.relative_to(ROOT)))
def test_relative_links_resolve(document: Path) -> None:
    text = re.sub(r"```.+?```", "", document.read_text("utf-8"), flags=re.DOTALL)
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, fragment = link.partition("#")
        target = (document.parent / name).resolve() if name else document
        assert target.exists(), f"{link} leads nowhere"
        if fragment:
            assert fragment in anchors(target), f"{link} names a heading that does not exist"
