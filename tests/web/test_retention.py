"""What is purged is gone, from the database, from the bucket and for whoever asks, and does not come back."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import boto3
import httpx
import pytest
from moto.server import ThreadedMotoServer
from pydantic import SecretStr
from sqlalchemy import func, insert, select, update
from typer.testing import CliRunner, Result

from app import (
    applications,
    assessments,
    audit,
    decisions,
    envelopes,
    erasure,
    fingerprints,
    notifications,
    retention,
    runs,
)
from app.cli import cli
from app.db import Sessions
from app.dev import specimens
from app.dev.sns_signing import Signer
from app.encryption import DigestKeys, Keyring, new_key
from app.errors import Conflict, NotFound, ObjectStoreUnavailable, Purged
from app.models import (
    Application,
    Assessment,
    AuditEntry,
    Decision,
    Document,
    Email,
    EmailStatus,
    Fingerprint,
    LeavingObject,
    Notification,
    Run,
    RunCause,
    RunState,
    new_id,
)
from app.object_store import ObjectStore
from app.retention import Cutoffs
from app.settings import S3Settings, Settings
from tests.integration.flows.conftest import dump
from tests.web.conftest import BUCKET, TOPIC, Decide, Headers, Notify, notification, s3_events, s3_record

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


@pytest.fixture(scope="module")
def s3_url() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def s3(s3_url: str, settings: Settings) -> S3Client:
    """A bucket that keeps versions, empty."""
    client = boto3.client("s3", endpoint_url=s3_url, region_name="us-east-1")
    client.create_bucket(Bucket=BUCKET)
    client.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    # All servers of a process share what they hold, and other tests leave their objects.
    for one in versions(client):
        client.delete_object(Bucket=BUCKET, Key=one["Key"], VersionId=one["VersionId"])
    return client


@pytest.fixture
def s3_settings(s3: S3Client, s3_url: str) -> S3Settings:
    return S3Settings(bucket=BUCKET, endpoint_url=s3_url)


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


async def test_an_old_application_goes_with_all_that_was_personal(
    apply: Apply, sessions: Sessions, settings: Settings, s3: S3Client, store: ObjectStore
) -> None:
    old = await apply("A-1")
    s3.delete_object(Bucket=BUCKET, Key=old.key)
    before = await dump(settings.database.url.get_secret_value())
    assert all(value in before for value in (ADDRESS, REASON, old.key))
    assert len(versions(s3)) == 3
    assert await audit.seal(sessions) > 0

    assert await purge(sessions, store) == {
        "pictures": 1,
        "extractions": 1,
        "fingerprints": 1,
        "assessments": 1,
        "applications": 1,
        "documents": 1,
        "decisions": 1,
        "emails": 2,
        "runs": 2,
        "notifications": 1,
        "objects": 1,
    }

    await assert_nothing_is_left(sessions, settings, s3, old)
    assert await purge(sessions, store) == {}
    assert await audit.seal(sessions) > 0
    chain = await audit.verify(sessions)
    assert (chain.unsealed, chain.broken_at) == (0, None)


async def test_the_trail_says_what_was_removed_and_by_whom(
    apply: Apply, sessions: Sessions, store: ObjectStore
) -> None:
    old = await apply("A-1")
    await purge(sessions, store, Cutoffs(applications=CUTOFF, notifications=CUTOFF))
    [entry] = await entries(sessions, "application.purged")
    assert (entry.actor, entry.subject) == ("retention", "application:A-1")
    assert entry.detail == {
        "documents": 1,
        "extractions": 1,
        "fingerprints": 1,
        "assessments": 1,
        "decisions": 1,
        "emails": 2,
        "runs": 2,
    }
    [deleted] = await entries(sessions, "document.picture_deleted")
    assert deleted.subject == f"document:{old.document_id}"
    [dropped] = await entries(sessions, "notifications.purged")
    assert dropped.detail == {"count": 1, "before": CUTOFF.isoformat()}


async def test_only_what_is_over_goes(
    apply: Apply, sessions: Sessions, s3: S3Client, store: ObjectStore
) -> None:
    await apply("young", at=NOW - timedelta(days=1))
    await apply("undecided", decided=False)
    await apply("under-way")
    await apply("over")
    async with sessions.begin() as session:
        running = update(Run).where(Run.application_id == "under-way", Run.cause_kind == RunCause.DECISION)
        await session.execute(running.values(state=RunState.RUNNING))

    assert (await purge(sessions, store, Cutoffs(CUTOFF, CUTOFF)))["applications"] == 1
    for name in ("young", "undecided", "under-way"):
        assert await count(sessions, Document, Document.application_id == name) == 1
        assert await count(sessions, Run, Run.application_id == name) >= 1
    assert len({one["Key"] for one in versions(s3)}) == 3


async def test_what_others_hold_is_left_for_the_next_time(
    apply: Apply, sessions: Sessions, store: ObjectStore
) -> None:
    for name in ("A-1", "A-2", "A-3"):
        await apply(name)
    async with sessions.begin() as session:
        await applications.lock(session, "A-2")
        async with asyncio.timeout(5):
            assert (await purge(sessions, store, Cutoffs(applications=CUTOFF)))["applications"] == 2
    assert (await purge(sessions, store, Cutoffs(applications=CUTOFF)))["applications"] == 1


async def test_a_deadlock_with_the_follower_ends_neither(
    apply: Apply, sessions: Sessions, store: ObjectStore
) -> None:
    old = await apply("A-1")
    async with sessions.begin() as session:
        await session.execute(update(Run).where(Run.application_id == old.id).values(version=Run.version + 1))
        purging = asyncio.create_task(purge(sessions, store, Cutoffs(applications=CUTOFF)))
        await asyncio.sleep(0.3)
        # PostgreSQL looks for a deadlock after a second, from whoever has waited for so long.
        await applications.lock(session, old.id)
        assert await purging == {}
    assert (await purge(sessions, store, Cutoffs(applications=CUTOFF)))["applications"] == 1


async def test_pictures_go_before_their_applications(
    apply: Apply,
    client: httpx.AsyncClient,
    underwriter: Headers,
    sessions: Sessions,
    s3: S3Client,
    store: ObjectStore,
    notify: Notify,
) -> None:
    old = await apply("A-1")
    seen = await client.get(old.url, headers=underwriter)
    assert await purge(sessions, store, Cutoffs(documents=CUTOFF)) == {
        "pictures": 1,
        "extractions": 1,
        "fingerprints": 1,
        "assessments": 1,
        "objects": 1,
    }
    assert versions(s3) == []
    kept = await client.get(old.url, headers={**underwriter, "If-None-Match": seen.headers["ETag"]})
    assert (kept.status_code, kept.json()["decision"]["reasons"]) == (200, [REASON])
    [document] = kept.json()["documents"]
    assert document["purged_at"] is not None
    assert (seen.json()["assessment"]["recommendation"], kept.json()["assessment"]) == ("review", None)
    read = await client.get(f"/v1/documents/{old.document_id}", headers=underwriter)
    assert (read.status_code, read.json()["extraction"]) == (200, None)
    # S3 may tell of one upload in two messages, of which one waited somewhere.
    assert (await notify(event(old.key))).json() == {"outcome": "duplicate"}
    assert await count(sessions, Run) == 2

    assert await purge(sessions, store, Cutoffs(documents=CUTOFF)) == {}
    # What was removed is no news: the application's own time runs on.
    assert (await purge(sessions, store, Cutoffs(applications=CUTOFF)))["applications"] == 1


class Killed(Exception):
    """The end of the process."""


class Dying(ObjectStore):
    """The process ends while it deletes: after the first picture, or before."""

    def __init__(self, settings: S3Settings, *, after: bool) -> None:
        super().__init__(settings)
        self.after = after

    async def delete(self, bucket: str, key: str) -> str | None:
        if self.after:
            await super().delete(bucket, key)
        raise Killed


@pytest.mark.parametrize("after", [True, False], ids=["after the picture", "before the picture"])
async def test_a_purge_that_was_killed_is_finished_by_the_next(
    after: bool,
    apply: Apply,
    sessions: Sessions,
    settings: Settings,
    s3: S3Client,
    s3_settings: S3Settings,
    store: ObjectStore,
) -> None:
    old = await apply("A-1")
    with pytest.raises(Killed):
        await purge(sessions, Dying(s3_settings, after=after))
    assert await count(sessions, LeavingObject, LeavingObject.key == old.key) == 1
    assert (versions(s3) == []) is after

    # Also when no period is set any more: what was begun is finished.
    assert await purge(sessions, store, Cutoffs()) == {"objects": 1}
    assert await count(sessions, LeavingObject) == 0
    await purge(sessions, store)
    await assert_nothing_is_left(sessions, settings, s3, old)
    assert len(await entries(sessions, "application.purged")) == 1


async def test_a_picture_that_s3_keeps_is_not_forgotten(
    apply: Apply, sessions: Sessions, s3: S3Client, store: ObjectStore
) -> None:
    old = await apply("A-1")
    async with sessions.begin() as session:
        await session.execute(
            update(Document).where(Document.id == old.document_id).values(bucket="no-such-bucket")
        )
    assert (await purge(sessions, store))["objects_kept"] == 1
    assert await purge(sessions, store) == {"objects_kept": 1}
    assert await count(sessions, LeavingObject) == 1


async def test_only_the_object_itself_is_deleted(s3: S3Client, store: ObjectStore) -> None:
    for key in ("a/b.jpg", "a/b.jpg.bak", "a/b.jpg/c"):
        s3.put_object(Bucket=BUCKET, Key=key, Body=PICTURE)
    for _ in range(2):
        assert await store.delete(BUCKET, "a/b.jpg") is None
        assert {one["Key"] for one in versions(s3)} == {"a/b.jpg.bak", "a/b.jpg/c"}


async def test_nothing_is_forgotten_while_s3_is_away(
    apply: Apply, sessions: Sessions, settings: Settings, s3: S3Client, store: ObjectStore
) -> None:
    old = await apply("A-1")
    away = ObjectStore(S3Settings(bucket=BUCKET, endpoint_url="http://127.0.0.1:9"))
    with pytest.raises(ObjectStoreUnavailable):
        await purge(sessions, away)
    assert versions(s3)
    await purge(sessions, store)
    await assert_nothing_is_left(sessions, settings, s3, old)


async def test_a_redelivered_message_starts_nothing(
    apply: Apply, notify: Notify, sessions: Sessions, s3: S3Client, store: ObjectStore
) -> None:
    old = await apply("A-1")
    await purge(sessions, store)
    assert await count(sessions, Notification) == 1

    again = await notify(**{"message": old.message["Message"], **old.message})
    assert again.json() == {"outcome": "duplicate"}
    assert await count(sessions, LeavingObject) == 0
    in_another_message = await notify(event(old.key))
    assert in_another_message.json() == {"outcome": "duplicate"}
    assert (await count(sessions, Run), await count(sessions, Document)) == (0, 0)


async def test_an_upload_for_a_purged_application_is_deleted_and_never_read(
    apply: Apply, notify: Notify, sessions: Sessions, s3: S3Client, store: ObjectStore
) -> None:
    await apply("A-1")
    await purge(sessions, store)
    key = "applications/A-1/license-front/late.jpg"
    s3.put_object(Bucket=BUCKET, Key=key, Body=PICTURE)
    await notify(event(key))

    assert (await count(sessions, Run), await count(sessions, Document)) == (0, 0)
    assert await purge(sessions, store, Cutoffs()) == {"objects": 1}
    assert versions(s3) == []


async def test_a_purged_application_is_gone_for_everybody(
    apply: Apply,
    client: httpx.AsyncClient,
    loan_app: Headers,
    underwriter: Headers,
    decide: Decide,
    sessions: Sessions,
    store: ObjectStore,
) -> None:
    old = await apply("A-1")
    known = (await client.get(old.url, headers=loan_app)).headers["ETag"]
    waiting = asyncio.create_task(
        client.get(old.url, headers={**loan_app, "If-None-Match": known, "Prefer": "wait=10"})
    )
    await asyncio.sleep(0.2)
    await purge(sessions, store, Cutoffs(applications=CUTOFF))
    read = await waiting

    answers = [
        read,
        await client.get(old.url, headers=underwriter),
        await client.get(f"{old.url}/events", headers=loan_app),
        await client.put(old.url, json={"applicant": {"name": "A B", "email": EMAIL}}, headers=loan_app),
        await client.post(
            f"{old.url}/uploads",
            json={"kind": "license-front", "content_type": "image/jpeg"},
            headers=loan_app,
        ),
        await decide({"outcome": "approved", "decided_by": "u-17"}, url=f"{old.url}/decisions"),
    ]
    assert {answer.status_code for answer in answers} == {410}
    problem = read.json()
    assert problem["type"] == "urn:sluice:problem:purged"
    assert "new application needs an id of its own" in problem["detail"]
    assert (await client.get(f"/v1/documents/{old.document_id}", headers=underwriter)).status_code == 404


async def test_one_application_goes_at_once(
    apply: Apply, sessions: Sessions, settings: Settings, s3: S3Client, store: ObjectStore
) -> None:
    asked = await apply("A-1", at=NOW, decided=False)
    other = await apply("A-10", at=NOW)
    counts = await erasure.erase_application(sessions, "A-1", actor="cli")
    counts += await erasure.delete_objects(sessions, store)

    assert counts == {
        "applications": 1,
        "documents": 1,
        "extractions": 1,
        "fingerprints": 1,
        "assessments": 1,
        "runs": 1,
        "notifications": 1,
        "objects": 1,
    }
    [entry] = await entries(sessions, "application.purged")
    assert (entry.actor, entry.subject) == ("cli", "application:A-1")
    assert {one["Key"] for one in versions(s3)} == {other.key}
    async with sessions() as session:
        kept = {row.message_id: row.envelope for row in await session.scalars(select(Notification))}
    assert kept[asked.message["MessageId"]] is None
    assert other.key in (kept[other.message["MessageId"]] or "")

    assert await erasure.erase_application(sessions, "A-1", actor="cli") == {}
    await erasure.erase_application(sessions, "A-10", actor="cli")
    await erasure.delete_objects(sessions, store)
    await assert_nothing_is_left(sessions, settings, s3, asked)
    await audit.seal(sessions)
    assert (await audit.verify(sessions)).broken_at is None


async def test_an_application_under_way_goes_only_by_force(
    apply: Apply, sessions: Sessions, settings: Settings, s3: S3Client, store: ObjectStore
) -> None:
    asked = await apply("A-1")
    async with sessions.begin() as session:
        run_id = await session.scalar(
            update(Run)
            .where(Run.cause_kind == RunCause.DOCUMENT)
            .values(state=RunState.RUNNING)
            .returning(Run.id)
        )
    with pytest.raises(Conflict, match=str(run_id)):
        await erasure.erase_application(sessions, "A-1", actor="cli")
    assert await count(sessions, Notification, Notification.envelope.is_not(None)) == 1

    await erasure.erase_application(sessions, "A-1", actor="cli", force=True)
    await erasure.delete_objects(sessions, store)
    await assert_nothing_is_left(sessions, settings, s3, asked)
    # The flow that was reading it has nowhere to write to.
    async with sessions.begin() as session:
        with pytest.raises(NotFound):
            await applications.begin_verification(session, asked.document_id)


async def test_what_another_message_told_of_the_upload_goes_too(
    apply: Apply, notify: Notify, sessions: Sessions, store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(envelopes, "_LOOKED_THROUGH_AT_ONCE", 2)
    asked = await apply("A-1", at=NOW)
    for number in range(5):
        await notify(event(asked.key if number % 2 else f"applications/A-1{number}/license-front/a.jpg"))
    counts = await erasure.erase_application(sessions, "A-1", actor="cli")
    assert counts["notifications"] == 3
    assert await count(sessions, Notification, Notification.envelope.is_(None)) == 3


async def test_a_message_that_a_waiting_run_needs_is_kept(
    notify: Notify, sessions: Sessions, store: ObjectStore
) -> None:
    await notify("news of nobody")
    async with sessions.begin() as session:
        [received] = list(
            await session.scalars(update(Notification).values(received_at=OLD).returning(Notification))
        )
        new = runs.NewRun(
            cause_kind=RunCause.MESSAGE,
            cause_id=str(received.id),
            route="reports",
            deployment="flow/default",
            parameters={"name": f"report {received.id}"},
        )
        await runs.enqueue(session, new)
        await session.execute(update(Run).values(accepted_at=OLD))
    assert await purge(sessions, store, ALL) == {}

    async with sessions.begin() as session:
        await session.execute(update(Run).values(state=RunState.COMPLETED, ended_at=OLD))
    assert await purge(sessions, store, ALL) == {"notifications": 1, "runs": 1}
    async with sessions() as session:
        with pytest.raises(Purged):
            await notifications.message_of(session, received.id)


async def test_a_message_whose_run_was_purged_starts_no_second_one(
    client: httpx.AsyncClient, signer: Signer, sessions: Sessions, store: ObjectStore
) -> None:
    content = notification("news of nobody")
    await client.post("/v1/sns", content=signer.envelope(content))
    async with sessions.begin() as session:
        session.add(
            Run(
                cause_kind=RunCause.MESSAGE,
                cause_id="the message",
                route="reports",
                deployment="flow/default",
                parameters={},
                tags=[],
                state=RunState.FAILED,
                ended_at=OLD,
            )
        )
        await session.execute(update(Notification).values(received_at=OLD))
    assert await purge(sessions, store) == {"notifications": 1, "runs": 1}
    again = await client.post("/v1/sns", content=signer.envelope(content))
    assert again.json() == {"outcome": "duplicate"}
    assert await count(sessions, Run) == 0


async def test_a_quarantined_message_about_the_application_goes(
    apply: Apply, client: httpx.AsyncClient, signer: Signer, sessions: Sessions, store: ObjectStore
) -> None:
    asked = await apply("A-1")
    strange = notification(event(asked.key), TopicArn=f"{TOPIC}-unlisted")
    await client.post("/v1/sns", content=signer.envelope(strange))
    counts = await erasure.erase_application(sessions, "A-1", actor="cli")
    assert counts["quarantine"] == 1


@pytest.fixture
def sluice(
    settings: Settings, s3_settings: S3Settings, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Any]:
    """The command, on this test's database and bucket."""
    monkeypatch.setenv("SLUICE_DATABASE_URL", settings.database.url.get_secret_value())
    monkeypatch.setenv("SLUICE_LOG_LEVEL", "WARNING")
    monkeypatch.setenv("SLUICE_S3_BUCKET", BUCKET)
    monkeypatch.setenv("SLUICE_S3_ENDPOINT_URL", s3_settings.endpoint_url or "")

    async def run(*arguments: str) -> Result:
        return await asyncio.to_thread(CliRunner().invoke, cli, ["purge", *arguments])

    return run


