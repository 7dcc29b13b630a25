"""`sluice aws reconcile`: every upload is taken once, whichever of listing and notification comes first."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select
from typer.testing import CliRunner

from app import inbox, notifications, routing, s3_events
from app.aws.clients import Aws
from app.aws.plan import Plan
from app.aws.reconcile import Report, reconcile
from app.cli import cli
from app.db import Sessions
from app.errors import Misconfigured
from app.models import AuditEntry, Document, DocumentStatus, Notification, NotificationOutcome, Run
from app.settings import DatabaseSettings
from app.sns import Message, MessageType
from tests.integration.aws.conftest import BUCKET, TOPIC

KEY = "applications/A-1/license-front/front.jpg"
ROUTES = routing.shipped()
HOUR = timedelta(hours=1)
UPLOADS_ARE_VERSIONED = pytest.mark.parametrize("versioned", [True, False], ids=["versioned", "unversioned"])


@pytest.fixture
def bucket(aws: Aws) -> str:
    aws.s3.create_bucket(Bucket=BUCKET)
    return BUCKET


def put(aws: Aws, data: bytes = b"a picture", key: str = KEY) -> dict[str, Any]:
    """Store an object; what S3's notification says of it."""
    stored = aws.s3.put_object(Bucket=BUCKET, Key=key, Body=data)
    return {
        "key": key,
        "size": len(data),
        "eTag": stored["ETag"].strip('"'),
        **({"versionId": stored["VersionId"]} if "VersionId" in stored else {}),
    }


async def look(sessions: Sessions, aws: Aws, plan: Plan, *, dry_run: bool = False) -> Report:
    now = datetime.now(UTC)
    return await reconcile(
        sessions, aws.s3, plan, ROUTES, since=now - HOUR, until=now + HOUR, dry_run=dry_run
    )


async def announce(
    sessions: Sessions, stored: dict[str, Any], sequencer: str = "0A", *, at: datetime | None = None
) -> NotificationOutcome:
    """The notification of an object, as it comes from SNS."""
    event = {
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "awsRegion": "us-east-1",
        "eventTime": (at or datetime.now(UTC)).isoformat(),
        "eventName": "ObjectCreated:Post",
        "s3": {"bucket": {"name": BUCKET}, "object": {**stored, "sequencer": sequencer}},
    }
    message = Message(
        kind=MessageType.NOTIFICATION,
        message_id=str(uuid.uuid4()),
        topic_arn=TOPIC,
        message=json.dumps({"Records": [event]}),
        timestamp="",
        sent_at=datetime.now(UTC),
        signature_version=2,
        signature=b"",
        signing_cert_url="",
    )
    [outcome] = await inbox.commit(sessions, [inbox.read(ROUTES, message, b"{}")])
    return outcome


async def documents(sessions: Sessions) -> Sequence[Document]:
    async with sessions() as session:
        return (await session.scalars(select(Document).order_by(Document.received_at))).all()


async def runs(sessions: Sessions) -> int:
    async with sessions() as session:
        return len((await session.scalars(select(Run))).all())


def version(aws: Aws) -> None:
    aws.s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})


@UPLOADS_ARE_VERSIONED
async def test_an_upload_without_notification_is_accepted_once(
    versioned: bool, bucket: str, aws: Aws, plan: Plan, sessions: Sessions
) -> None:
    if versioned:
        version(aws)
    put(aws)
    first = await look(sessions, aws, plan)
    second = await look(sessions, aws, plan)

    assert len(first.accepted) == 1
    assert first.accepted[0].startswith(KEY)
    assert (second.accepted, second.known) == ([], 1)
    assert await runs(sessions) == 1
    [document] = await documents(sessions)
    assert document.application_id == "A-1"
    assert document.status is DocumentStatus.RECEIVED
    assert (document.version_id is not None) == versioned


@UPLOADS_ARE_VERSIONED
async def test_its_notification_that_comes_after_all_is_a_duplicate(
    versioned: bool, bucket: str, aws: Aws, plan: Plan, sessions: Sessions
) -> None:
    if versioned:
        version(aws)
    stored = put(aws)
    await look(sessions, aws, plan)

    assert await announce(sessions, stored) is NotificationOutcome.DUPLICATE
    assert await announce(sessions, stored) is NotificationOutcome.DUPLICATE
    assert await runs(sessions) == 1
    [document] = await documents(sessions)
    assert document.status is DocumentStatus.RECEIVED
    assert (await look(sessions, aws, plan)).accepted == []


@UPLOADS_ARE_VERSIONED
async def test_what_was_announced_is_not_accepted_again(
    versioned: bool, bucket: str, aws: Aws, plan: Plan, sessions: Sessions
) -> None:
    if versioned:
        version(aws)
    stored = put(aws)
    assert await announce(sessions, stored) is NotificationOutcome.ROUTED
    report = await look(sessions, aws, plan)

    assert (report.looked_at, report.known, report.accepted) == (1, 1, [])
    assert await runs(sessions) == 1


