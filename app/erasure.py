"""How an application's personal data goes, so that no crash leaves a picture that nobody knows of.

One transaction removes the rows and notes each picture in `leaving_objects`. Then the pictures are deleted
from the bucket, and each note after its picture. Whatever ends in between is taken up by the next purge:
a note stays for as long as its picture may exist, and deleting twice does no harm. The application's row
stays without the applicant, to say that it was purged and to turn away what still comes for it.
"""

from __future__ import annotations

import asyncio
import uuid
from collections import Counter
from collections.abc import Collection, Sequence

import structlog
from sqlalchemy import ColumnElement, delete, exists, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.sql.dml import ReturningDelete

from app import applications, audit, changes, envelopes
from app.db import Sessions
from app.envelopes import Counts
from app.errors import Conflict
from app.models import (
    UNFINISHED_RUN_STATES,
    Application,
    Assessment,
    Decision,
    Document,
    Email,
    Extraction,
    Fingerprint,
    LeavingObject,
    Run,
)
from app.object_store import ObjectStore

log = structlog.get_logger()

_OBJECTS_AT_ONCE = 8


def under_way() -> ColumnElement[bool]:
    """Whether a run of the application is not over: nothing of it may be removed beneath the run."""
    return exists().where(Run.application_id == Application.id, Run.state.in_(UNFINISHED_RUN_STATES))


async def erase(session: AsyncSession, application_ids: Collection[str], *, actor: str) -> Counts:
    """Remove all of these applications, which the caller has locked, but their rows and audit entries."""
    of_document = Document.application_id.in_(application_ids)
    of_decision = Decision.application_id.in_(application_ids)
    emails = delete(Email).where(Email.decision_id == Decision.id, of_decision)
    notices = delete(Email).where(Email.document_id == Document.id, of_document)
    runs = delete(Run).where(Run.application_id.in_(application_ids))
    removed = await _remove_what_was_read(session, application_ids)
    removed["emails"] = await _removed(session, emails.returning(Decision.application_id))
    removed["emails"] += await _removed(session, notices.returning(Document.application_id))
    await _let_pictures_leave(session, application_ids)
    documents = delete(Document).where(of_document)
    removed["documents"] = await _removed(session, documents.returning(Document.application_id))
    decisions = delete(Decision).where(of_decision)
    removed["decisions"] = await _removed(session, decisions.returning(Decision.application_id))
    gone = (await session.execute(runs.returning(Run.application_id, Run.id))).all()
    removed["runs"] = Counter(application_id for application_id, _ in gone if application_id is not None)
    await changes.runs_gone(session, [run_id for _, run_id in gone])
    await changes.applications_changed(session, sorted(application_ids), purged_at=func.now(), applicant=None)
    counts = await _audited(session, "application.purged", application_ids, removed, actor)
    return counts + Counter(applications=len(application_ids))


async def erase_documents(session: AsyncSession, application_ids: Collection[str], *, actor: str) -> Counts:
    """Remove pictures and what was read from them; the application, which the caller has locked, stays."""
    removed = await _remove_what_was_read(session, application_ids)
    await _let_pictures_leave(session, application_ids)
    purged = (
        update(Document)
        .where(Document.application_id.in_(application_ids), Document.purged_at.is_(None))
        .values(purged_at=func.now())
        .returning(Document.application_id)
        .execution_options(synchronize_session=False)
    )
    removed["pictures"] = Counter(await session.scalars(purged))
    # It is no news about the loan: the time until the application itself is purged runs on.
    await changes.applications_changed(session, sorted(application_ids), updated_at=Application.updated_at)
    return await _audited(session, "application.documents_purged", application_ids, removed, actor)


async def _remove_what_was_read(
    session: AsyncSession, application_ids: Collection[str]
) -> dict[str, Counter[str]]:
    of_document = Document.application_id.in_(application_ids)
    extractions = delete(Extraction).where(Extraction.document_id == Document.id, of_document)
    fingerprints = delete(Fingerprint).where(Fingerprint.application_id.in_(application_ids))
    assessments = delete(Assessment).where(Assessment.application_id.in_(application_ids))
    return {
        "extractions": await _removed(session, extractions.returning(Document.application_id)),
        "fingerprints": await _removed(session, fingerprints.returning(Fingerprint.application_id)),
        "assessments": await _removed(session, assessments.returning(Assessment.application_id)),
    }


async def _removed(session: AsyncSession, statement: ReturningDelete[str]) -> Counter[str]:
    """Execute a deletion that returns application ids; how many rows were of each."""
    return Counter(await session.scalars(statement.execution_options(synchronize_session=False)))


