"""What was read against what is known of the application: who registered, and what others have uploaded."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from typing import Literal

from app.document_checks import CheckName
from flows.extraction.checks.check import Check, Status, failed, not_run, passed, warned
from flows.extraction.checks.dates import date_in
from flows.extraction.checks.registered_name import compared, words_of
from flows.extraction.fields import FieldName, Reading

_SHOWN_APPLICATIONS = 3


@dataclass(frozen=True)
class Registered:
    """Whom the application was registered for. The name is one string, as it was typed."""

    name: str
    date_of_birth: date | None = None


@dataclass(frozen=True)
class Duplicate:
    """Another application with the same file, nearly the same image, or the same person and number."""

    what: Literal["file", "image", "person"]
    application_id: str


def name_matches_application(reading: Reading, registered: Registered | None) -> Check:
    """The name on the document against the registered one, word by word, in any order.

    Case, accents, apostrophes, hyphens, spaces, titles and generations do not count. Middle names are
    optional on both sides, and an initial stands for a middle name. It fails when nothing of the family name
    or of the given names is there. It warns of one slip in a name of five letters or more, of part of a
    family name, of an initial or a middle name in place of the first, and of two different middle names.
    """
    check = CheckName.NAME_MATCHES_APPLICATION
    if registered is None:
        return not_run(check, "Nobody has registered for this application yet.")
    family, first, middle = (
        reading[name].value if name in reading else ""
        for name in (FieldName.LAST_NAME, FieldName.FIRST_NAME, FieldName.MIDDLE_NAME)
    )
    if not family or not first:
        return not_run(check, "First and last name were not both read.")
    if not all(words_of(name) for name in (registered.name, family, first)):
        return not_run(check, "One of the names is not written in Latin letters.")
    family_status, given_status = compared(registered.name, family=family, first=first, middle=middle)
    parts = {"family name": family_status, "given names": given_status}
    different = [part for part, status in parts.items() if status is Status.FAIL]
    if different:
        return failed(check, f"Other than registered: {', '.join(different)}.")
    nearly = [part for part, status in parts.items() if status is Status.WARN]
    if nearly:
        return warned(check, f"Not quite as registered: {', '.join(nearly)}.")
    return passed(check)


def birth_date_matches_application(reading: Reading, registered: Registered | None) -> Check:
    """Fails when the applicant registered another date of birth."""
    check = CheckName.BIRTH_DATE_MATCHES_APPLICATION
    born = date_in(reading, FieldName.DATE_OF_BIRTH)
    if registered is None or registered.date_of_birth is None:
        return not_run(check, "No date of birth was registered.")
    if born is None:
        return not_run(check, "No birth date was read.")
    if born != registered.date_of_birth:
        return failed(check, "The birth date is another than the registered one.")
    return passed(check)


_SAME = {
    CheckName.SAME_FILE: ("file", "The same file was uploaded"),
    CheckName.SAME_IMAGE: ("image", "The same picture was uploaded"),
    CheckName.SAME_PERSON: ("person", "A document of the same person or number was read"),
}


def same_elsewhere(check: CheckName, duplicates: Collection[Duplicate] | None) -> Check:
    """Fails when another application has the same file, image or person: `same_file` and its like.

    None for duplicates: nobody has looked. A new photo of the same card is another image and the same person.
    """
    what, sentence = _SAME[check]
    if duplicates is None:
        return not_run(check, "Other applications were not searched.")
    others = sorted({other.application_id for other in duplicates if other.what == what})
    if not others:
        return passed(check)
    shown = ", ".join(others[:_SHOWN_APPLICATIONS])
    more = f" and {len(others) - _SHOWN_APPLICATIONS} more" if len(others) > _SHOWN_APPLICATIONS else ""
    return failed(check, f"{sentence} for {shown}{more}.")