@UPLOADS_ARE_VERSIONED
async def test_a_notification_between_listing_and_commit_wins(
    versioned: bool, bucket: str, aws: Aws, plan: Plan, sessions: Sessions
) -> None:
    """The listing has been compared already; only the commit can tell."""
    if versioned:
        version(aws)
    stored = put(aws)
    event = s3_events.ObjectEvent(
        event_name="ObjectCreated:Post",
        bucket=BUCKET,
        key=KEY,
        size=stored["size"],
        etag=stored["eTag"],
        version_id=stored.get("versionId"),
        event_time=datetime.now(UTC),
        region="us-east-1",
    )
    late = inbox.unannounced(ROUTES, TOPIC, event)
    assert late is not None
    await announce(sessions, stored)

    assert await inbox.commit(sessions, [late]) == [NotificationOutcome.DUPLICATE]
    assert await runs(sessions) == 1
    [document] = await documents(sessions)
    assert document.sequencer == "0A"


@UPLOADS_ARE_VERSIONED
async def test_listings_and_notifications_at_the_same_moment_make_one_run_each(
    versioned: bool, bucket: str, aws: Aws, plan: Plan, sessions: Sessions
) -> None:
    if versioned:
        version(aws)
    stored = [put(aws, key=f"applications/A-{n % 4}/license-front/{n}.jpg") for n in range(12)]
    await asyncio.gather(
        look(sessions, aws, plan),
        *(announce(sessions, one) for one in stored),
        look(sessions, aws, plan),
        *(announce(sessions, one) for one in reversed(stored)),
    )
    assert await runs(sessions) == 12
    assert [one.status for one in await documents(sessions)] == ["received"] * 12


@UPLOADS_ARE_VERSIONED
async def test_a_newer_upload_that_was_missed_supersedes_the_one_announced(
    versioned: bool, bucket: str, aws: Aws, plan: Plan, sessions: Sessions
) -> None:
    if versioned:
        version(aws)
    await announce(sessions, put(aws, b"older"), at=datetime.now(UTC) - HOUR / 2)
    newer = put(aws, b"newer")
    report = await look(sessions, aws, plan)

    assert len(report.accepted) == 1
    assert {one.etag: one.status for one in await documents(sessions)}[newer["eTag"]] == "received"
    assert [one.status for one in await documents(sessions)].count(DocumentStatus.SUPERSEDED) == 1
    assert await runs(sessions) == 2


@UPLOADS_ARE_VERSIONED
async def test_an_older_notification_does_not_override_what_was_found(
    versioned: bool, bucket: str, aws: Aws, plan: Plan, sessions: Sessions
) -> None:
    """The listing gave the newer one no sequencer to compare, so the times decide."""
    if versioned:
        version(aws)
    older, at = put(aws, b"older"), datetime.now(UTC) - HOUR / 2
    newer = put(aws, b"newer")
    if versioned:
        aws.s3.delete_object(Bucket=BUCKET, Key=KEY, VersionId=older["versionId"])
    await look(sessions, aws, plan)
    assert await announce(sessions, older, "0FFF", at=at) is NotificationOutcome.DUPLICATE

    statuses = {one.etag: one.status for one in await documents(sessions)}
    assert statuses == {
        newer["eTag"]: DocumentStatus.RECEIVED,
        older["eTag"]: DocumentStatus.SUPERSEDED,
    }
    assert await runs(sessions) == 1


@UPLOADS_ARE_VERSIONED
async def test_a_notification_that_is_newer_than_what_was_found_supersedes_it(
    versioned: bool, bucket: str, aws: Aws, plan: Plan, sessions: Sessions
) -> None:
    if versioned:
        version(aws)
    put(aws, b"older")
    await look(sessions, aws, plan)
    newer = put(aws, b"newer")

    at = datetime.now(UTC) + timedelta(seconds=5)
    assert await announce(sessions, newer, "0B", at=at) is NotificationOutcome.ROUTED
    assert [one.status for one in await documents(sessions)] == ["superseded", "received"]


async def test_content_that_came_back_is_another_upload(
    bucket: str, aws: Aws, plan: Plan, sessions: Sessions
) -> None:
    """A, then B, then A again under one key: the last one was missed, and is not the first."""
    now = datetime.now(UTC)
    await announce(sessions, put(aws, b"A"), "0A", at=now - HOUR)
    await announce(sessions, put(aws, b"B"), "0B", at=now - HOUR / 2)
    again = put(aws, b"A")
    assert len((await look(sessions, aws, plan)).accepted) == 1

    assert await announce(sessions, again, "0C", at=datetime.now(UTC)) is NotificationOutcome.DUPLICATE
    assert [one.status for one in await documents(sessions)] == ["superseded", "superseded", "received"]
    assert await runs(sessions) == 3


