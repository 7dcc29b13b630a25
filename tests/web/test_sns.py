"""`POST /v1/sns`: what becomes a run, what does not, and which status tells SNS to come back."""

from __future__ import annotations

import json
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from sqlalchemy import func, select

from app.db import Sessions
from app.dev.sns_signing import Signer, now
from app.models import (
    Application,
    ApplicationStatus,
    Document,
    DocumentStatus,
    Notification,
    Run,
    RunState,
)
from app.quarantine import Strangers
from app.settings import QuarantineSettings
from app.web.deps import Gateway
from tests.web.conftest import TOPIC, Notify, notification, s3_event

KEY = "applications/A-1/license-front/front.jpg"


async def _count(sessions: Sessions, table: type) -> int:
    async with sessions() as session:
        return await session.scalar(select(func.count()).select_from(table)) or 0


async def test_an_upload_becomes_one_document_and_one_accepted_run(
    notify: Notify, sessions: Sessions
) -> None:
    answer = await notify(s3_event(KEY))

    assert answer.status_code == 200
    assert answer.json() == {"outcome": "routed"}
    async with sessions() as session:
        run = await session.scalar(select(Run))
        document = await session.scalar(select(Document))
        application = await session.get(Application, "A-1")
    assert run is not None
    assert document is not None
    assert application is not None
    assert run.state is RunState.ACCEPTED
    assert run.deployment == "document-verification/default"
    assert run.parameters == {"document_id": str(document.id)}
    assert document.kind == "license-front"
    assert application.status is ApplicationStatus.VERIFYING


async def test_the_same_message_twice_is_answered_200_and_starts_one_run(
    notify: Notify, sessions: Sessions
) -> None:
    message_id = str(uuid.uuid4())
    await notify(s3_event(KEY), MessageId=message_id)
    again = await notify(s3_event(KEY), MessageId=message_id)

    assert again.status_code == 200
    assert again.json() == {"outcome": "duplicate"}
    assert await _count(sessions, Run) == 1


async def test_the_same_upload_in_two_messages_starts_one_run(notify: Notify, sessions: Sessions) -> None:
    await notify(s3_event(KEY))
    again = await notify(s3_event(KEY))

    assert again.json() == {"outcome": "duplicate"}
    assert await _count(sessions, Run) == 1
    assert await _count(sessions, Notification) == 2


async def test_a_late_older_event_does_not_override_a_newer_upload(
    notify: Notify, sessions: Sessions
) -> None:
    await notify(s3_event(KEY, etag="new", sequencer="0B"))
    await notify(s3_event(KEY, etag="old", sequencer="0A"))

    async with sessions() as session:
        statuses = dict((await session.execute(select(Document.etag, Document.status))).all())
    assert statuses == {"new": DocumentStatus.RECEIVED, "old": DocumentStatus.SUPERSEDED}
    assert await _count(sessions, Run) == 1


@pytest.mark.parametrize(
    ("message", "outcome"),
    [
        (s3_event("elsewhere/file.jpg"), "unmatched"),
        ('{"Service":"Amazon S3","Event":"s3:TestEvent","Time":"2026-11-20T10:00:00.000Z","Bucket":"b-1"}',
         "test_event"),
        ("any text", "unmatched"),
    ],
    ids=["other key", "test event", "no event"],
)  # fmt: skip
async def test_a_listed_message_without_a_route_is_recorded_and_starts_nothing(
    notify: Notify, sessions: Sessions, message: str, outcome: str
) -> None:
    answer = await notify(message)

    assert answer.status_code == 200
    assert answer.json() == {"outcome": outcome}
    assert await _count(sessions, Run) == 0
    assert await _count(sessions, Notification) == 1


async def test_a_malformed_s3_event_is_refused_and_starts_nothing(notify: Notify, sessions: Sessions) -> None:
    answer = await notify(json.dumps({"Records": [{"eventSource": "aws:s3", "eventVersion": "2.1"}]}))

    assert answer.status_code == 400
    assert answer.json()["type"] == "urn:sluice:problem:malformed"
    assert await _count(sessions, Run) == 0


