"""The principal reasons for a denial that Regulation B's sample form offers.

Source: 12 CFR Part 1002, Appendix C, form C-1, part I. Its last line, "Other, specify", is own text here.
"""

from __future__ import annotations

import re
from enum import StrEnum

MOST_REASONS = 4
"""More "is not likely to be helpful to the applicant" (official interpretation of 12 CFR 1002.9(b)(2), 1)."""

OWN_TEXT = r"[^a-z0-9_]"
"""What own text holds somewhere and a code never does, so that a mistyped code is not taken for own text."""


class PrincipalReason(StrEnum):
    """A code, and as `text` the form's words for it."""

    text: str

    def __new__(cls, code: str, text: str) -> PrincipalReason:
        member = str.__new__(cls, code)
        member._value_ = code
        member.text = text
        return member

    APPLICATION_INCOMPLETE = "application_incomplete", "Credit application incomplete"
    TOO_FEW_REFERENCES = "too_few_references", "Insufficient number of credit references provided"
    UNACCEPTABLE_REFERENCES = "unacceptable_references", "Unacceptable type of credit references provided"
    REFERENCES_NOT_VERIFIED = "references_not_verified", "Unable to verify credit references"
    IRREGULAR_EMPLOYMENT = "irregular_employment", "Temporary or irregular employment"
    EMPLOYMENT_NOT_VERIFIED = "employment_not_verified", "Unable to verify employment"
    LENGTH_OF_EMPLOYMENT = "length_of_employment", "Length of employment"
    INCOME_INSUFFICIENT = "income_insufficient", "Income insufficient for amount of credit requested"
    EXCESSIVE_OBLIGATIONS = "excessive_obligations", "Excessive obligations in relation to income"
    INCOME_NOT_VERIFIED = "income_not_verified", "Unable to verify income"
    LENGTH_OF_RESIDENCE = "length_of_residence", "Length of residence"
    TEMPORARY_RESIDENCE = "temporary_residence", "Temporary residence"
    RESIDENCE_NOT_VERIFIED = "residence_not_verified", "Unable to verify residence"
    NO_CREDIT_FILE = "no_credit_file", "No credit file"
    LIMITED_CREDIT_EXPERIENCE = "limited_credit_experience", "Limited credit experience"
    POOR_PERFORMANCE_WITH_US = "poor_performance_with_us", "Poor credit performance with us"
    DELINQUENT_WITH_OTHERS = (
        "delinquent_with_others",
        "Delinquent past or present credit obligations with others",
    )
    COLLECTION_OR_JUDGMENT = "collection_or_judgment", "Collection action or judgment"
    GARNISHMENT_OR_ATTACHMENT = "garnishment_or_attachment", "Garnishment or attachment"
    FORECLOSURE_OR_REPOSSESSION = "foreclosure_or_repossession", "Foreclosure or repossession"
    BANKRUPTCY = "bankruptcy", "Bankruptcy"
    RECENT_INQUIRIES = "recent_inquiries", "Number of recent inquiries on credit bureau report"
    COLLATERAL_NOT_SUFFICIENT = "collateral_not_sufficient", "Value or type of collateral not sufficient"


_WORDS = {reason.value: reason.text for reason in PrincipalReason}


def is_reason(value: str) -> bool:
    """Whether `value` is one of the codes, or own text."""
    return value in _WORDS or re.search(OWN_TEXT, value) is not None


def words(reason: str) -> str:
    """What the applicant is told: a code's words on the form, or own text as it is."""
    return _WORDS.get(reason, reason)
