"""What an email tells the applicant, before it is put into words."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import StrEnum


class Template(StrEnum):
    """The emails there are. Each has a template for HTML and one for text, named after it."""

    DOCUMENTS_RECEIVED = "documents_received"
    DOCUMENT_UNREADABLE = "document_unreadable"
    APPROVED = "approved"
    DENIED = "denied"
    MORE_INFORMATION_NEEDED = "more_information_needed"


@dataclass(frozen=True)
class Notice:
    """One email's facts. A template may use all of them; those it does not need are empty."""

    template: Template
    application_id: str
    name: str
    """The applicant's: the only personal data in an email. No document number and no birth date is."""
    reasons: tuple[str, ...] = ()
    """Of a denial, codes of `regulation_b.PrincipalReason` or own text; else what is still needed."""
    conditions: tuple[str, ...] = ()
    """What an approval is subject to."""
    answer_by: date | None = None
    """The last day for what is still needed; None where none was set."""
    document: str = ""
    """The kind of the document that could not be read, such as `license-front`."""
    problem: str = ""
    """Why it could not be, in sentences for the applicant."""


_IN_WORDS = {
    "license-front": "the front of your driver's license or ID card",
    "license-back": "the back of your driver's license or ID card",
    "license": "your driver's license or ID card",
    "passport": "your passport",
}


def in_words(kind: str) -> str:
    """What a document is called in a sentence. Kinds are the loan app's own, so some are unknown here."""
    return _IN_WORDS.get(kind, "your document")
