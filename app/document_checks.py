"""The names of the document checks, and what follows from each unless the settings say otherwise.

The flows run the checks (`flows.extraction.checks`); the names stand here so that a setting that names a
check nobody runs is refused at the start. What each looks at: docs/documents.md.
"""

from __future__ import annotations

from enum import StrEnum


class CheckName(StrEnum):
    # Of each picture:
    SHARPNESS = "sharpness"
    GLARE = "glare"
    SPECIMEN_WORDS = "specimen_words"
    EDITED = "edited"
    TRAILING_BYTES = "trailing_bytes"
    BARCODE_STRUCTURE = "barcode_structure"
    ISSUER_MATCHES_STATE = "issuer_matches_state"
    WANTED_KIND = "wanted_kind"
    # Of each card, which may have two pictures:
    COMPLETE = "complete"
    EXPIRED = "expired"
    UNDER_AGE = "under_age"
    PLAUSIBLE_AGE = "plausible_age"
    ISSUE_DATE = "issue_date"
    VALIDITY_SPAN = "validity_span"
    BARCODE_MATCHES_PRINT = "barcode_matches_print"
    MRZ_MATCHES_PRINT = "mrz_matches_print"
    MRZ_CHECK_DIGITS = "mrz_check_digits"
    NUMBER_FORMAT = "number_format"
    # Of the application:
    CARDS_AGREE = "cards_agree"
    REQUIRED_KINDS = "required_kinds"
    NAME_MATCHES_APPLICATION = "name_matches_application"
    BIRTH_DATE_MATCHES_APPLICATION = "birth_date_matches_application"
    SAME_FILE = "same_file"
    SAME_IMAGE = "same_image"
    SAME_PERSON = "same_person"


REJECT = (CheckName.EXPIRED, CheckName.UNDER_AGE)
"""A failure of these recommends to reject. Both are facts of the card that no second look changes."""

ADVISE = (CheckName.BARCODE_STRUCTURE,)
"""These never change the recommendation. Many genuine barcodes state wrong offsets and lengths."""

REQUIRED = (
    CheckName.COMPLETE,
    CheckName.EXPIRED,
    CheckName.UNDER_AGE,
    CheckName.BARCODE_MATCHES_PRINT,
    CheckName.MRZ_MATCHES_PRINT,
    CheckName.MRZ_CHECK_DIGITS,
    CheckName.CARDS_AGREE,
    CheckName.REQUIRED_KINDS,
    CheckName.NAME_MATCHES_APPLICATION,
    CheckName.SAME_FILE,
    CheckName.SAME_IMAGE,
    CheckName.SAME_PERSON,
)
"""Nothing is accepted unless these ran and passed, where they apply."""
