"""Keep what became of a document, and assess its application anew, in one transaction.

The transaction holds the application's lock from its beginning. So of two documents that are finished at the
same moment the second one's assessment is made of both, and both agree on which of them was last. Only the
fingerprints are committed before it: app/fingerprints.py says why.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy.ext.asyncio import AsyncSession

from app import applications, assessments, fingerprints
from app.assessments import Material
from app.encryption import DigestKeys, Keyring
from app.fingerprints import Print
from app.models import Document
from flows import document_emails
from flows.context import Context
from flows.extraction import checks, fields
from flows.extraction.assessment import Assessment, DocumentRead, assess
from flows.extraction.checks import Check, Duplicate, Policy, Registered
from flows.extraction.fields import FieldName
from flows.reader import Reading, Refusal

_FIELDS: TypeAdapter[fields.Reading] = TypeAdapter(fields.Reading)
_CHECKS: TypeAdapter[tuple[Check, ...]] = TypeAdapter(tuple[Check, ...])


@dataclass(frozen=True)
class Assessed:
    """The application's new assessment, and whether it was made of all that the application needs."""

    assessment: Assessment
    complete: bool


async def record_reading(context: Context, document: Document, reading: Reading) -> Assessed:
    """Keep what was read, in place of what an earlier run has read. Raises NotFound and Purged."""
    keyring, keys = _keys(context)
    prints = _prints_of_pictures(keys, reading) + _prints_of_person(keys, reading.fields)
    if keys is not None:
        async with context.sessions.begin() as session:
            await fingerprints.record(session, keys, document.id, prints)
    async with context.sessions.begin() as session:
        complete = await applications.record_extraction(
            session,
            keyring,
            document.id,
            fields=reading.fields,
            checks=reading.checks,
            recommendation=reading.recommendation,
            engine=reading.engine,
            shows=_required_shown(document, reading),
        )
        await document_emails.note_read(session, context.settings.mail, document)
        return Assessed(await _assess(session, context, document.application_id, prints), complete)


async def record_refusal(context: Context, document: Document, refusal: Refusal) -> Assessed:
    """Keep why there is nothing to read; a person looks. Raises NotFound and Purged."""
    async with context.sessions.begin() as session:
        complete = await applications.record_unreadable(
            session, document.id, status=refusal.status, reason=refusal.reason
        )
        await document_emails.note_refused(
            session, context.settings.mail, document, ask_again=refusal.ask_again
        )
        return Assessed(await _assess(session, context, document.application_id, ()), complete)


async def _assess(
    session: AsyncSession, context: Context, application_id: str, prints: Iterable[Print]
) -> Assessment:
    keyring, keys = _keys(context)
    materials = await assessments.materials(session, keyring, application_id)
    people = [one for material in materials.documents for one in _prints_of_person(keys, material.fields)]
    settings, applicant, now = context.settings, materials.applicant, datetime.now(UTC)
    duplicates = None
    if keys is not None:
        since = now - timedelta(days=settings.fingerprint.images_days)
        duplicates = await _duplicates(session, application_id, [*prints, *people], since)
    assessment = assess(
        [_document(material) for material in materials.documents],
        required=materials.required,
        registered=None if applicant is None else Registered(applicant.name, applicant.date_of_birth),
        duplicates=duplicates,
        policy=Policy.of(settings.checks),
        today=now.date(),
    )
    content = assessment.model_dump(mode="json")
    await assessments.store(
        session,
        keyring,
        application_id,
        fields=content["fields"],
        checks=content["checks"],
        recommendation=content["recommendation"],
        missing=content["missing"],
        documents=[material.document_id for material in materials.documents],
    )
    return assessment


async def _duplicates(
    session: AsyncSession, application_id: str, prints: Sequence[Print], images_since: datetime
) -> list[Duplicate]:
    found = await fingerprints.matches(session, application_id, prints, images_since=images_since)
    ordered = sorted(found, key=lambda match: (match.what, match.application_id))
    return [Duplicate(match.what.value, match.application_id) for match in ordered]


def _keys(context: Context) -> tuple[Keyring, DigestKeys | None]:
    keys = context.settings.fingerprint.keys
    return Keyring(context.settings.encryption.keys), DigestKeys(keys) if keys else None


def _document(material: Material) -> DocumentRead:
    return DocumentRead(
        kind=material.kind,
        fields=_FIELDS.validate_python(material.fields),
        checks=_CHECKS.validate_python(material.checks),
    )


def _required_shown(document: Document, reading: Reading) -> set[str]:
    """Required kinds that this one document stands for."""
    read = _FIELDS.validate_python(reading.fields)
    return set(document.requires) - set(checks.missing_kinds(document.requires, [(document.kind, read)]))


def _prints_of_pictures(keys: DigestKeys | None, reading: Reading) -> list[Print]:
    if keys is None:
        return []
    images = (fingerprints.of_image(bytes.fromhex(one)) for one in reading.image_hashes)
    file = fingerprints.of_file(keys, bytes.fromhex(reading.sha256))
    return [*file, *(one for image in images for one in image)]


def _prints_of_person(keys: DigestKeys | None, read: Mapping[str, Any]) -> list[Print]:
    number, born = read.get(FieldName.DOCUMENT_NUMBER), read.get(FieldName.DATE_OF_BIRTH)
    if keys is None or number is None or born is None:
        return []
    return fingerprints.of_person(keys, number["value"], born["value"])
