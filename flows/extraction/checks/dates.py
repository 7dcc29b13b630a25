"""What a card's dates say: exact, once they are read."""

from __future__ import annotations

from datetime import date, timedelta

from app.document_checks import CheckName
from flows.extraction.checks.check import Check, failed, not_run, passed, warned
from flows.extraction.fields import FieldName, Reading
from flows.extraction.normalise import state

OLDEST = 120
"""Years. Hardly anybody has lived longer; a rule of thumb."""
LONGEST_LICENSE = timedelta(days=round(12.1 * 365.25))
"""States issue for 4 to 8 years, a few for 12; a rule of thumb."""
LONGEST_TRAVEL_DOCUMENT = timedelta(days=round(10.8 * 365.25))
"""Passports and identity cards: ten years, and months carried over from the one before; a rule of thumb."""
_ISSUED_UNTIL_OLD_AGE = frozenset(("AZ",))
"""Arizona's standard licences run until the holder is 65 (Arizona Revised Statutes 28-3171)."""


def date_in(reading: Reading, name: FieldName) -> date | None:
    """The field's ISO date; None when it was not read or is none."""
    field = reading.get(name)
    try:
        return date.fromisoformat(field.value) if field else None
    except ValueError:
        return None


def expired(reading: Reading, today: date) -> Check:
    """Fails the day after the expiry date; the card is valid on the date itself."""
    expires = date_in(reading, FieldName.EXPIRATION_DATE)
    if expires is None:
        return not_run(CheckName.EXPIRED, "No expiry date was read.")
    if expires < today:
        return failed(CheckName.EXPIRED, "The document has expired.")
    return passed(CheckName.EXPIRED)


def under_age(reading: Reading, today: date, adult: int = 18) -> Check:
    """Fails below `adult` years on `today`. Somebody born on 29 February comes of age on 1 March."""
    born = date_in(reading, FieldName.DATE_OF_BIRTH)
    if born is None:
        return not_run(CheckName.UNDER_AGE, "No birth date was read.")
    if _years(born, today) < adult:
        return failed(CheckName.UNDER_AGE, f"The holder is younger than {adult}.")
    return passed(CheckName.UNDER_AGE)


def plausible_age(reading: Reading, today: date) -> Check:
    """Fails for somebody not born yet or older than `OLDEST` years."""
    born = date_in(reading, FieldName.DATE_OF_BIRTH)
    if born is None:
        return not_run(CheckName.PLAUSIBLE_AGE, "No birth date was read.")
    if born > today:
        return failed(CheckName.PLAUSIBLE_AGE, "The birth date lies in the future.")
    if _years(born, today) > OLDEST:
        return failed(CheckName.PLAUSIBLE_AGE, f"By the birth date the holder is older than {OLDEST} years.")
    return passed(CheckName.PLAUSIBLE_AGE)


def issue_date(reading: Reading, today: date) -> Check:
    """Fails for a card issued after today, before its holder was born, or after it ran out."""
    issued = date_in(reading, FieldName.DATE_OF_ISSUE)
    if issued is None:
        return not_run(CheckName.ISSUE_DATE, "No issue date was read.")
    born = date_in(reading, FieldName.DATE_OF_BIRTH)
    expires = date_in(reading, FieldName.EXPIRATION_DATE)
    if issued > today:
        return failed(CheckName.ISSUE_DATE, "The issue date lies in the future.")
    if born is not None and issued < born:
        return failed(CheckName.ISSUE_DATE, "The issue date lies before the birth date.")
    if expires is not None and expires <= issued:
        return failed(CheckName.ISSUE_DATE, "The expiry date does not lie after the issue date.")
    return passed(CheckName.ISSUE_DATE)


def validity_span(reading: Reading, *, travel_document: bool = False) -> Check:
    """Warns when the card is valid for longer than its kind is issued for."""
    issued = date_in(reading, FieldName.DATE_OF_ISSUE)
    expires = date_in(reading, FieldName.EXPIRATION_DATE)
    if issued is None or expires is None:
        return not_run(CheckName.VALIDITY_SPAN, "Issue and expiry date were not both read.")
    if not travel_document and issuing_state(reading) in _ISSUED_UNTIL_OLD_AGE:
        return passed(CheckName.VALIDITY_SPAN)
    if expires - issued > (LONGEST_TRAVEL_DOCUMENT if travel_document else LONGEST_LICENSE):
        detail = "The document is valid for longer than such documents are issued for."
        return warned(CheckName.VALIDITY_SPAN, detail)
    return passed(CheckName.VALIDITY_SPAN)


def issuing_state(reading: Reading) -> str:
    """Two letters: the state printed as the issuer, else the address's; empty when neither was read."""
    for name in (FieldName.STATE_NAME, FieldName.STATE_IN_ADDRESS):
        if name in reading and (code := state(reading[name].value)):
            return code
    return ""


def _years(born: date, today: date) -> int:
    return today.year - born.year - ((today.month, today.day) < (born.month, born.day))
