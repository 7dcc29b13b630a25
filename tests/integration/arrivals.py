"""Uploads that have arrived, without S3 and SNS."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from datetime import UTC, datetime

from app import uploads
from app.db import Sessions
from app.models import Document, new_id
from app.s3_events import ObjectEvent

_sequence = itertools.count(1)


async def arrive(
    sessions: Sessions,
    application_id: str = "A-1",
    kind: str = "license-front",
    *,
    requires: Sequence[str] = (),
    name: str | None = None,
) -> Document:
    """A new document of the application; a second one of the same `name` supersedes the first."""
    number = next(_sequence)
    event = ObjectEvent(
        event_name="ObjectCreated:Post",
        bucket="documents",
        key=f"applications/{application_id}/{kind}/{name or number}.jpg",
        size=1,
        etag=f"{number:032x}",
        sequencer=f"{number:016X}",
        event_time=datetime.now(UTC),
        region="us-east-1",
    )
    upload = uploads.Upload(new_id(), application_id, kind, event, tuple(requires))
    async with sessions.begin() as session:
        assert await uploads.receive(session, [upload]) == {upload.document_id}
        return await session.get_one(Document, upload.document_id)
