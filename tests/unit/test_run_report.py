"""What a run's artifact says, and that it says nothing of the document."""

from __future__ import annotations

from app.models import DocumentStatus
from flows import run_report
from flows.reader import Reading, Refusal

READING = Reading(
    fields={"LAST_NAME": {"value": "QUIMBY", "confidence": 99.0, "source": "ocr", "alternatives": []}},
    checks=[
        {"check": "expired", "status": "pass", "severity": "reject", "detail": "", "required": True},
        {
            "check": "complete",
            "status": "warn",
            "severity": "review",
            "detail": "Hard to read: A | B.",
            "required": True,
        },
    ],
    recommendation="review",
    engine={
        "name": "rapidocr",
        "versions": {"rapidocr": "3.10.1"},
        "seconds": {"intake": 0.1, "text": 1.234, "total": 1.5},
    },
)


def test_the_report_shows_checks_engine_and_times() -> None:
    lines = run_report.markdown(READING).splitlines()
    assert lines[0] == "# Recommendation: review"
    assert "| expired | pass | reject | yes |  |" in lines
    assert "| rapidocr | 3.10.1 |" in lines
    assert lines[-3:] == ["| total | 1.50 |", "| text | 1.23 |", "| intake | 0.10 |"]


def test_a_bar_in_a_detail_does_not_break_the_table() -> None:
    assert "| complete | warn | review | yes | Hard to read: A \\| B. |" in run_report.markdown(READING)


def test_the_report_holds_no_value_of_the_document() -> None:
    assert "QUIMBY" not in run_report.markdown(READING) + run_report.summary(READING)


def test_a_document_that_was_not_read_is_reported_with_its_reason() -> None:
    refusal = Refusal(DocumentStatus.UNREADABLE, "The photo is too blurred to read.")
    assert run_report.markdown(refusal) == "# The document is unreadable\n\nThe photo is too blurred to read.\n"
    assert run_report.summary(refusal) == "The document is unreadable."
