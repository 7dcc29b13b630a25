"""What follows from findings."""

from __future__ import annotations

import pytest

from app.document_checks import CheckName
from app.settings import ChecksSettings
from flows.extraction.checks import Check, Policy, Recommendation, Severity, Status, combined, recommend


def test_without_settings_the_policy_is_that_of_the_settings_defaults() -> None:
    assert Policy.of(ChecksSettings()) == Policy()


def test_settings_say_what_follows_from_a_check() -> None:
    policy = Policy.of(
        ChecksSettings(reject=[CheckName.EDITED], advise=[CheckName.GLARE], required=[CheckName.EDITED])
    )
    found = [
        policy.applied(Check(check=name, status=Status.FAIL, detail="Why."))
        for name in (CheckName.EDITED, CheckName.GLARE, CheckName.EXPIRED)
    ]
    assert [check.severity for check in found] == [Severity.REJECT, Severity.ADVISE, Severity.REVIEW]
    assert [check.required for check in found] == [True, False, False]
    assert {check.detail for check in found} == {"Why."}


def check(status: Status, severity: Severity = Severity.REVIEW, *, required: bool = True) -> Check:
    return Check(check=CheckName.EXPIRED, status=status, severity=severity, required=required)


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ([check(Status.PASS)], Recommendation.ACCEPT),
        ([check(Status.PASS), check(Status.WARN, required=False)], Recommendation.REVIEW),
        ([check(Status.PASS), check(Status.NOT_RUN)], Recommendation.REVIEW),
        ([check(Status.PASS), check(Status.NOT_RUN, required=False)], Recommendation.ACCEPT),
        ([check(Status.PASS), check(Status.FAIL)], Recommendation.REVIEW),
        ([check(Status.FAIL), check(Status.FAIL, Severity.REJECT)], Recommendation.REJECT),
        ([check(Status.WARN, Severity.REJECT)], Recommendation.REVIEW),
        ([check(Status.NOT_RUN, Severity.REJECT)], Recommendation.REVIEW),
        ([check(Status.FAIL, Severity.ADVISE, required=False)], Recommendation.ACCEPT),
        ([check(Status.WARN, Severity.ADVISE)], Recommendation.REVIEW),
    ],
)
def test_recommendation(found: list[Check], expected: Recommendation) -> None:
    assert recommend(found) is expected


def said(status: Status, detail: str) -> Check:
    return Check(check=CheckName.SHARPNESS, status=status, detail=detail)


def test_of_several_pictures_the_worst_speaks() -> None:
    found = combined(
        CheckName.SHARPNESS,
        [
            ("front", said(Status.WARN, "Blurred.")),
            ("back", said(Status.PASS, "")),
            ("page", said(Status.WARN, "Dark.")),
        ],
    )
    assert (found.status, found.detail) == (Status.WARN, "front: Blurred. page: Dark.")
    assert combined(CheckName.SHARPNESS, [("front", said(Status.WARN, "Blurred."))]).detail == "Blurred."
    assert combined(CheckName.SHARPNESS, []).status is Status.NOT_RUN
