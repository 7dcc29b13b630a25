"""One finding about a document, and what findings recommend together."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from pydantic import BaseModel, ConfigDict

from app.document_checks import CheckName


class Status(StrEnum):
    PASS = "pass"  # noqa: S105 - an outcome, not a password
    FAIL = "fail"
    WARN = "warn"
    NOT_RUN = "not_run"


class Severity(StrEnum):
    """What a failure leads to. A failure that advises is shown and changes nothing."""

    ADVISE = "advise"
    REVIEW = "review"
    REJECT = "reject"


class Recommendation(StrEnum):
    ACCEPT = "accept"
    REVIEW = "review"
    REJECT = "reject"


class Check(BaseModel):
    """One finding. `detail` is a sentence for the underwriter that names fields and never their values.

    A check function says what it found; `severity` and `required` are the policy's, see `Policy.applied`.
    """

    model_config = ConfigDict(frozen=True)

    check: CheckName
    status: Status
    severity: Severity = Severity.REVIEW
    detail: str = ""
    required: bool = False


def passed(name: CheckName, detail: str = "") -> Check:
    return Check(check=name, status=Status.PASS, detail=detail)


def failed(name: CheckName, detail: str) -> Check:
    return Check(check=name, status=Status.FAIL, detail=detail)


def warned(name: CheckName, detail: str) -> Check:
    return Check(check=name, status=Status.WARN, detail=detail)


def not_run(name: CheckName, detail: str) -> Check:
    return Check(check=name, status=Status.NOT_RUN, detail=detail)


BADNESS = (Status.PASS, Status.NOT_RUN, Status.WARN, Status.FAIL)
"""The best first."""


def worst(statuses: Iterable[Status]) -> Status:
    """The worst of these; `not_run` when there are none."""
    return max(statuses, key=BADNESS.index, default=Status.NOT_RUN)


def combined(name: CheckName, found: Iterable[tuple[str, Check]]) -> Check:
    """One finding out of those of several pictures or cards, each with its kind: the worst of them counts.

    The detail says of which kinds it speaks, unless there is only one.
    """
    found = list(found)
    status = worst(check.status for _, check in found)
    details = [(kind, check.detail) for kind, check in found if check.status is status and check.detail]
    if not found:
        detail = "No picture was read."
    elif len(found) == 1:
        [detail] = [check.detail for _, check in found]
    elif status is Status.PASS:
        detail = ""
    else:
        detail = " ".join(f"{kind}: {said}" for kind, said in details)
    return Check(check=name, status=status, detail=detail)


def recommend(checks: Iterable[Check]) -> Recommendation:
    """Reject when a check that rejects has failed; accept only when nothing asks for a person's look."""
    counted = [check for check in checks if check.required or check.severity is not Severity.ADVISE]
    if any(check.status is Status.FAIL and check.severity is Severity.REJECT for check in counted):
        return Recommendation.REJECT
    if any(_asks_for_a_look(check) for check in counted):
        return Recommendation.REVIEW
    return Recommendation.ACCEPT


def _asks_for_a_look(check: Check) -> bool:
    return check.status in {Status.FAIL, Status.WARN} or (check.required and check.status is Status.NOT_RUN)