async def test_a_topic_that_is_not_listed_is_refused_and_starts_nothing(
    notify: Notify, sessions: Sessions
) -> None:
    answer = await notify(s3_event(KEY), TopicArn="arn:aws:sns:us-east-1:999999999999:stranger")

    assert answer.status_code == 403
    assert answer.headers["content-type"] == "application/problem+json"
    assert "SLUICE_SNS_TOPICS" in answer.json()["detail"]
    assert await _count(sessions, Run) == 0


async def test_a_changed_message_is_refused_without_a_trace(
    client: httpx.AsyncClient, signer: Signer, sessions: Sessions
) -> None:
    signed = signer.envelope(
        {
            "Type": "Notification",
            "MessageId": str(uuid.uuid4()),
            "TopicArn": TOPIC,
            "Message": s3_event(KEY),
            "Timestamp": now(),
        }
    )
    forged = signed.replace(b"applications/A-1/", b"applications/A-2/")
    assert forged != signed
    answer = await client.post("/v1/sns", content=forged)

    assert answer.status_code == 403
    assert answer.json()["type"] == "urn:sluice:problem:signature-invalid"
    assert await _count(sessions, Run) == 0
    assert await _count(sessions, Notification) == 0


async def test_a_real_message_of_another_account_is_refused(
    client: httpx.AsyncClient, parts: Gateway
) -> None:
    parts.strangers = Strangers(parts.certificates, QuarantineSettings(unlisted_per_minute=0))
    fixture = Path(__file__).parent.parent / "fixtures/sns/test-notification-no-subject.json"
    answer = await client.post("/v1/sns", content=fixture.read_bytes())

    assert answer.status_code == 403
    assert answer.json()["type"] == "urn:sluice:problem:topic-not-allowed"


async def test_what_is_not_an_sns_message_is_refused_with_the_setting_to_change(
    client: httpx.AsyncClient,
) -> None:
    answer = await client.post("/v1/sns", content=s3_event(KEY).encode())

    assert answer.status_code == 400
    assert "RawMessageDelivery" in answer.json()["detail"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff",
        b"[" * 200_000,
        b'{"Type": ' * 50_000,
        b"1" * 10_000,
        b'{"Type": "Notification", "TopicArn": ' + b"9" * 10_000 + b"}",
        b'{"Type": "Notification", "TopicArn": 1e999999}',
        b'{"Type": "Notification", "TopicArn": "\\ud800"}',
        b'{"Type": "\\udfff", "TopicArn": "x"}',
        b'{"Type": NaN, "TopicArn": null}',
    ],
    ids=[
        "empty",
        "not UTF-8",
        "nested",
        "nested objects",
        "long number",
        "long number inside",
        "infinite",
        "half a pair",
        "half a pair as type",
        "not a number",
    ],
)
async def test_what_is_built_to_break_a_parser_is_a_400(client: httpx.AsyncClient, body: bytes) -> None:
    answer = await client.post("/v1/sns", content=body)

    assert answer.status_code == 400
    assert answer.json()["type"] == "urn:sluice:problem:not-an-sns-message"


@pytest.mark.parametrize("field", ["Message", "Subject", "MessageId", "Timestamp", "Signature"])
@pytest.mark.parametrize("text", [r"\ud800", r"\udc00\ud800", r"\u0000"])
async def test_text_that_is_no_text_is_a_400_in_every_field(
    client: httpx.AsyncClient, signer: Signer, field: str, text: str
) -> None:
    signed = json.loads(signer.envelope(notification("any text", Subject="x")))
    body = json.dumps({**signed, field: "PLACE"}).replace("PLACE", text).encode()

    assert (await client.post("/v1/sns", content=body)).status_code == 400


async def test_a_body_that_grows_beyond_the_limit_is_read_no_further(client: httpx.AsyncClient) -> None:
    sent = 0

    async def chunks() -> AsyncIterator[bytes]:
        nonlocal sent
        for _ in range(400):
            sent += 65_536
            yield b"x" * 65_536

    answer = await client.post("/v1/sns", content=chunks())

    assert answer.status_code == 413
    assert answer.headers["content-type"] == "application/problem+json"
    assert sent <= 1_048_576 + 2 * 65_536
