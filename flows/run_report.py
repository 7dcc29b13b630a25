"""What a run says of itself in Prefect's UI: an artifact with the engine, the times and the checks.

Prefect stores and shows it, so it holds nothing of the document: no field, no name of a file, no value.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import httpx
from prefect.artifacts import acreate_markdown_artifact
from prefect.logging import get_run_logger

from flows.extraction.assessment import Assessment
from flows.extraction.checks import Check
from flows.reader import Reading, Refusal

KEY = "document-verification"
"""Of the artifact. One for all runs: Prefect shows the latest, and with each run its own."""


async def publish(result: Reading | Refusal, assessment: Assessment) -> None:
    """Leave the report with the flow run that is under way. Without it the loan goes on all the same."""
    try:
        await acreate_markdown_artifact(
            markdown(result, assessment), key=KEY, description=summary(result, assessment)
        )
    except httpx.HTTPError as error:
        get_run_logger().warning("Prefect did not take the run's report (%s).", type(error).__name__)


def summary(result: Reading | Refusal, assessment: Assessment) -> str:
    """One line for the list of artifacts."""
    if isinstance(result, Refusal):
        return f"The document is {result.status}."
    return f"Read {len(result.fields)} fields; recommendation: {assessment.recommendation}."


def markdown(result: Reading | Refusal, assessment: Assessment) -> str:
    """The report in Markdown: the document, then what all documents of its application say together."""
    checks = ("## Checks of the application", _checks(assessment.checks))
    if isinstance(result, Refusal):
        return "\n\n".join((f"# The document is {result.status}", result.reason, *checks))
    return "\n\n".join(
        (
            f"# Recommendation: {assessment.recommendation}",
            f"Read {len(result.fields)} fields.",
            *checks,
            "## Engine",
            _table(("Part", "Version"), result.engine["versions"].items()),
            "## Time",
            _table(("Step", "Seconds"), _slowest_first(result.engine["seconds"])),
        )
    )


def _checks(checks: Sequence[Check]) -> str:
    rows = (
        (check.check, check.status, check.severity, "yes" if check.required else "", check.detail)
        for check in checks
    )
    return _table(("Check", "Status", "A failure means", "Required", "Detail"), rows)


def _slowest_first(seconds: Mapping[str, float]) -> list[tuple[str, str]]:
    ordered = sorted(seconds.items(), key=lambda step: step[1], reverse=True)
    return [(step, f"{spent:.2f}") for step, spent in ordered]


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(_cell(text) for text in line) + " |" for line in lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