async def test_of_several_versions_that_were_missed_the_last_one_is_read(
    bucket: str, aws: Aws, plan: Plan, sessions: Sessions
) -> None:
    version(aws)
    put(aws, b"first")
    put(aws, b"second")
    last = put(aws, b"last")
    report = await look(sessions, aws, plan)

    assert report.accepted == [f"{KEY}@{last['versionId']}"]
    assert report.known == 2
    statuses = {one.version_id: one.status for one in await documents(sessions)}
    assert statuses.pop(last["versionId"]) is DocumentStatus.RECEIVED
    assert set(statuses.values()) == {DocumentStatus.SUPERSEDED}
    assert await runs(sessions) == 1


async def test_versioning_that_was_enabled_later_does_not_make_new_uploads_of_old_objects(
    bucket: str, aws: Aws, plan: Plan, sessions: Sessions
) -> None:
    await announce(sessions, put(aws))
    version(aws)
    assert (await look(sessions, aws, plan)).accepted == []


async def test_what_was_deleted_since_is_left_alone(
    bucket: str, aws: Aws, plan: Plan, sessions: Sessions
) -> None:
    version(aws)
    put(aws)
    aws.s3.delete_object(Bucket=BUCKET, Key=KEY)
    report = await look(sessions, aws, plan)
    assert (report.looked_at, report.accepted) == (0, [])


async def test_only_what_is_below_the_prefix_and_of_a_route_is_an_upload(
    bucket: str, aws: Aws, plan: Plan, sessions: Sessions
) -> None:
    put(aws, key="reports/2026-11-20.parquet")
    put(aws, key="applications/readme.txt")
    report = await look(sessions, aws, plan)
    assert (report.looked_at, report.elsewhere, report.accepted) == (1, 1, [])


async def test_what_is_outside_the_time_asked_for_is_not_looked_at(
    bucket: str, aws: Aws, plan: Plan, sessions: Sessions
) -> None:
    put(aws)
    now = datetime.now(UTC)
    for since, until in [(now + HOUR, now + 2 * HOUR), (now - HOUR, now - HOUR / 2)]:
        report = await reconcile(sessions, aws.s3, plan, ROUTES, since=since, until=until)
        assert report.looked_at == 0


async def test_all_pages_of_a_listing_are_read(
    bucket: str, aws: Aws, plan: Plan, sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(5):
        put(aws, key=f"applications/A-{number}/license-front/é {number}+.jpg")
    make = aws.s3.get_paginator

    class Small:
        """The paginator with pages of two."""

        def __init__(self, name: Any) -> None:
            self._paginator = make(name)

        def paginate(self, **arguments: Any) -> Any:
            return self._paginator.paginate(**arguments, PaginationConfig={"PageSize": 2})

    monkeypatch.setattr(aws.s3, "get_paginator", Small)
    report = await look(sessions, aws, plan)
    assert (report.looked_at, len(report.accepted)) == (5, 5)
    assert report.accepted[0] == "applications/A-0/license-front/é 0+.jpg"


async def test_a_dry_run_names_what_was_missed_and_keeps_nothing(
    bucket: str, aws: Aws, plan: Plan, sessions: Sessions
) -> None:
    put(aws)
    assert (await look(sessions, aws, plan, dry_run=True)).accepted == [KEY]
    assert await documents(sessions) == []
    assert await runs(sessions) == 0


async def test_it_is_audited_and_a_flow_can_read_what_the_message_would_have_been(
    bucket: str, aws: Aws, plan: Plan, sessions: Sessions
) -> None:
    put(aws)
    await look(sessions, aws, plan)

    async with sessions() as session:
        [entry] = (await session.scalars(select(AuditEntry))).all()
        [notification] = (await session.scalars(select(Notification))).all()
        message = await notifications.message_of(session, notification.id)
    assert (entry.actor, entry.action) == ("reconcile", "document.received")
    assert (notification.kind, notification.outcome) == ("Listing", NotificationOutcome.ROUTED)
    events = s3_events.parse(message)
    assert isinstance(events, list)
    assert [(event.bucket, event.key) for event in events] == [(BUCKET, KEY)]


async def test_a_bucket_that_is_not_there_says_so(aws: Aws, plan: Plan, sessions: Sessions) -> None:
    with pytest.raises(Misconfigured, match="NoSuchBucket"):
        await look(sessions, aws, plan)


def test_the_command_accepts_what_is_old_enough(
    bucket: str, aws: Aws, database: DatabaseSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLUICE_DATABASE_URL", database.url.get_secret_value())
    put(aws)
    run = CliRunner()
    young = run.invoke(cli, ["aws", "reconcile", "--since", "1h"])
    dry = run.invoke(cli, ["aws", "reconcile", "--since", "1h", "--settled-minutes", "0", "--dry-run"])
    done = run.invoke(cli, ["aws", "reconcile", "--since", "1h", "--settled-minutes", "0"])
    again = run.invoke(cli, ["aws", "reconcile", "--since", "1h", "--settled-minutes", "0"])

    assert young.stdout == ""
    assert dry.stdout == done.stdout == f"{KEY}\n"
    assert done.stderr.endswith("1 objects: 0 known, 0 of no route, 1 accepted.\n")
    assert again.stdout == ""
    assert again.stderr.endswith("1 objects: 1 known, 0 of no route, 0 accepted.\n")
