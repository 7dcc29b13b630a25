"""What is removed by age: some rows in a transaction, the oldest first, and around whatever others hold.

Only what is over goes: decided applications without a run under way, finished runs, received messages that
no such run needs. Nothing goes for which no period is set. A round that was cut off left nothing half
done; the next one goes on.
"""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Select, delete, func, select, tuple_
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from app import audit, changes, envelopes, erasure
from app.db import Sessions
from app.envelopes import Counts
from app.models import (
    TERMINAL_RUN_STATES,
    Application,
    ApplicationStatus,
    Document,
    LeavingObject,
    Notification,
    Run,
)
from app.object_store import ObjectStore
from app.settings import LONGEST_REDELIVERY_DAYS, RetentionSettings

_ACTOR = "retention"
_DEADLOCK = "40P01"
_DECIDED = (ApplicationStatus.APPROVED, ApplicationStatus.DENIED)

Place = TypeVar("Place")


@dataclass(frozen=True)
class Cutoffs:
    """What is older goes. None: nothing of the kind goes."""

    documents: datetime | None = None
    applications: datetime | None = None
    notifications: datetime | None = None
    runs: datetime | None = None

    def any(self) -> bool:
        return any(vars(self).values())


def cutoffs(settings: RetentionSettings, *, now: datetime, before: datetime | None = None) -> Cutoffs:
    """By the periods that are set; or `before` for every kind, whatever is set.

    A run never goes while SNS may still send its event again.
    """
    if before is not None:
        redelivered = now - timedelta(days=LONGEST_REDELIVERY_DAYS)
        return Cutoffs(before, before, before, min(before, redelivered))

    def ago(days: float | None) -> datetime | None:
        return None if days is None else now - timedelta(days=days)

    return Cutoffs(
        ago(settings.documents_days),
        ago(settings.applications_days),
        ago(settings.notifications_days),
        ago(settings.runs_days),
    )


async def purge(sessions: Sessions, store: ObjectStore, which: Cutoffs, *, batch_size: int) -> Counts:
    """Remove what is older, and the pictures that an earlier purge has left; counts the rows of each kind.

    Raises ObjectStoreUnavailable; pictures that S3 refuses to delete are counted as `objects_kept`.
    """
    counts = await _all(sessions, which.documents, batch_size, _purge_documents)
    counts += await _all(sessions, which.applications, batch_size, _purge_applications)
    counts += await erasure.delete_objects(sessions, store)
    counts += await _all(sessions, which.notifications, batch_size, _purge_notifications)
    counts += await _all(sessions, which.runs, batch_size, _purge_runs)
    return counts


async def due(sessions: Sessions, which: Cutoffs) -> Counts:
    """How many rows `purge` would begin with; those that go with an application are not counted apart."""
    counting: dict[str, tuple[Any, list[ColumnElement[bool]]]] = {"objects": (LeavingObject, [])}
    if which.documents is not None:
        joined = [Document.application_id == Application.id, *_documents_over(which.documents)]
        counting["pictures"] = (Document, joined)
    if which.applications is not None:
        counting["applications"] = (Application, _applications_over(which.applications))
    if which.notifications is not None:
        counting["notifications"] = (Notification, envelopes.old(which.notifications))
    if which.runs is not None:
        counting["runs"] = (Run, _runs_over(which.runs))
    counts = Counts()
    async with sessions() as session:
        for kind, (model, conditions) in counting.items():
            counted = select(func.count()).select_from(model).where(*conditions)
            counts[kind] = await session.scalar(counted) or 0
    return counts


async def _all(
    sessions: Sessions,
    cutoff: datetime | None,
    size: int,
    purge_some: Callable[[AsyncSession, datetime, Place | None, int], Awaitable[tuple[Counts, Place | None]]],
) -> Counts:
    """Batch after batch, each in its transaction, each from where the last one ended."""
    counts, after = Counts(), None
    while cutoff is not None:
        try:
            async with sessions.begin() as session:
                done, after = await purge_some(session, cutoff, after, size)
        except DBAPIError as error:
            # The follower locks a run before its application. What it holds is passed over the next time.
            if getattr(error.orig, "sqlstate", None) != _DEADLOCK:
                raise
            continue
        counts += done
        if after is None:
            break
    return counts


def _over(cutoff: datetime) -> list[ColumnElement[bool]]:
    """Decided, not changed since, and no run of it under way."""
    return [Application.status.in_(_DECIDED), Application.updated_at < cutoff, ~erasure.under_way()]