async def test_the_command_removes_nothing_unless_a_period_is_set(
    apply: Apply, sluice: Callable[..., Any], sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    await apply("A-1")
    unset = await sluice()
    assert unset.exit_code == 0
    assert "No retention period is set" in unset.stderr
    assert await count(sessions, Document) == 1

    monkeypatch.setenv("SLUICE_RETENTION_APPLICATIONS_DAYS", "30")
    rehearsed = await sluice("--dry-run")
    assert "1  applications" in rehearsed.stdout
    assert await count(sessions, Document) == 1
    done = await sluice()
    assert "1  objects" in done.stdout
    assert "No retention period" not in done.stderr
    assert await count(sessions, Document) == 0


async def test_the_command_takes_a_time_instead(
    apply: Apply, sluice: Callable[..., Any], sessions: Sessions
) -> None:
    await apply("A-1")
    await apply("A-2", at=NOW - timedelta(days=3))
    assert "1  applications" in (await sluice("--before", "30d", "--dry-run")).stdout
    assert (await sluice("--before", "30d")).exit_code == 0
    assert await count(sessions, Application, Application.purged_at.is_not(None)) == 1


async def test_the_command_removes_one_application(
    apply: Apply, sluice: Callable[..., Any], sessions: Sessions, s3: S3Client
) -> None:
    await apply("A-1", at=NOW)
    assert "1  documents" in (await sluice("--application", "A-1", "--dry-run")).stdout
    assert (
        await count(sessions, Document)
        == await count(sessions, Notification, Notification.envelope.is_not(None))
        == 1
    )
    assert (await sluice("--application", "A-1")).exit_code == 0
    assert versions(s3) == []
    assert isinstance((await sluice("--application", "A-2")).exception, NotFound)


async def test_the_command_fails_when_a_picture_stays(sluice: Callable[..., Any], sessions: Sessions) -> None:
    async with sessions.begin() as session:
        leaving = {"document_id": new_id(), "bucket": "no-such-bucket", "key": "a"}
        await session.execute(insert(LeavingObject).values(leaving))
    failed = await sluice()
    assert failed.exit_code == 1
    assert "S3 refused to delete 1 pictures" in failed.stderr


@pytest.mark.parametrize("arguments", [("--force",), ("--application", "A-1", "--before", "1d")])
async def test_a_command_that_contradicts_itself_is_refused(
    sluice: Callable[..., Any], arguments: tuple[str, ...]
) -> None:
    assert (await sluice(*arguments)).exit_code == 2
