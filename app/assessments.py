"""The assessment of an application: what it is made of, and the latest one, its fields encrypted.

How it is made is the flows' business (flows/assessing.py), in a transaction that holds the application's
lock: so of two documents that are read at the same moment, the later one finds what the earlier one left.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app import applications
from app.applications import Applicant
from app.encryption import Keyring
from app.models import Application, Assessment, Document, DocumentStatus, Extraction


@dataclass(frozen=True)
class Material:
    """A document that was read: its fields in clear, and the checks of its picture."""

    document_id: uuid.UUID
    kind: str
    fields: dict[str, Any]
    checks: list[dict[str, Any]]


@dataclass(frozen=True)
class Materials:
    """What an assessment is made of."""

    documents: tuple[Material, ...]
    """In the order in which they arrived; no superseded one, and none whose content was purged."""
    required: tuple[str, ...]
    """Kinds."""
    applicant: Applicant | None
    """As the loan app registered it."""


async def materials(session: AsyncSession, keyring: Keyring, application_id: str) -> Materials:
    """All that is known of the application now. Raises NotFound, Purged and DecryptionFailed."""
    application = await session.get(Application, application_id)
    if application is None:
        raise applications.unknown(application_id)
    applications.check_kept(application)
    of_application = Document.application_id == application_id
    documents = (await session.scalars(select(Document).where(of_application).order_by(Document.id))).all()
    read = (
        select(Document, Extraction)
        .join(Extraction, Extraction.document_id == Document.id)
        .where(of_application, Document.status == DocumentStatus.VERIFIED)
        .order_by(Document.id)
    )
    return Materials(
        documents=tuple(
            Material(
                document.id,
                document.kind,
                applications.extracted_fields(keyring, extraction),
                extraction.checks,
            )
            for document, extraction in await session.execute(read)
        ),
        required=tuple(applications.required_kinds(documents)),
        applicant=applications.applicant_of(keyring, application),
    )


async def store(
    session: AsyncSession,
    keyring: Keyring,
    application_id: str,
    *,
    fields: Mapping[str, Any],
    checks: Sequence[Mapping[str, Any]],
    recommendation: str,
    missing: Sequence[str],
    documents: Sequence[uuid.UUID],
) -> None:
    """Keep the application's assessment in place of the one before. The caller has locked the application."""
    application = select(Application.applicant_version).where(Application.id == application_id)
    values = {
        "fields": keyring.encrypt_json(dict(fields), context=_context(application_id)),
        "checks": [dict(check) for check in checks],
        "recommendation": recommendation,
        "missing": list(missing),
        "documents": list(documents),
        "applicant_version": application.scalar_subquery(),
        "made_at": func.now(),
    }
    await session.execute(
        insert(Assessment)
        .values(application_id=application_id, **values)
        .on_conflict_do_update(index_elements=["application_id"], set_=values)
    )


async def of(session: AsyncSession, application_id: str) -> Assessment | None:
    """The application's assessment, if a document of it was read or found unreadable."""
    return await session.get(Assessment, application_id, populate_existing=True)


def assessed_fields(keyring: Keyring, assessment: Assessment) -> dict[str, Any]:
    """The assessment's fields in clear, by field type. Raises DecryptionFailed."""
    fields: dict[str, Any] = keyring.decrypt_json(
        assessment.fields, context=_context(assessment.application_id)
    )
    return fields


def _context(application_id: str) -> str:
    return f"assessment:{application_id}"
