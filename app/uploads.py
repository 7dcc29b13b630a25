"""Uploaded objects: each recorded once, however it was heard of, and which one of a key is current.

S3's notifications say in which order the uploads to one key happened, by a sequencer. A listing of the
bucket (app.aws.reconcile) knows no sequencer, only when each object was stored; so where one of two has
none, the times decide. In a bucket without versions it does not know which event was the object's either:
there the same content under the same key is the same upload.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from app import applications, audit
from app.changes import applications_changed, documents_arrived
from app.db import Direct, insert_many
from app.models import Document, DocumentStatus, LeavingObject
from app.s3_events import ObjectEvent, is_version, later


@dataclass(frozen=True)
class Upload:
    """An object that an applicant uploaded, and the id its document is to have."""

    document_id: uuid.UUID
    application_id: str
    kind: str
    event: ObjectEvent
    requires: tuple[str, ...] = ()
    """The kinds of documents that its application needs, by the routes it came on."""
    heard_from: str = "sns"
    """Who told us, for the audit trail."""

    @property
    def version(self) -> str:
        return self.event.object_version

    def row(self) -> dict[str, Any]:
        """The document's columns, as JSON values."""
        return {
            "id": str(self.document_id),
            "application_id": self.application_id,
            "kind": self.kind,
            "requires": self.requires,
            "bucket": self.event.bucket,
            "key": self.event.key,
            "object_version": self.version,
            "version_id": self.event.version_id,
            "etag": self.event.etag,
            "sequencer": self.event.sequencer,
            "stored_at": self.event.event_time.isoformat(),
            "size": self.event.size,
        }


@dataclass(frozen=True)
class _Version:
    """A document as one of several of the same key."""

    document_id: uuid.UUID
    version_id: str | None
    etag: str | None
    sequencer: str
    stored_at: datetime


@dataclass(frozen=True)
class _Places:
    """What becomes of the new documents among those of the same key."""

    superseded: set[uuid.UUID]
    known: dict[uuid.UUID, tuple[Upload, _Version]]
    """New ones that are an upload we have, by their id: with the document that it has already."""


async def receive(session: AsyncSession, uploads: Sequence[Upload]) -> set[uuid.UUID]:
    """Record uploaded objects once each; returns the ids of those that are new and are to be read.

    An upload for an application nobody registered is kept under that id: the loan app may be later than
    S3. One for an application that was purged is not: it is deleted from the bucket by the next purge. A
    newer version of the same key supersedes the older one, in whatever order they are announced.
    """
    if not uploads:
        return set()
    # Whoever records another version of these keys waits here until we have committed.
    purged = await applications.ensure_and_lock(session, {upload.application_id for upload in uploads})
    if purged:
        await _turn_away(session, [upload for upload in uploads if upload.application_id in purged])
        uploads = [upload for upload in uploads if upload.application_id not in purged]
    received, superseded = await _insert_documents(session, uploads)
    if not received:
        return set()
    if superseded:
        outdated = update(Document).where(Document.id.in_(superseded))
        await session.execute(outdated.values(status=DocumentStatus.SUPERSEDED))
    await audit.record_all(
        session,
        [
            audit.NewEntry(
                actor=upload.heard_from,
                action="document.received",
                subject=f"document:{upload.document_id}",
                detail={
                    "application": upload.application_id,
                    "superseded": upload.document_id in superseded,
                },
            )
            for upload in received
        ],
    )
    to_read = [upload for upload in received if upload.document_id not in superseded]
    being_verified = {upload.application_id for upload in to_read}
    # An older version that comes late is seen in the status, and there is nothing to read of it.
    others = {upload.application_id for upload in received} - being_verified
    if being_verified:
        await documents_arrived(session, sorted(being_verified))
    if others:
        await applications_changed(session, sorted(others))
    return {upload.document_id for upload in to_read}


async def _turn_away(session: AsyncSession, uploads: Sequence[Upload]) -> None:
    """What comes for a purged application starts nothing, and its picture leaves with the next purge."""
    leaving = [
        {"document_id": upload.document_id, "bucket": upload.event.bucket, "key": upload.event.key}
        for upload in uploads
    ]
    await session.execute(insert(LeavingObject), leaving)


