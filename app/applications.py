"""Loan applications and their documents: registration, what was read, legal status changes.

Every function works in the caller's transaction and locks the application before its documents, so
that two documents finished at the same moment agree on which of them was last.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app import audit
from app.changes import application_changed
from app.db import Direct, insert_many
from app.encryption import Keyring
from app.errors import Conflict, NotFound, Purged
from app.models import (
    APPLICATION_MOVES,
    Application,
    ApplicationStatus,
    DecisionOutcome,
    Document,
    DocumentStatus,
    Extraction,
)

_BEING_READ = (DocumentStatus.RECEIVED, DocumentStatus.VERIFYING)
_FINAL = {
    DecisionOutcome.APPROVED: ApplicationStatus.APPROVED,
    DecisionOutcome.DENIED: ApplicationStatus.DENIED,
}


@dataclass(frozen=True)
class Applicant:
    """Who applies. Stored encrypted; never logged, never given to Prefect."""

    name: str
    email: str
    date_of_birth: date | None = None

    def is_same_person(self, other: Applicant) -> bool:
        """Whether documents are held against the same for both."""
        return (self.name, self.date_of_birth) == (other.name, other.date_of_birth)


async def register(
    session: AsyncSession, keyring: Keyring, application_id: str, applicant: Applicant
) -> tuple[Application, bool]:
    """Create the application, or replace its applicant; returns it and whether it is new."""
    created = await _ensure(session, application_id)
    application = await lock(session, application_id)
    known = applicant_of(keyring, application)
    if known is None or not known.is_same_person(applicant):
        application.applicant_version += 1
    if known != applicant:
        content = {**asdict(applicant), "date_of_birth": _iso(applicant.date_of_birth)}
        application.applicant = keyring.encrypt_json(content, context=_applicant_context(application_id))
        action = "application.registered" if created else "application.updated"
        audit.record(session, actor="loan-app", action=action, subject=f"application:{application_id}")
        await application_changed(session, application_id)
        await session.refresh(application)
    return application, created


def applicant_of(keyring: Keyring, application: Application) -> Applicant | None:
    """The applicant in clear, or None while the loan app has not registered one."""
    if application.applicant is None:
        return None
    content = keyring.decrypt_json(application.applicant, context=_applicant_context(application.id))
    born = content["date_of_birth"]
    return Applicant(content["name"], content["email"], date.fromisoformat(born) if born else None)


async def lock(session: AsyncSession, application_id: str) -> Application:
    """The application's row, held until the transaction ends. Raises NotFound, and Purged once it was."""
    application = await session.get(Application, application_id, with_for_update=True, populate_existing=True)
    if application is None:
        raise unknown(application_id)
    check_kept(application)
    return application


def check_kept(application: Application) -> None:
    """Raises Purged when what the application held was removed."""
    if application.purged_at is not None:
        raise Purged(
            f"Application {application.id} was removed for good on {application.purged_at:%Y-%m-%d}. "
            "Nothing can be done with it any more; a new application needs an id of its own."
        )


def unknown(application_id: str) -> NotFound:
    """The error for an application nobody registered, saying what to do."""
    path = f"/v1/applications/{application_id}"
    return NotFound(f"There is no application {application_id}. Register it with PUT {path} first.")


async def lock_document(session: AsyncSession, document_id: uuid.UUID) -> tuple[Document, Application]:
    """The document and its application, held until the transaction ends.

    Raises NotFound; and Purged when the application was purged, or the picture of the document was.
    """
    application_id = await session.scalar(select(Document.application_id).where(Document.id == document_id))
    if application_id is None:
        raise NotFound(f"There is no document {document_id}.")
    application = await lock(session, application_id)
    document = await session.get_one(Document, document_id, with_for_update=True, populate_existing=True)
    if document.purged_at is not None:
        raise Purged(
            f"The picture of document {document_id} was removed for good on {document.purged_at:%Y-%m-%d}, "
            "with all that was read from it. It cannot be read again."
        )
    return document, application


async def ensure_and_lock(session: AsyncSession, application_ids: Collection[str]) -> set[str]:
    """Make the applications that are not there, and hold the rows of all until the transaction ends.

    Returns those that were purged.
    """
    rows = [_new(application_id) for application_id in sorted(application_ids)]
    locked = await _ENSURE_AND_LOCK.run(session, rows=rows)
    return {application_id for application_id, purged_at in locked if purged_at is not None}


_new_applications = insert_many(Application, "id", "status", "version")
_ENSURE = _new_applications.on_conflict_do_nothing().returning(Application.id)
# The update changes nothing. It locks what was there, as the insert does what is new.
_ENSURE_AND_LOCK = Direct(
    _new_applications.on_conflict_do_update(
        index_elements=["id"], set_={"id": _new_applications.excluded.id}
    ).returning(Application.id, Application.purged_at)
)


async def begin_verification(session: AsyncSession, document_id: uuid.UUID) -> Document:
    """Mark the document as being read. A superseded one keeps its status and is not to be read."""
    document, _ = await lock_document(session, document_id)
    if document.status is DocumentStatus.RECEIVED:
        document.status = DocumentStatus.VERIFYING
        await application_changed(session, document.application_id)
    return document


