"""Every email to a person who does not exist: for the preview, and to try a lender's own templates."""

from __future__ import annotations

from datetime import date

from app.mail.notices import Notice, Template
from app.regulation_b import PrincipalReason

_ID, _NAME = "A-1001", "Ada Specimen"

SAMPLES: dict[str, Notice] = {
    "documents_received": Notice(Template.DOCUMENTS_RECEIVED, _ID, _NAME),
    "document_unreadable": Notice(
        Template.DOCUMENT_UNREADABLE,
        _ID,
        _NAME,
        document="license-front",
        problem="The photo is too blurred to read; take it again in better light.",
    ),
    "approved": Notice(Template.APPROVED, _ID, _NAME),
    "approved-with-conditions": Notice(
        Template.APPROVED, _ID, _NAME, conditions=("Proof of income for the last two months", "A co-signer")
    ),
    "denied": Notice(
        Template.DENIED,
        _ID,
        _NAME,
        reasons=(
            PrincipalReason.INCOME_NOT_VERIFIED,
            PrincipalReason.EXCESSIVE_OBLIGATIONS,
            "The document has expired",
        ),
    ),
    "denied-without-reasons": Notice(Template.DENIED, _ID, _NAME),
    "more_information_needed": Notice(
        Template.MORE_INFORMATION_NEEDED,
        _ID,
        _NAME,
        reasons=("A picture of the back of your driver's license", "Your last two pay stubs"),
    ),
    "more_information_needed-by-a-day": Notice(
        Template.MORE_INFORMATION_NEEDED,
        _ID,
        _NAME,
        reasons=("A picture of the back of your driver's license",),
        answer_by=date(2027, 1, 4),
    ),
}
"""By a name that begins with its template's."""
