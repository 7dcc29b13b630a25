"""Whether a licence's number looks like one of its state."""

from __future__ import annotations

import re

from app.document_checks import CheckName
from flows.extraction.checks.check import Check, not_run, passed, warned
from flows.extraction.checks.dates import issuing_state
from flows.extraction.fields import FieldName, Reading

_FORMATS = {
    "AK": r"\d{1,7}",
    "AL": r"\d{1,8}",
    "AZ": r"[A-Z]\d{8}|\d{9}",
    "CA": r"[A-Z]\d{7}",
    "CT": r"\d{9}",
    "DE": r"\d{1,7}",
    "FL": r"[A-Z]\d{12}",
    "GA": r"\d{7,9}",
    "IL": r"[A-Z]\d{11,12}",
    "KY": r"[A-Z]\d{8,9}|\d{9}",
    "LA": r"\d{1,9}",
    "MD": r"[A-Z]\d{12}|MD\d{11}",
    "MI": r"[A-Z]\d{10}|[A-Z]\d{12}",
    "MN": r"[A-Z]\d{12}",
    "MS": r"\d{9}",
    "NC": r"\d{1,12}",
    "NJ": r"[A-Z]\d{14}",
    "NM": r"\d{8,9}",
    "NY": r"[A-Z]\d{7}|[A-Z]\d{18}|\d{8,9}|\d{16}|[A-Z]{8}",
    "OH": r"[A-Z]\d{4,8}|[A-Z]{2}\d{3,7}|\d{8}",
    "OK": r"[A-Z]\d{9}|\d{9}",
    "PA": r"\d{8}",
    "SC": r"\d{5,11}",
    "TN": r"\d{7,9}",
    "TX": r"\d{7,8}",
    "UT": r"\d{4,10}",
    "VA": r"[A-Z]\d{8,11}|\d{9}",
    "WI": r"[A-Z]\d{13}",
    # Provinces, whose numbers are made of the name's first letter and digits:
    "ON": r"[A-Z]\d{14}",
    "QC": r"[A-Z]\d{12}",
}
"""Source: "State Driver's License Formats" of the National Traffic Safety Institute (ntsi.com), read November
2026, and Maryland's newer numbers, which begin with MD. States whose formats other lists give differently are
left out; formats change, so that a departure is a reason to look and no more."""


def number_format(reading: Reading) -> Check:
    """Warns when the number has another shape than its state's; not run where that is not known for sure."""
    state = issuing_state(reading)
    if FieldName.DOCUMENT_NUMBER not in reading or state not in _FORMATS:
        return not_run(CheckName.NUMBER_FORMAT, "No number was read, or its state's format is not known.")
    if re.fullmatch(_FORMATS[state], reading[FieldName.DOCUMENT_NUMBER].value):
        return passed(CheckName.NUMBER_FORMAT)
    return warned(CheckName.NUMBER_FORMAT, "The number does not look like one of its state.")