def _applications_over(cutoff: datetime) -> list[ColumnElement[bool]]:
    # What was not changed since was created before: for that there is an index, which no change touches.
    return [Application.purged_at.is_(None), Application.created_at < cutoff, *_over(cutoff)]


def applications_over(
    cutoff: datetime, after: tuple[datetime, str] | None, limit: int
) -> Select[datetime, str]:
    """Some applications to purge, the oldest first, locked; those that others hold are left out."""
    chosen = select(Application.created_at, Application.id).where(*_applications_over(cutoff))
    if after is not None:
        chosen = chosen.where(tuple_(Application.created_at, Application.id) > after)
    ordered = chosen.order_by(Application.created_at, Application.id).limit(limit)
    return ordered.with_for_update(of=Application, skip_locked=True)


async def _purge_applications(
    session: AsyncSession, cutoff: datetime, after: tuple[datetime, str] | None, size: int
) -> tuple[Counts, tuple[datetime, str] | None]:
    found = (await session.execute(applications_over(cutoff, after, size))).all()
    if not found:
        return Counts(), None
    return await erasure.erase(session, [name for _, name in found], actor=_ACTOR), (*found[-1],)


def _documents_over(cutoff: datetime) -> list[ColumnElement[bool]]:
    return [Document.purged_at.is_(None), Document.received_at < cutoff, *_over(cutoff)]


def documents_over(
    cutoff: datetime, after: envelopes.Place | None, limit: int
) -> Select[datetime, uuid.UUID, str]:
    """Some documents to purge, likewise, their applications locked."""
    chosen = (
        select(Document.received_at, Document.id, Document.application_id)
        .join(Application, Document.application_id == Application.id)
        .where(*_documents_over(cutoff))
    )
    if after is not None:
        chosen = chosen.where(tuple_(Document.received_at, Document.id) > after)
    ordered = chosen.order_by(Document.received_at, Document.id).limit(limit)
    return ordered.with_for_update(of=Application, skip_locked=True)


async def _purge_documents(
    session: AsyncSession, cutoff: datetime, after: envelopes.Place | None, size: int
) -> tuple[Counts, envelopes.Place | None]:
    found = (await session.execute(documents_over(cutoff, after, size))).all()
    if not found:
        return Counts(), None
    of_applications = {application_id for _, _, application_id in found}
    received_at, document_id, _ = found[-1]
    counts = await erasure.erase_documents(session, of_applications, actor=_ACTOR)
    return counts, (received_at, document_id)


async def _purge_notifications(
    session: AsyncSession, cutoff: datetime, after: envelopes.Place | None, size: int
) -> tuple[Counts, envelopes.Place | None]:
    found = (await session.execute(envelopes.some_old(cutoff, after, size))).all()
    if not found:
        return Counts(), None
    await envelopes.drop(session, [notification_id for _, notification_id in found])
    return _audited(session, "notifications", len(found), cutoff), (*found[-1],)


def _runs_over(cutoff: datetime) -> list[ColumnElement[bool]]:
    return [Run.application_id.is_(None), Run.ended_at < cutoff, Run.state.in_(TERMINAL_RUN_STATES)]


def runs_over(
    cutoff: datetime, after: envelopes.Place | None, limit: int
) -> Select[datetime | None, uuid.UUID]:
    """Some finished runs of no application, likewise."""
    chosen = select(Run.ended_at, Run.id).where(*_runs_over(cutoff))
    if after is not None:
        chosen = chosen.where(tuple_(Run.ended_at, Run.id) > after)
    return chosen.order_by(Run.ended_at, Run.id).limit(limit).with_for_update(of=Run, skip_locked=True)


async def _purge_runs(
    session: AsyncSession, cutoff: datetime, after: envelopes.Place | None, size: int
) -> tuple[Counts, envelopes.Place | None]:
    rows = await session.execute(runs_over(cutoff, after, size))
    found = [(ended_at, run_id) for ended_at, run_id in rows if ended_at is not None]
    if not found:
        return Counts(), None
    ids = [run_id for _, run_id in found]
    await session.execute(delete(Run).where(Run.id.in_(ids)))
    await changes.runs_gone(session, ids)
    return _audited(session, "runs", len(found), cutoff), found[-1]


def _audited(session: AsyncSession, kind: str, count: int, cutoff: datetime) -> Counts:
    """An entry for the batch: nobody asks for one of these by itself."""
    detail = {"count": count, "before": cutoff.isoformat()}
    audit.record(session, actor=_ACTOR, action=f"{kind}.purged", subject=_ACTOR, **detail)
    return Counts({kind: count})
