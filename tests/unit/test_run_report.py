"""What a run's artifact says, and that it says nothing of the document."""

from __future__ import annotations

from app.models import DocumentStatus
from flows import run_report
from flows.extraction.assessment import Assessment
from flows.extraction.checks import Check, CheckName, Recommendation, Severity, Status
from flows.extraction.fields import Field, FieldName, Source
from flows.reader import Reading, Refusal

FIELDS = {FieldName.LAST_NAME: Field(value="QUIMBY", confidence=99, source=Source.OCR)}
READING = Reading(
    kind="license-front",
    fields={name: field.model_dump(mode="json") for name, field in FIELDS.items()},
    checks=[],
    recommendation="review",
    engine={
        "name": "rapidocr",
        "versions": {"rapidocr": "3.10.1"},
        "seconds": {"intake": 0.1, "text": 1.234, "total": 1.5},
    },
    sha256="00" * 32,
    image_hashes=(),
)
ASSESSMENT = Assessment(
    fields=FIELDS,
    checks=(
        Check(check=CheckName.EXPIRED, status=Status.PASS, severity=Severity.REJECT, required=True),
        Check(check=CheckName.COMPLETE, status=Status.WARN, detail="Hard to read: A | B."),
    ),
    recommendation=Recommendation.REVIEW,
)


def test_the_report_shows_checks_engine_and_times() -> None:
    lines = run_report.markdown(READING, ASSESSMENT).splitlines()
    assert lines[0] == "# Recommendation: review"
    assert "| expired | pass | reject | yes |  |" in lines
    assert "| rapidocr | 3.10.1 |" in lines
    assert lines[-3:] == ["| total | 1.50 |", "| text | 1.23 |", "| intake | 0.10 |"]


def test_a_bar_in_a_detail_does_not_break_the_table() -> None:
    row = "| complete | warn | review |  | Hard to read: A \\| B. |"
    assert row in run_report.markdown(READING, ASSESSMENT)


def test_the_report_holds_no_value_of_the_document() -> None:
    said = run_report.markdown(READING, ASSESSMENT) + run_report.summary(READING, ASSESSMENT)
    assert "QUIMBY" not in said


def test_a_document_that_was_not_read_is_reported_with_its_reason() -> None:
    refusal = Refusal(DocumentStatus.UNREADABLE, "The photo is too blurred to read.")
    lines = run_report.markdown(refusal, ASSESSMENT).splitlines()
    assert lines[:3] == ["# The document is unreadable", "", "The photo is too blurred to read."]
    assert run_report.summary(refusal, ASSESSMENT) == "The document is unreadable."