async def unheard_of(session: AsyncSession, bucket: str, events: Sequence[ObjectEvent]) -> list[ObjectEvent]:
    """Those of the bucket's objects that we have no document of, by the rules of `receive`."""
    keys = {event.key for event in events}
    columns = (Document.key, Document.object_version, Document.etag, Document.version_id, Document.status)
    found = await session.execute(select(*columns).where(Document.bucket == bucket, Document.key.in_(keys)))
    versions, contents = set(), set()
    for key, object_version, etag, version_id, status in found:
        versions.add((key, object_version))
        if not is_version(version_id) and status is not DocumentStatus.SUPERSEDED:
            contents.add((key, etag))
    return [
        event
        for event in events
        if (event.key, event.object_version) not in versions
        and (is_version(event.version_id) or (event.key, event.etag) not in contents)
    ]


_received = (
    insert_many(
        Document,
        *("id", "application_id", "kind", "requires", "bucket", "key", "object_version"),
        *("version_id", "etag", "sequencer", "stored_at", "size"),
    )
    .on_conflict_do_nothing()
    .returning(Document.id, Document.bucket, Document.key)
    .cte("received")
)
_current = aliased(Document)
# Beside each new document the one of the same key that was current until now. A statement does not see the
# rows it inserts itself.
_INSERT_DOCUMENTS = Direct(
    select(
        _received.c.id,
        _current.id,
        _current.version_id,
        _current.etag,
        _current.sequencer,
        func.coalesce(_current.stored_at, _current.received_at),
    ).outerjoin(
        _current,
        (_current.bucket == _received.c.bucket)
        & (_current.key == _received.c.key)
        & (_current.status != DocumentStatus.SUPERSEDED),
    )
)


async def _insert_documents(
    session: AsyncSession, uploads: Sequence[Upload]
) -> tuple[list[Upload], set[uuid.UUID]]:
    """The uploads that were not known, and the ids of all documents that they leave superseded."""
    # In the order of their keys, so that two transactions cannot wait for each other's.
    ordered = sorted(uploads, key=lambda upload: (upload.event.bucket, upload.event.key, upload.version))
    inserted = await _INSERT_DOCUMENTS.run(session, rows=[upload.row() for upload in ordered])
    current: dict[uuid.UUID, list[_Version]] = {}
    for document_id, current_id, version_id, etag, sequencer, stored_at in inserted:
        others = current.setdefault(document_id, [])
        if current_id is not None:
            others.append(_Version(current_id, version_id, etag, sequencer or "", stored_at))
    received = [upload for upload in ordered if upload.document_id in current]
    places = _places(received, current)
    if places.known:
        await _give_way(session, places.known)
    return [upload for upload in received if upload.document_id not in places.known], places.superseded


def _places(received: Iterable[Upload], before: Mapping[uuid.UUID, Sequence[_Version]]) -> _Places:
    """Superseded are all versions of each key but the latest. Of equal ones the first remains."""
    current: dict[tuple[str, str], _Version] = {}
    places = _Places(set(), {})
    for upload in received:
        key, new = (upload.event.bucket, upload.event.key), _version_of(upload)
        others = [current[key]] if key in current else before[upload.document_id]
        if same := next((other for other in others if _is_same_upload(new, other)), None):
            places.known[upload.document_id] = (upload, same)
            current[key] = replace(same, sequencer=same.sequencer or new.sequencer)
            continue
        for other in others:
            places.superseded.add(other.document_id if _is_later(new, other) else new.document_id)
        if new.document_id not in places.superseded:
            current[key] = new
    return places


async def _give_way(session: AsyncSession, known: Mapping[uuid.UUID, tuple[Upload, _Version]]) -> None:
    """Take the new documents back. One we had by a listing takes the identity that its event gives it."""
    await session.execute(delete(Document).where(Document.id.in_(known)))
    for upload, same in known.values():
        if upload.event.sequencer and not same.sequencer:
            await session.execute(
                update(Document)
                .where(Document.id == same.document_id)
                .values(object_version=upload.version, sequencer=upload.event.sequencer)
            )


def _version_of(upload: Upload) -> _Version:
    event = upload.event
    return _Version(upload.document_id, event.version_id, event.etag, event.sequencer or "", event.event_time)


def _is_later(new: _Version, other: _Version) -> bool:
    if new.sequencer and other.sequencer:
        return later(new.sequencer, other.sequencer)
    return new.stored_at > other.stored_at


def _is_same_upload(new: _Version, other: _Version) -> bool:
    """Whether two of a key without versions are one, of which a listing knew no sequencer."""
    if is_version(new.version_id) or is_version(other.version_id) or (new.sequencer and other.sequencer):
        return False
    return new.etag == other.etag
