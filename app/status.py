"""The read model: what a caller may see of an application, a document or a run, and waiting for a change.

A version is the entity's ETag. Whoever waits holds no database session meanwhile.
"""

from __future__ import annotations

import asyncio
import uuid
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app import applications
from app.decisions import standing_decision
from app.encryption import Keyring
from app.errors import NotFound
from app.models import (
    Application,
    ApplicationStatus,
    Decision,
    DecisionOutcome,
    Document,
    DocumentStatus,
    Extraction,
    Run,
    RunState,
)


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


class ExtractionView(_View):
    """What was read: for underwriters and operators only."""

    fields: dict[str, Any]
    checks: list[dict[str, Any]]
    recommendation: str
    engine: dict[str, Any]
    created_at: datetime


class DocumentDetail(DocumentView):
    extraction: ExtractionView | None = None


class RunView(_View):
    """A run as Prefect last reported it, or as it waits with us (`ACCEPTED`, `DEAD`)."""

    id: uuid.UUID
    route: str
    application_id: str | None
    deployment: str
    state: RunState
    state_name: str
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


class ApplicationView(_View):
    """An application with its documents, runs and standing decision; the applicant is left out."""

    id: str
    status: ApplicationStatus
    version: int
    created_at: datetime
    updated_at: datetime
    documents: list[DocumentView] = []
    runs: list[RunView] = []
    decision: DecisionView | None = None


async def application(session: AsyncSession, application_id: str) -> ApplicationView:
    """Raises NotFound."""
    row = await session.get(Application, application_id)
    if row is None:
        raise applications.unknown(application_id)
    documents = select(Document).where(Document.application_id == row.id).order_by(Document.id)
    runs = select(Run).where(Run.application_id == row.id).order_by(Run.id)
    decision = await session.scalar(standing_decision(row.id))
    return ApplicationView.model_validate(
        {
            **{name: getattr(row, name) for name in ("id", "status", "version", "created_at", "updated_at")},
            "documents": (await session.scalars(documents)).all(),
            "runs": (await session.scalars(runs)).all(),
            "decision": decision and DecisionView.model_validate(decision),
        }
    )


async def application_version(session: AsyncSession, application_id: str) -> int | None:
    version: int | None = await session.scalar(
        select(Application.version).where(Application.id == application_id)
    )
    return version


async def run(session: AsyncSession, run_id: uuid.UUID) -> RunView:
    """Raises NotFound."""
    row = await session.get(Run, run_id)
    if row is None:
        raise NotFound(f"There is no run {run_id}.")
    return RunView.model_validate(row)


async def run_version(session: AsyncSession, run_id: uuid.UUID) -> int | None:
    version: int | None = await session.scalar(select(Run.version).where(Run.id == run_id))
    return version


async def document(
    session: AsyncSession, keyring: Keyring, document_id: uuid.UUID, *, with_extraction: bool
) -> DocumentDetail:
    """The document; with what was read from it only for who may see personal data. Raises NotFound."""
    row = await session.get(Document, document_id)
    if row is None:
        raise NotFound(f"There is no document {document_id}.")
    detail = DocumentDetail.model_validate(row)
    extraction = await session.get(Extraction, document_id) if with_extraction else None
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
    return DecisionView.model_validate(row)


class Watchers:
    """Who waits for which subject (`application:<id>`, `run:<id>`) in this process."""

    def __init__(self) -> None:
        self._waiting: defaultdict[str, set[asyncio.Event]] = defaultdict(set)

    def changed(self, subject: str) -> None:
        for event in self._waiting.get(subject, ()):
            event.set()

    def anything_may_have_changed(self) -> None:
        """To be called whenever notifications may have been missed."""
        for events in self._waiting.values():
            for event in events:
                event.set()

    @contextmanager
    def watching(self, subject: str) -> Iterator[asyncio.Event]:
        event = asyncio.Event()
        self._waiting[subject].add(event)
        try:
            yield event
        finally:
            self._waiting[subject].discard(event)
            if not self._waiting[subject]:
                del self._waiting[subject]

    async def wait_for_change(
        self, subject: str, known: int, read: Callable[[], Awaitable[int | None]], seconds: float
    ) -> None:
        """Return when `read` gives another version than `known`, or after `seconds`."""
        with self.watching(subject) as changed:
            try:
                async with asyncio.timeout(seconds):
                    while await read() == known:
                        await changed.wait()
                        changed.clear()
            except TimeoutError:
                return
