"""The read model: what a caller may see of an application, a document or a run.

A version is the entity's ETag.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app import applications, assessments, backlog, decisions
from app.encryption import Keyring
from app.errors import NotFound
from app.models import (
    Application,
    ApplicationStatus,
    Assessment,
    Decision,
    DecisionOutcome,
    Document,
    DocumentStatus,
    Extraction,
    Run,
    RunState,
)
from app.run_filter import RunFilter


class _View(BaseModel):
    model_config = ConfigDict(from_attributes=True)


class DocumentView(_View):
    """A document without anything that was read from it."""

    id: uuid.UUID
    application_id: str
    kind: str
    key: str
    status: DocumentStatus
    reason: str | None
    received_at: datetime
    verified_at: datetime | None
    purged_at: datetime | None
    """When the picture and what was read from it were removed."""


class ExtractionView(_View):
    """What was read: for underwriters and operators only."""

    fields: dict[str, Any]
    checks: list[dict[str, Any]]
    recommendation: str
    engine: dict[str, Any]
    created_at: datetime


class DocumentDetail(DocumentView):
    extraction: ExtractionView | None = None
    handover_refusal: str | None = None
    """Why the underwriting tool did not take what was read: for underwriters and operators only."""


class RunView(_View):
    """A run as Prefect last reported it, or as it waits with us (`ACCEPTED`, `DEAD`)."""

    id: uuid.UUID
    route: str
    application_id: str | None
    deployment: str
    state: RunState
    state_name: str
    stuck: bool
    """In its state for longer than is plausible: cancel it, then replay it."""
    place: int | None = None
    """While it is `ACCEPTED`: its place among those of its route that wait, 1 being next, counted up to
    10,000. Told when the run itself is read; it moves without a new version."""
    attempts: int
    last_error: str | None
    flow_run_id: uuid.UUID | None
    replays: int
    previous_flow_runs: list[str]
    accepted_at: datetime
    dispatched_at: datetime | None
    started_at: datetime | None
    ended_at: datetime | None
    version: int


class DecisionView(_View):
    id: uuid.UUID
    application_id: str
    outcome: DecisionOutcome
    reasons: list[str]
    conditions: list[str]
    decided_by: str
    decided_at: datetime
    received_at: datetime
    applied_at: datetime | None


class DecisionDetail(DecisionView):
    note: str | None = None
    """For underwriters and operators only."""


class AssessmentView(_View):
    """What all documents of the application say together: for underwriters and operators only."""

    fields: dict[str, Any]
    checks: list[dict[str, Any]]
    recommendation: str
    missing: list[str]
    """Required kinds of which no document was read."""
    documents: list[uuid.UUID]
    """What it was made of."""
    outdated: bool
    """Other documents count by now, or the loan app has registered another name or birth date. It is made
    anew whenever a document of the application was read."""
    made_at: datetime


class ApplicationView(_View):
    """An application with its documents, runs and standing decision; the applicant is left out."""

    id: str
    status: ApplicationStatus
    missing_kinds: list[str] = []
    """Required kinds of which no document has arrived. Known from the first upload on."""
    version: int
    created_at: datetime
    updated_at: datetime
    documents: list[DocumentView] = []
    runs: list[RunView] = []
    decision: DecisionDetail | None = None
    assessment: AssessmentView | None = None
    """For underwriters and operators, once a document was read or found unreadable."""


async def application(
    session: AsyncSession, application_id: str, *, confidential: Keyring | None = None
) -> ApplicationView:
    """The application; with assessment and the decision's note only for whom `confidential` decrypts them.

    Raises NotFound, Purged once it was, and DecryptionFailed.
    """
    row = await session.get(Application, application_id)
    if row is None:
        raise applications.unknown(application_id)
    applications.check_kept(row)
    of_application = select(Document).where(Document.application_id == row.id).order_by(Document.id)
    documents = (await session.scalars(of_application)).all()
    runs = select(Run).where(Run.application_id == row.id).order_by(Run.id)
    decision = await session.scalar(decisions.standing_decision(row.id))
    assessment = await assessments.of(session, row.id) if confidential else None
    return ApplicationView.model_validate(
        {
            **{name: getattr(row, name) for name in ("id", "status", "version", "created_at", "updated_at")},
            "missing_kinds": applications.missing_kinds(documents),
            "documents": documents,
            "runs": (await session.scalars(runs)).all(),
            "decision": decision and _detail(decision, confidential),
            "assessment": assessment and confidential and _assessed(confidential, assessment, row, documents),
        }
    )


async def run(session: AsyncSession, run_id: uuid.UUID) -> RunView:
    """Raises NotFound."""
    row = await session.get(Run, run_id)
    if row is None:
        raise NotFound(f"There is no run {run_id}.")
    view = RunView.model_validate(row)
    view.place = await backlog.place(session, row)
    return view


async def runs(
    session: AsyncSession, which: RunFilter, *, limit: int, before: uuid.UUID | None = None
) -> Sequence[RunView]:
    """Runs by the time of their ids, the newest first; those `before` an id are the next page."""
    statement = select(Run).where(*which.conditions()).order_by(Run.id.desc()).limit(limit)
    if before is not None:
        statement = statement.where(Run.id < before)
    return [RunView.model_validate(row) for row in await session.scalars(statement)]


async def document(
    session: AsyncSession, keyring: Keyring, document_id: uuid.UUID, *, with_extraction: bool
) -> DocumentDetail:
    """The document; with what was read from it only for who may see personal data. Raises NotFound."""
    row = await session.get(Document, document_id)
    if row is None:
        raise NotFound(f"There is no document {document_id}.")
    detail = DocumentDetail.model_validate(row)
    if not with_extraction:
        return detail.model_copy(update={"handover_refusal": None})
    extraction = await session.get(Extraction, document_id)
    if extraction is not None:
        detail.extraction = ExtractionView(
            fields=applications.extracted_fields(keyring, extraction),
            checks=extraction.checks,
            recommendation=extraction.recommendation,
            engine=extraction.engine,
            created_at=extraction.created_at,
        )
    return detail


def decision(row: Decision) -> DecisionView:
    """The decision without its note."""
    return DecisionView.model_validate(row)


def _assessed(
    keyring: Keyring, row: Assessment, application: Application, documents: Sequence[Document]
) -> AssessmentView:
    read = {document.id for document in documents if document.status is DocumentStatus.VERIFIED}
    return AssessmentView(
        fields=assessments.assessed_fields(keyring, row),
        checks=row.checks,
        recommendation=row.recommendation,
        missing=row.missing,
        documents=row.documents,
        outdated=set(row.documents) != read or row.applicant_version != application.applicant_version,
        made_at=row.made_at,
    )


def _detail(row: Decision, notes: Keyring | None) -> DecisionDetail:
    note = decisions.note_of(notes, row) if notes else None
    return DecisionDetail(**decision(row).model_dump(), note=note)
