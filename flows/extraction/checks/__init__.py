"""What can be said about a document without asking anybody: each check is a small pure function.

None of them detects a well-made fake or a photo of a screen, so a good outcome means that the document
checks passed, never that an identity is verified. A check's detail holds no personal data: it is shown in
dashboards and logs. What each means to a reader stands in docs/documents.md.
"""

from __future__ import annotations

from app.document_checks import CheckName
from flows.extraction.checks.application import (
    Duplicate,
    Registered,
    birth_date_matches_application,
    name_matches_application,
    same_elsewhere,
)
from flows.extraction.checks.check import (
    Check,
    Recommendation,
    Severity,
    Status,
    combined,
    not_run,
    recommend,
)
from flows.extraction.checks.comparisons import barcode_matches_print, cards_agree, mrz_matches_print
from flows.extraction.checks.dates import expired, issue_date, plausible_age, under_age, validity_span
from flows.extraction.checks.kinds import (
    card_of,
    complete,
    is_travel_document,
    missing_kinds,
    required_kinds,
    wanted_kind,
)
from flows.extraction.checks.numbers import number_format
from flows.extraction.checks.picture import (
    barcode_structure,
    edited,
    glare,
    issuer_matches_state,
    sharpness,
    specimen_words,
    trailing_bytes,
)
from flows.extraction.checks.policy import Policy
from flows.extraction.checks.zone import mrz_check_digits

PICTURE_CHECKS = (
    CheckName.SHARPNESS,
    CheckName.GLARE,
    CheckName.SPECIMEN_WORDS,
    CheckName.EDITED,
    CheckName.TRAILING_BYTES,
    CheckName.BARCODE_STRUCTURE,
    CheckName.ISSUER_MATCHES_STATE,
)
"""Those that need the picture, and so run where it is read. All others need the fields alone."""
BARCODE_CHECKS = (CheckName.BARCODE_STRUCTURE, CheckName.ISSUER_MATCHES_STATE)
"""Picture checks that one picture of a card can answer for it: the one that shows the barcode."""

__all__ = [
    "BARCODE_CHECKS",
    "PICTURE_CHECKS",
    "Check",
    "CheckName",
    "Duplicate",
    "Policy",
    "Recommendation",
    "Registered",
    "Severity",
    "Status",
    "barcode_matches_print",
    "barcode_structure",
    "birth_date_matches_application",
    "card_of",
    "cards_agree",
    "combined",
    "complete",
    "edited",
    "expired",
    "glare",
    "is_travel_document",
    "issue_date",
    "issuer_matches_state",
    "missing_kinds",
    "mrz_check_digits",
    "mrz_matches_print",
    "name_matches_application",
    "not_run",
    "number_format",
    "plausible_age",
    "recommend",
    "required_kinds",
    "same_elsewhere",
    "sharpness",
    "specimen_words",
    "trailing_bytes",
    "under_age",
    "validity_span",
    "wanted_kind",
]
