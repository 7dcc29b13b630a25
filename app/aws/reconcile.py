"""Holds the bucket against our documents, and accepts every upload that no notification announced.

A listing says of an object what its notification would have said, but for the sequencer. So it is made the
event that it was, and takes the way of a notification: the same routes, keys and transaction. Whether two
are the same upload, app.uploads decides; a notification that comes after all is then a duplicate.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from app import inbox, uploads
from app.aws.clients import explained
from app.aws.plan import Plan
from app.db import Sessions
from app.inbox import Intake
from app.models import NotificationOutcome
from app.routing import Routes
from app.s3_events import ObjectEvent

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client
    from mypy_boto3_s3.type_defs import ListObjectVersionsOutputTypeDef

_BATCH = 100
"""Uploads of one transaction."""

_CREATED = "ObjectCreated:Post"
"""A listing does not tell how an object was made. Uploads are made by POST, with the gateway's forms."""


@dataclass
class Report:
    """What was found in the bucket. Objects are named `key`, or `key@version`."""

    looked_at: int = 0
    known: int = 0
    """Documents already; also an older version of one, which is recorded but not read."""
    elsewhere: int = 0
    """Below the prefix, but no route records them as uploads."""
    accepted: list[str] = field(default_factory=list)
    """Recorded and to be read from now on."""


async def reconcile(
    sessions: Sessions,
    s3: S3Client,
    plan: Plan,
    routes: Routes,
    *,
    since: datetime,
    until: datetime,
    dry_run: bool = False,
) -> Report:
    """Accept what was stored from `since` until before `until` and is no document; `dry_run` only tells.

    What is younger may have its notification on the way; it does no harm then, but is not missed either.
    Objects that were deleted since are left alone. Any number of times changes nothing more.
    """
    report = Report()
    with explained():
        async for events in _listed(s3, plan, since, until):
            report.looked_at += len(events)
            async with sessions() as session:
                missed = await uploads.unheard_of(session, plan.bucket, events)
            report.known += len(events) - len(missed)
            intakes = [
                (event, intake)
                for event in missed
                if (intake := inbox.unannounced(routes, plan.topic_arn, event)) is not None
            ]
            report.elsewhere += len(missed) - len(intakes)
            for begin in range(0, len(intakes), _BATCH):
                await _accept(sessions, intakes[begin : begin + _BATCH], report, dry_run=dry_run)
    return report


async def _accept(
    sessions: Sessions, missed: Sequence[tuple[ObjectEvent, Intake]], report: Report, *, dry_run: bool
) -> None:
    async with sessions() as session:
        outcomes = await inbox.record(session, [intake for _, intake in missed])
        await (session.rollback() if dry_run else session.commit())
    for (event, _), outcome in zip(missed, outcomes, strict=True):
        if outcome is NotificationOutcome.ROUTED:
            report.accepted.append(_name(event))
        else:
            report.known += 1


async def _listed(
    s3: S3Client, plan: Plan, since: datetime, until: datetime
) -> AsyncIterator[list[ObjectEvent]]:
    """The bucket's uploads as events, page by page, newest first of each key."""
    versioning = await asyncio.to_thread(s3.get_bucket_versioning, Bucket=plan.bucket)
    has_versions = "Status" in versioning
    paginator = s3.get_paginator("list_object_versions")
    pages = iter(paginator.paginate(Bucket=plan.bucket, Prefix=plan.prefix))
    gone: set[str] = set()
    while (page := await asyncio.to_thread(next, pages, None)) is not None:
        # A key's delete marker may have been the last thing on the page before.
        deleted = {marker["Key"] for marker in page.get("DeleteMarkers", []) if marker["IsLatest"]}
        yield [
            event
            for event in _events(page, plan, has_versions=has_versions)
            if since <= event.event_time < until and event.key not in deleted | gone
        ]
        gone = deleted


def _events(
    page: ListObjectVersionsOutputTypeDef, plan: Plan, *, has_versions: bool
) -> Iterator[ObjectEvent]:
    later: ObjectEvent | None = None
    for version in page.get("Versions", []):
        stored_at = version["LastModified"]
        # Times are whole seconds here; a microsecond keeps the order in which S3 lists a key's versions.
        if later is not None and later.key == version["Key"]:
            stored_at = min(stored_at, later.event_time - timedelta(microseconds=1))
        later = ObjectEvent(
            event_name=_CREATED,
            bucket=plan.bucket,
            key=version["Key"],
            size=version["Size"],
            etag=version["ETag"].strip('"'),
            version_id=version["VersionId"] if has_versions else None,
            event_time=stored_at,
            region=plan.region,
        )
        yield later


def _name(event: ObjectEvent) -> str:
    return f"{event.key}@{event.version_id}" if event.version_id else event.key
