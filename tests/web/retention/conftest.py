"""Applications that leave something behind everywhere, and what is left of them."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import boto3
import httpx
import pytest
from pydantic import SecretStr
from sqlalchemy import func, select, update

from app import applications, assessments, decisions, fingerprints, retention
from app.db import Sessions
from app.dev import specimens
from app.encryption import DigestKeys, Keyring, new_key
from app.models import (
    Application,
    Assessment,
    AuditEntry,
    Decision,
    Document,
    Email,
    EmailStatus,
    Fingerprint,
    Notification,
    Run,
    RunState,
)
from app.object_store import ObjectStore
from app.retention import Cutoffs
from app.settings import S3Settings, Settings
from tests.integration.flows.conftest import dump
from tests.web.conftest import BUCKET, Decide, Headers, Notify, notification, s3_events, s3_record

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

NOW = datetime.now(UTC)
CUTOFF = NOW - timedelta(days=30)
OLD = NOW - timedelta(days=60)
ALL = Cutoffs(CUTOFF, CUTOFF, CUTOFF, CUTOFF)

PERSON = specimens.person(11, NOW.date())
TRUTH = specimens.truth(PERSON)
PICTURE = specimens.to_jpeg(specimens.front(PERSON))
ADDRESS = "198.51.100.77"
REASON = "The income on the statement of Quimby Mills differs from the one stated."
NOTE = "Called the employer of Quimby Mills."
EMAIL = "jane.quimby@example.net"
DIGEST_KEYS = DigestKeys([SecretStr(new_key("test"))])


@pytest.fixture
def s3(moto_url: str, settings: Settings) -> S3Client:
    """A bucket that keeps versions, empty."""
    client = boto3.client("s3", endpoint_url=moto_url, region_name="us-east-1")
    client.create_bucket(Bucket=BUCKET)
    client.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    # Other tests leave their objects.
    for one in versions(client):
        client.delete_object(Bucket=BUCKET, Key=one["Key"], VersionId=one["VersionId"])
    return client


@pytest.fixture
def s3_settings(s3: S3Client, moto_url: str) -> S3Settings:
    return S3Settings(bucket=BUCKET, endpoint_url=moto_url)


@pytest.fixture
def store(s3_settings: S3Settings) -> ObjectStore:
    return ObjectStore(s3_settings)


def versions(s3: S3Client) -> list[dict[str, Any]]:
    """All that is in the bucket: versions of objects and markers of deletions."""
    page = s3.list_object_versions(Bucket=BUCKET)
    return [dict(one) for one in (*page.get("Versions", ()), *page.get("DeleteMarkers", ()))]


@dataclass(frozen=True)
class Applied:
    """An application that was read and decided, its run over."""

    id: str
    key: str
    document_id: uuid.UUID
    message: dict[str, str]
    """The values of the SNS message that announced its upload."""

    @property
    def url(self) -> str:
        return f"/v1/applications/{self.id}"


Apply = Callable[..., Awaitable[Applied]]


def event(key: str) -> str:
    """S3's message about an upload, with the uploader's address."""
    record = s3_record(key, versionId="version-1")
    return s3_events(record | {"requestParameters": {"sourceIPAddress": ADDRESS}})


@pytest.fixture
def apply(
    client: httpx.AsyncClient,
    loan_app: Headers,
    notify: Notify,
    decide: Decide,
    s3: S3Client,
    sessions: Sessions,
    settings: Settings,
) -> Apply:
    """Take an application through everything that leaves something behind, and make it old."""
    keyring = Keyring(settings.encryption.keys)

    async def apply(name: str, *, at: datetime = OLD, decided: bool = True) -> Applied:
        person = {"name": f"{TRUTH['FIRST_NAME']} {TRUTH['LAST_NAME']}", "email": EMAIL}
        url = f"/v1/applications/{name}"
        assert (await client.put(url, json={"applicant": person}, headers=loan_app)).status_code == 201
        key = f"applications/{name}/license-front/{uuid.uuid4()}.jpg"
        for content in (b"an earlier version", PICTURE):
            s3.put_object(Bucket=BUCKET, Key=key, Body=content)
        message = notification(event(key))
        assert (await notify(**{"message": message["Message"], **message})).json() == {"outcome": "routed"}
        async with sessions.begin() as session:
            document_id = await session.scalar(select(Document.id).where(Document.key == key))
            assert document_id is not None
            fields = {name: {"value": value} for name, value in TRUTH.items()}
            await applications.record_extraction(
                session, keyring, document_id, fields=fields, checks=[], recommendation="review", engine={}
            )
            await assessments.store(
                *(session, keyring, name),
                fields=fields,
                checks=[],
                recommendation="review",
                missing=[],
                documents=[document_id],
            )
            prints = fingerprints.of_person(DIGEST_KEYS, TRUTH["DOCUMENT_NUMBER"], TRUTH["DATE_OF_BIRTH"])
            await fingerprints.record(session, DIGEST_KEYS, document_id, prints)
        if decided:
            body = {"outcome": "denied", "reasons": [REASON], "decided_by": "underwriter-17", "note": NOTE}
            assert (await decide(body, url=f"{url}/decisions")).status_code == 202
            async with sessions.begin() as session:
                decision = (
                    await session.scalars(select(Decision).where(Decision.application_id == name))
                ).one()
                await decisions.apply(session, decision.id)
                session.add(Email(decision_id=decision.id, template="denied", status=EmailStatus.SENT))
                session.add(
                    Email(document_id=document_id, template="documents_received", status=EmailStatus.DUE)
                )
        async with sessions.begin() as session:
            await session.execute(
                update(Run)
                .where(Run.application_id == name)
                .values(state=RunState.COMPLETED, accepted_at=at, ended_at=at)
            )
            of_message = Notification.message_id == message["MessageId"]
            await session.execute(update(Notification).where(of_message).values(received_at=at))
            await session.execute(update(Document).where(Document.key == key).values(received_at=at))
            await session.execute(
                update(Application).where(Application.id == name).values(created_at=at, updated_at=at)
            )
        return Applied(name, key, document_id, message)

    return apply


async def purge(sessions: Sessions, store: ObjectStore, which: Cutoffs = ALL) -> dict[str, int]:
    return dict(await retention.purge(sessions, store, which, batch_size=2))


async def count(sessions: Sessions, model: type[Any], *conditions: Any) -> int:
    async with sessions() as session:
        return await session.scalar(select(func.count()).select_from(model).where(*conditions)) or 0


async def entries(sessions: Sessions, action: str) -> list[AuditEntry]:
    chosen = select(AuditEntry).where(AuditEntry.action == action).order_by(AuditEntry.sequence)
    async with sessions() as session:
        return list(await session.scalars(chosen))


async def assert_nothing_is_left(sessions: Sessions, settings: Settings, s3: S3Client, of: Applied) -> None:
    left = await dump(settings.database.url.get_secret_value())
    personal = [*TRUTH.values(), EMAIL, ADDRESS, REASON, NOTE, of.key]
    # Values of one or two letters, such as the sex, are in any text, and five digits by chance in some id.
    told = [value for value in personal if len(value) > (5 if value.isdigit() else 3)]
    assert not [value for value in told if value.casefold() in left.casefold()]
    for model in (Document, Decision, Run):
        assert await count(sessions, model, model.application_id == of.id) == 0
    async with sessions() as session:
        assert (await session.get_one(Application, of.id)).applicant is None
    assert await count(sessions, Assessment, Assessment.application_id == of.id) == 0
    assert await count(sessions, Fingerprint, Fingerprint.document_id == of.document_id) == 0
    assert not [one for one in versions(s3) if one["Key"] == of.key]
