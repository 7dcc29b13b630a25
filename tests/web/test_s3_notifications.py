"""S3's events through the door: several in a message, in any order, of any kind of bucket, by either way."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, func, select, update

from app import routing
from app.db import Sessions
from app.models import Application, ApplicationStatus, Document, DocumentStatus, Notification, Run
from app.web.deps import Gateway
from tests.web.conftest import BUCKET, Headers, Notify, s3_events, s3_record

KEY = "applications/A-1/license-front/front.jpg"


async def _documents(sessions: Sessions) -> dict[str | None, DocumentStatus]:
    """Statuses by ETag."""
    async with sessions() as session:
        return dict((await session.execute(select(Document.etag, Document.status))).all())


async def _count(sessions: Sessions, table: type) -> int:
    async with sessions() as session:
        return await session.scalar(select(func.count()).select_from(table)) or 0


async def test_each_record_of_a_message_starts_its_own_run(notify: Notify, sessions: Sessions) -> None:
    keys = [f"applications/A-{number}/license-front/front.jpg" for number in range(3)]
    answer = await notify(s3_events(*map(s3_record, keys), s3_record("elsewhere/file.jpg")))

    assert answer.json() == {"outcome": "routed"}
    async with sessions() as session:
        assert sorted(await session.scalars(select(Document.key))) == keys
    assert await _count(sessions, Run) == 3


async def test_two_versions_of_one_key_in_one_message_leave_the_later_one(
    notify: Notify, sessions: Sessions
) -> None:
    later, earlier = s3_record(KEY, etag="later", sequencer="0B"), s3_record(KEY, etag="earlier")
    await notify(s3_events(later, earlier))

    assert await _documents(sessions) == {
        "later": DocumentStatus.RECEIVED,
        "earlier": DocumentStatus.SUPERSEDED,
    }


@given(st.permutations(["0A", "0A01", "0b", "0B00FF", "0C"]))
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_in_whatever_order_events_come_the_latest_stands(
    notify: Notify, sessions: Sessions, sequencers: Sequence[str]
) -> None:
    async with sessions.begin() as session:
        for table in (Run, Document, Notification):
            await session.execute(delete(table))
    for sequencer in sequencers:
        answer = await notify(s3_events(s3_record(KEY, etag=sequencer, sequencer=sequencer)))
        assert answer.status_code == 200

    statuses = await _documents(sessions)
    assert {etag for etag, status in statuses.items() if status is DocumentStatus.RECEIVED} == {"0C"}
    assert len(statuses) == 5


async def test_an_older_version_that_comes_late_leaves_its_application_waiting(
    notify: Notify, sessions: Sessions, client: httpx.AsyncClient, loan_app: Headers
) -> None:
    await notify(s3_events(s3_record(KEY, etag="newer", sequencer="0B")))
    async with sessions.begin() as session:
        # More was asked for after it was read.
        await session.execute(update(Document).values(status=DocumentStatus.VERIFIED))
        await session.execute(update(Application).values(status=ApplicationStatus.AWAITING_DOCUMENT))
    before = (await client.get("/v1/applications/A-1", headers=loan_app)).json()
    await notify(s3_events(s3_record(KEY, etag="older", sequencer="0A")))
    after = (await client.get("/v1/applications/A-1", headers=loan_app)).json()

    assert [before["status"], after["status"]] == ["awaiting_document"] * 2
    assert [document["status"] for document in after["documents"]] == ["verified", "superseded"]
    assert after["version"] > before["version"]
    assert await _count(sessions, Run) == 1


async def test_a_message_may_bring_something_to_read_for_one_application_and_nothing_for_another(
    notify: Notify, sessions: Sessions
) -> None:
    await notify(s3_events(s3_record(KEY, etag="newer", sequencer="0B")))
    async with sessions.begin() as session:
        await session.execute(update(Application).values(status=ApplicationStatus.AWAITING_DOCUMENT))
    elsewhere = s3_record("applications/A-2/license-front/front.jpg")
    await notify(s3_events(s3_record(KEY, etag="older", sequencer="0A"), elsewhere))

    async with sessions() as session:
        statuses = dict((await session.execute(select(Application.id, Application.status))).all())
    assert statuses == {"A-1": ApplicationStatus.AWAITING_DOCUMENT, "A-2": ApplicationStatus.VERIFYING}


@pytest.mark.parametrize(
    ("first", "second", "documents"),
    [
        ({"versionId": "v1"}, {"versionId": "v2", "sequencer": "0B"}, 2),
        ({"versionId": "v1"}, {"versionId": "v1"}, 1),
        ({"versionId": "null"}, {"versionId": "null", "sequencer": "0B"}, 2),
        ({}, {"sequencer": "0B"}, 2),
        ({}, {}, 1),
    ],
    ids=["versioned", "the same version", "versioning suspended", "unversioned", "the same write"],
)
async def test_a_write_is_one_document_with_and_without_versioning(
    notify: Notify, sessions: Sessions, first: dict[str, Any], second: dict[str, Any], documents: int
) -> None:
    for stored in (first, second):
        await notify(s3_events(s3_record(KEY, **stored)))

    assert await _count(sessions, Document) == documents
    assert await _count(sessions, Run) == documents


async def test_a_key_is_decoded_once(notify: Notify, sessions: Sessions) -> None:
    await notify(s3_events(s3_record("applications%2FA-1/license-front/red+flower%252B%C3%A9.jpg")))

    async with sessions() as session:
        assert await session.scalar(select(Document.key)) == (
            "applications/A-1/license-front/red flower%2Bé.jpg"
        )


def event_bridge(detail_type: str = "Object Created", **detail: str) -> str:
    """The same upload as EventBridge tells it (S3 User Guide, "EventBridge event message structure")."""
    stored = {"key": KEY, "size": 1024, "etag": "d41d8cd98f00b204e9800998ecf8427e", "sequencer": "0A"}
    return json.dumps(
        {
            "version": "0",
            "id": "17793124-05d4-b198-2fde-7ededc63b103",
            "detail-type": detail_type,
            "source": "aws.s3",
            "account": "123456789012",
            "time": "2026-11-20T10:00:00Z",
            "region": "us-east-1",
            "resources": [f"arn:aws:s3:::{BUCKET}"],
            "detail": {"version": "0", "bucket": {"name": BUCKET}, "object": stored, **detail},
        }
    )


async def test_an_upload_told_by_event_bridge_starts_its_run_and_told_by_s3_too_no_second_one(
    notify: Notify, sessions: Sessions
) -> None:
    by_event_bridge = await notify(event_bridge(reason="POST Object"))
    by_s3 = await notify(s3_events(s3_record(KEY)))

    assert by_event_bridge.json() == {"outcome": "routed"}
    assert by_s3.json() == {"outcome": "duplicate"}
    assert await _count(sessions, Run) == 1


async def test_each_thing_that_happens_to_an_object_starts_a_run_once(
    notify: Notify, parts: Gateway, sessions: Sessions
) -> None:
    parts.routes = routing.load(
        """
        [[route]]
        name = "archive"
        source = "s3"
        event = "Object*"
        deployment = "archive/default"
        parameters = {event = "{event_name}"}
        """,
        "routes.toml",
    )
    told = [
        s3_record("scans/1", event=event, versionId="V1", sequencer=sequencer)
        for event, sequencer in (
            ("ObjectCreated:Put", "0A"),
            ("ObjectTagging:Put", None),
            ("ObjectRestore:Post", None),
            ("ObjectRestore:Completed", None),
            ("ObjectRemoved:Delete", "0B"),
        )
    ]
    first = [(await notify(s3_events(record))).json()["outcome"] for record in told]
    again = [(await notify(s3_events(record))).json()["outcome"] for record in told]

    assert first == ["routed"] * len(told)
    assert again == ["duplicate"] * len(told)
    async with sessions() as session:
        events = [run.parameters["event"] for run in await session.scalars(select(Run).order_by(Run.id))]
    assert events == [record["eventName"] for record in told]


@pytest.mark.parametrize(
    "message",
    [
        s3_events(s3_record(KEY, event="ObjectRemoved:Delete", sequencer="0B")),
        s3_events(s3_record(KEY, event="ObjectRemoved:DeleteMarkerCreated", versionId="v2")),
        event_bridge("Object Deleted", **{"deletion-type": "Permanently Deleted"}),
    ],
    ids=["removed", "delete marker", "through EventBridge"],
)
async def test_a_removal_is_recorded_and_changes_nothing(
    notify: Notify, sessions: Sessions, message: str
) -> None:
    await notify(s3_events(s3_record(KEY, etag="kept")))
    answer = await notify(message)

    assert answer.status_code == 200
    assert answer.json() == {"outcome": "unmatched"}
    assert await _documents(sessions) == {"kept": DocumentStatus.RECEIVED}
    assert await _count(sessions, Notification) == 2


@pytest.mark.parametrize(
    "stored",
    [{"size": 2**63}, {"size": 10**400}, {"size": 1e300}, {"eTag": "\ud800"}, {"versionId": "\x00"}],
    ids=["size beyond counting", "a longer size", "a broken size", "half a pair", "NUL"],
)
async def test_what_the_database_could_not_store_is_a_400(notify: Notify, stored: dict[str, Any]) -> None:
    assert (await notify(s3_events(s3_record(KEY, **stored)))).status_code == 400
