"""What can be said about a document without asking anybody: each check is a small pure function.

None of them detects a well-made fake or a photo of a screen, so a good outcome means that the document
checks passed, never that an identity is verified. A check's detail holds no personal data: it is shown in
dashboards and logs.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date
from enum import StrEnum

from pydantic import BaseModel, ConfigDict

from flows.extraction.fields import CORE, FieldName, Reading

ADULT = 18
"""Years; the age at which a loan contract binds in most states."""
LEAST_SHARPNESS = 100.0
"""Variance of the Laplacian at 1,000 pixels: clean about 1,600, a phone's photo 255, unreadable below 100."""
LEAST_CONFIDENCE = 80.0
"""Of 100; a core field below this should be read by a person."""


class Status(StrEnum):
    PASS = "pass"  # noqa: S105 - an outcome, not a password
    FAIL = "fail"
    WARN = "warn"
    NOT_RUN = "not_run"


class Severity(StrEnum):
    """What a failure leads to."""

    REVIEW = "review"
    REJECT = "reject"


class Recommendation(StrEnum):
    ACCEPT = "accept"
    REVIEW = "review"
    REJECT = "reject"


class Check(BaseModel):
    """One finding. `required` checks that did not run keep a document from being accepted."""

    model_config = ConfigDict(frozen=True)

    check: str
    status: Status
    severity: Severity = Severity.REVIEW
    detail: str = ""
    required: bool = True


def expired(reading: Reading, today: date) -> Check:
    """Fails the day after the expiry date; the card is valid on the date itself."""
    expires = _date(reading, FieldName.EXPIRATION_DATE)
    if expires is None:
        return Check(
            check="expired",
            status=Status.NOT_RUN,
            severity=Severity.REJECT,
            detail="No expiry date was read.",
        )
    if expires < today:
        return Check(
            check="expired", status=Status.FAIL, severity=Severity.REJECT, detail="The document has expired."
        )
    return Check(check="expired", status=Status.PASS, severity=Severity.REJECT)


def under_age(reading: Reading, today: date, adult: int = ADULT) -> Check:
    """Fails below `adult` years on `today`. Somebody born on 29 February comes of age on 1 March."""
    born = _date(reading, FieldName.DATE_OF_BIRTH)
    if born is None:
        return Check(
            check="under_age",
            status=Status.NOT_RUN,
            severity=Severity.REJECT,
            detail="No birth date was read.",
        )
    years = today.year - born.year - ((today.month, today.day) < (born.month, born.day))
    if years < adult:
        detail = f"The holder is younger than {adult}."
        return Check(check="under_age", status=Status.FAIL, severity=Severity.REJECT, detail=detail)
    return Check(check="under_age", status=Status.PASS, severity=Severity.REJECT)


def complete(reading: Reading) -> Check:
    """Whether every core field was read, and with confidence enough to be shown without a second look."""
    missing = [name for name in CORE if name not in reading]
    if missing:
        return Check(check="complete", status=Status.FAIL, detail=f"Not read: {', '.join(missing)}.")
    unsure = [name for name in CORE if reading[name].confidence < LEAST_CONFIDENCE]
    if unsure:
        return Check(check="complete", status=Status.WARN, detail=f"Hard to read: {', '.join(unsure)}.")
    return Check(check="complete", status=Status.PASS)


_COMPARED = (
    FieldName.LAST_NAME,
    FieldName.FIRST_NAME,
    FieldName.DATE_OF_BIRTH,
    FieldName.DOCUMENT_NUMBER,
    FieldName.EXPIRATION_DATE,
    FieldName.DATE_OF_ISSUE,
    FieldName.ZIP_CODE_IN_ADDRESS,
    FieldName.SEX,
)
_NAMES = frozenset((FieldName.LAST_NAME, FieldName.FIRST_NAME))
_LEAST_COMPARED = 3
"""Fewer fields on both sides prove nothing about the card."""


def barcode_matches_print(barcode: Reading, printed: Reading) -> Check:
    """The strongest signal there is offline: a forger changes the print and leaves the barcode.

    Names are compared without spaces and one edit is allowed, for text recognition's sake; everything else
    must be equal.
    """
    shared = [name for name in _COMPARED if name in barcode and name in printed]
    if len(shared) < _LEAST_COMPARED:
        side = "barcode" if not barcode else "printed side"
        detail = f"The {side} could not be read, so the two could not be compared."
        return Check(check="barcode_matches_print", status=Status.NOT_RUN, detail=detail)
    different = [name for name in shared if not _same(name, barcode[name].value, printed[name].value)]
    if different:
        detail = f"Barcode and print differ in: {', '.join(different)}."
        return Check(check="barcode_matches_print", status=Status.FAIL, detail=detail)
    return Check(
        check="barcode_matches_print",
        status=Status.PASS,
        detail=f"{len(shared)} fields of barcode and print agree.",
    )


def sharpness(variance: float) -> Check:
    """Whether the photo is sharp enough to be trusted; advice to take a new one, not evidence of anything."""
    if variance < LEAST_SHARPNESS:
        return Check(check="sharpness", status=Status.WARN, detail="The picture is blurred.", required=False)
    return Check(check="sharpness", status=Status.PASS, required=False)


def specimen_words(lines: Iterable[str]) -> Check:
    """Words no genuine card bears."""
    marked = any(re.search(r"SPECIMEN|\bSAMPLE\b|NOT\s*A?\s*VALID|\bVOID\b", line.upper()) for line in lines)
    if marked:
        detail = "The document is marked as a specimen, a sample or void."
        return Check(check="specimen_words", status=Status.WARN, detail=detail, required=False)
    return Check(check="specimen_words", status=Status.PASS, required=False)


def recommend(checks: Iterable[Check]) -> Recommendation:
    """Reject when a check that rejects has failed; accept only when nothing asks for a person's look."""
    checks = list(checks)
    failed = {check.severity for check in checks if check.status is Status.FAIL}
    if Severity.REJECT in failed:
        return Recommendation.REJECT
    if failed or any(check.status is Status.WARN for check in checks):
        return Recommendation.REVIEW
    if any(check.required and check.status is Status.NOT_RUN for check in checks):
        return Recommendation.REVIEW
    return Recommendation.ACCEPT


def _date(reading: Reading, name: FieldName) -> date | None:
    field = reading.get(name)
    return date.fromisoformat(field.value) if field else None


def _same(name: FieldName, barcode: str, printed: str) -> bool:
    if name in _NAMES:
        return within_one_edit(re.sub(r"[\s'-]", "", barcode), re.sub(r"[\s'-]", "", printed))
    if name is FieldName.ZIP_CODE_IN_ADDRESS:
        return barcode[:5] == printed[:5]
    return barcode == printed


def within_one_edit(left: str, right: str) -> bool:
    """Whether one character added, removed or replaced makes the two equal."""
    if len(left) > len(right):
        left, right = right, left
    if len(right) - len(left) > 1:
        return False
    for i, (a, b) in enumerate(zip(left, right, strict=False)):
        if a != b:
            return left[i + 1 :] == right[i + 1 :] if len(left) == len(right) else left[i:] == right[i + 1 :]
    return True