async def record_extraction(
    session: AsyncSession,
    keyring: Keyring,
    document_id: uuid.UUID,
    *,
    fields: Mapping[str, Any],
    checks: Sequence[Mapping[str, Any]],
    recommendation: str,
    engine: Mapping[str, Any],
    shows: Collection[str] = (),
) -> bool:
    """Keep what was read; returns whether the application is complete, with which it goes to review.

    It is complete when none of its documents is left to read and no required kind is missing. When one is
    missing, the application waits for it. `shows` are kinds that the document stands for beside its own.
    """
    document, application = await lock_document(session, document_id)
    values = {
        "fields": keyring.encrypt_json(dict(fields), context=f"extraction:{document_id}"),
        "checks": [dict(check) for check in checks],
        "recommendation": recommendation,
        "engine": dict(engine),
        "created_at": func.now(),
    }
    await session.execute(
        insert(Extraction)
        .values(document_id=document_id, **values)
        .on_conflict_do_update(index_elements=["document_id"], set_=values)
    )
    document.shows = sorted(shows)
    return await _finish(session, document, application, DocumentStatus.VERIFIED, reason=None)


async def record_unreadable(
    session: AsyncSession, document_id: uuid.UUID, *, status: DocumentStatus, reason: str
) -> bool:
    """Keep why the document could not be read, in a sentence for the applicant; a person looks at it.

    Returns as `record_extraction` does: an unreadable document is there too.
    """
    document, application = await lock_document(session, document_id)
    document.shows = []
    return await _finish(session, document, application, status, reason=reason)


async def verification_failed(session: AsyncSession, document_id: uuid.UUID, reason: str) -> None:
    """The document's run ended without a result: a person looks. Changes nothing once it was read."""
    document, application = await lock_document(session, document_id)
    if document.status in _BEING_READ:
        await _finish(session, document, application, DocumentStatus.UNREADABLE, reason=reason)


async def verification_restarted(session: AsyncSession, document_id: uuid.UUID) -> None:
    """The document's run was replayed: it is to be read again."""
    document, application = await lock_document(session, document_id)
    if document.status in {DocumentStatus.UNREADABLE, DocumentStatus.REJECTED}:
        document.status, document.reason = DocumentStatus.RECEIVED, None
        if application.status is ApplicationStatus.AWAITING_DOCUMENT:
            _move(application, ApplicationStatus.VERIFYING)
        await application_changed(session, application.id)


def extracted_fields(keyring: Keyring, extraction: Extraction) -> dict[str, Any]:
    """The extraction's fields in clear, by field type."""
    fields: dict[str, Any] = keyring.decrypt_json(
        extraction.fields, context=f"extraction:{extraction.document_id}"
    )
    return fields


def required_kinds(documents: Iterable[Document]) -> list[str]:
    """The kinds that the routes of the current documents require, each once, in the order to ask for them."""
    return list(dict.fromkeys(kind for document in _current(documents) for kind in document.requires))


def missing_kinds(documents: Iterable[Document]) -> list[str]:
    """Those of which nothing has arrived: neither a document, read or not, nor one that shows it too."""
    current = _current(documents)
    there = {kind for document in current for kind in (document.kind, *document.shows)}
    return [kind for kind in required_kinds(current) if kind not in there]


def _current(documents: Iterable[Document]) -> list[Document]:
    return [document for document in documents if document.status is not DocumentStatus.SUPERSEDED]


async def _finish(
    session: AsyncSession,
    document: Document,
    application: Application,
    status: DocumentStatus,
    *,
    reason: str | None,
) -> bool:
    if document.status is DocumentStatus.SUPERSEDED:
        return not any(await _outstanding(session, application.id))
    document.status, document.reason = status, reason
    document.verified_at = func.now()
    audit.record(
        session,
        actor="document-verification",
        action=f"document.{status}",
        subject=f"document:{document.id}",
        application=application.id,
    )
    await session.flush()
    left, missing = await _outstanding(session, application.id)
    if application.status is ApplicationStatus.VERIFYING and not left:
        _move(application, ApplicationStatus.AWAITING_DOCUMENT if missing else ApplicationStatus.IN_REVIEW)
    await application_changed(session, application.id)
    return not (left or missing)


async def _outstanding(session: AsyncSession, application_id: str) -> tuple[bool, list[str]]:
    """Whether a document is left to read, and the kinds that are missing."""
    of_application = select(Document).where(Document.application_id == application_id).order_by(Document.id)
    documents = (await session.scalars(of_application)).all()
    return any(document.status in _BEING_READ for document in documents), missing_kinds(documents)


async def decide(session: AsyncSession, application: Application, outcome: DecisionOutcome) -> None:
    """Move a locked application as a decision says. Raises Conflict for a move that is not legal.

    One of which more is asked waits for it, unless a document that came meanwhile is still to be read.
    """
    if outcome is DecisionOutcome.MORE_INFORMATION_NEEDED:
        left, _ = await _outstanding(session, application.id)
        _move(application, ApplicationStatus.VERIFYING if left else ApplicationStatus.AWAITING_DOCUMENT)
    else:
        _move(application, _FINAL[outcome])


def _move(application: Application, status: ApplicationStatus) -> None:
    if status not in APPLICATION_MOVES[application.status]:
        raise Conflict(f"Application {application.id} is {application.status} and cannot become {status}.")
    application.status = status


async def _ensure(session: AsyncSession, application_id: str) -> bool:
    return await session.scalar(_ENSURE, {"rows": [_new(application_id)]}) is not None


def _new(application_id: str) -> dict[str, Any]:
    return {"id": application_id, "status": ApplicationStatus.AWAITING_DOCUMENT, "version": 1}


def _applicant_context(application_id: str) -> str:
    return f"applicant:{application_id}"


def _iso(day: date | None) -> str | None:
    return None if day is None else day.isoformat()