async def _let_pictures_leave(session: AsyncSession, application_ids: Collection[str]) -> None:
    pictures = select(Document.id, Document.bucket, Document.key).where(
        Document.application_id.in_(application_ids), Document.purged_at.is_(None)
    )
    await session.execute(insert(LeavingObject).from_select(["document_id", "bucket", "key"], pictures))


async def _audited(
    session: AsyncSession,
    action: str,
    application_ids: Collection[str],
    removed: dict[str, Counter[str]],
    actor: str,
) -> Counts:
    entries = [
        audit.NewEntry(
            actor=actor,
            action=action,
            subject=f"application:{application_id}",
            detail={kind: counted[application_id] for kind, counted in removed.items()},
        )
        for application_id in sorted(application_ids)
    ]
    await audit.record_all(session, entries)
    return Counter({kind: counted.total() for kind, counted in removed.items()})


async def delete_objects(sessions: Sessions, store: ObjectStore) -> Counts:
    """Delete from the bucket all that is noted to leave, and what told of it when its application was purged
    already; counts `objects`, `notifications`, and `objects_kept` if S3 refuses.

    Raises ObjectStoreUnavailable when S3 cannot be asked. Two may do this at once.
    """
    counts, after = Counts(), uuid.UUID(int=0)
    while True:
        waiting = select(LeavingObject).where(LeavingObject.document_id > after)
        async with sessions() as session:
            ordered = waiting.order_by(LeavingObject.document_id).limit(_OBJECTS_AT_ONCE)
            batch = (await session.scalars(ordered)).all()
        if not batch:
            return counts
        after = batch[-1].document_id
        async with sessions.begin() as session:
            if told := await envelopes.drop_turned_away(session, batch):
                counts["notifications"] += told
        refusals = await asyncio.gather(*(store.delete(one.bucket, one.key) for one in batch))
        for one, code in zip(batch, refusals, strict=True):
            if code is not None:
                log.error("picture not deleted", document=str(one.document_id), bucket=one.bucket, code=code)
        deleted = [one.document_id for one, code in zip(batch, refusals, strict=True) if code is None]
        counts["objects"] += await _note_deleted(sessions, deleted)
        counts["objects_kept"] += len(batch) - len(deleted)


async def _note_deleted(sessions: Sessions, document_ids: Sequence[uuid.UUID]) -> int:
    async with sessions.begin() as session:
        notes = delete(LeavingObject).where(LeavingObject.document_id.in_(document_ids))
        ours = list(await session.scalars(notes.returning(LeavingObject.document_id)))
        entries = [
            audit.NewEntry(
                actor="retention", action="document.picture_deleted", subject=f"document:{one}", detail={}
            )
            for one in sorted(ours)
        ]
        await audit.record_all(session, entries)
    return len(ours)


async def erase_application(
    sessions: Sessions, application_id: str, *, actor: str, force: bool = False, dry_run: bool = False
) -> Counts:
    """Remove one application at once, whatever its age, with the messages that announced its uploads.

    The pictures leave with `delete_objects`. Doing it again removes the messages that came since. Raises
    NotFound; and Conflict while a run of it is under way, unless `force`: such a run then fails for want of
    its document. `dry_run` only counts.
    """
    async with sessions() as session:
        application = await session.get(Application, application_id)
        if application is None:
            raise applications.unknown(application_id)
        if not force:
            await _check_over(session, application_id)
        keys = await _keys_of(session, application_id)
    # Before the documents, by whose keys they are known.
    counts = await envelopes.drop_of(sessions, application, keys, dry_run=dry_run)
    if application.purged_at is not None:
        return counts
    async with sessions() as session:
        await applications.lock(session, application_id)
        if not force:
            await _check_over(session, application_id)
        counts += await erase(session, [application_id], actor=actor)
        await (session.rollback() if dry_run else session.commit())
    return counts


async def _check_over(session: AsyncSession, application_id: str) -> None:
    running = select(Run.id).where(Run.application_id == application_id, Run.state.in_(UNFINISHED_RUN_STATES))
    if ids := list(await session.scalars(running.order_by(Run.id).limit(10))):
        named = ", ".join(map(str, ids))
        raise Conflict(
            f"Application {application_id} has runs that are not over: {named}. Wait for them, end them with "
            "`sluice runs cancel`, or purge with --force, which lets them fail."
        )


async def _keys_of(session: AsyncSession, application_id: str) -> set[tuple[str, str]]:
    found = select(Document.bucket, Document.key).where(Document.application_id == application_id)
    return {(bucket, key) for bucket, key in await session.execute(found)}
