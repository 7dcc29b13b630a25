"""`sluice aws redrive`: the dead-letter queue through the inbox, each message safe before it leaves."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError
from typer.testing import CliRunner

from app import routing
from app.aws.clients import Aws
from app.aws.connect import connect
from app.aws.plan import Plan
from app.aws.redrive import Drain, Report, redrive
from app.cli import cli
from app.db import Base, Sessions, create_engine, session_factory
from app.dev.process import free_port
from app.dev.sns_signing import Signer
from app.errors import NotFound
from app.models import AuditEntry, Notification, NotificationOutcome, QuarantinedMessage, Run
from app.settings import DatabaseSettings, Settings, TopicPolicy
from app.sns_client import CertificateCache
from tests.integration.aws.conftest import TOPIC
from tests.web.conftest import s3_event

EVENT = s3_event("applications/A-1/license-front/front.jpg")


class DeadLetters:
    """The queue, filled as SNS fills it, and what is in it."""

    def __init__(self, aws: Aws, plan: Plan, signer: Signer) -> None:
        self._sqs, self._signer = aws.sqs, signer
        self._url = aws.sqs.get_queue_url(QueueName=plan.queue)["QueueUrl"]

    def send(self, body: str) -> None:
        self._sqs.send_message(QueueUrl=self._url, MessageBody=body)

    def undelivered(self, message: str = EVENT, *, sent: datetime | None = None, **content: str) -> str:
        """Put what SNS would have posted into the queue; moto's SNS redrives nothing itself."""
        at = (sent or datetime.now(UTC)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        body = self._signer.envelope(
            {
                "Type": "Notification",
                "MessageId": str(uuid.uuid4()),
                "TopicArn": TOPIC,
                "Message": message,
                "Timestamp": at,
                **content,
            }
        ).decode()
        self.send(body)
        return body

    def __len__(self) -> int:
        """How many are there for anybody to receive."""
        found = self._sqs.get_queue_attributes(
            QueueUrl=self._url, AttributeNames=["ApproximateNumberOfMessages"]
        )
        return int(found["Attributes"]["ApproximateNumberOfMessages"])


@pytest.fixture
def trusting(with_database: Settings, signer: Signer) -> Settings:
    """Settings of a gateway that takes the signer for SNS."""
    origin = signer.certificate_url.removesuffix(signer.certificate_path)
    with_database.sns.extra_certificate_origins = [origin]
    return with_database


@pytest.fixture
def letters(aws: Aws, plan: Plan, signer: Signer) -> DeadLetters:
    for _ in connect(aws, plan, manage_bucket=True, policies=False):
        pass
    return DeadLetters(aws, plan, signer)


@pytest.fixture
async def drain(trusting: Settings, sessions: Sessions) -> AsyncIterator[Drain]:
    async with httpx.AsyncClient(trust_env=False) as client:
        yield Drain(
            sessions=sessions,
            certificates=CertificateCache(client),
            settings=trusting,
            routes=routing.shipped(),
            actor="cli",
            dry_run=False,
        )


async def run(drain: Drain, aws: Aws, plan: Plan, *, limit: int = 1_000) -> Report:
    return await redrive(drain, aws.sqs, plan.queue, limit=limit)


async def count(sessions: Sessions, table: type[Base]) -> int:
    async with sessions() as session:
        return len((await session.scalars(select(table))).all())


async def test_what_sns_could_not_deliver_is_taken_and_leaves_the_queue(
    drain: Drain, letters: DeadLetters, aws: Aws, plan: Plan, sessions: Sessions
) -> None:
    letters.undelivered()
    report = await run(drain, aws, plan)

    assert report.taken == {NotificationOutcome.ROUTED: 1}
    assert report.left == []
    assert len(letters) == 0
    assert await count(sessions, Run) == 1
    async with sessions() as session:
        entries = await session.scalars(
            select(AuditEntry).where(AuditEntry.action == "notification.redriven")
        )
        [entry] = entries.all()
    assert (entry.actor, entry.subject) == ("cli", f"topic:{TOPIC}")


async def test_more_than_sqs_gives_at_once(
    drain: Drain, letters: DeadLetters, aws: Aws, plan: Plan, sessions: Sessions
) -> None:
    for number in range(23):
        letters.undelivered(s3_event(f"applications/A-{number}/license-front/front.jpg"))
    report = await run(drain, aws, plan, limit=21)
    assert report.taken.total() == 21
    assert len(letters) == 2
    assert (await run(drain, aws, plan)).taken.total() == 2
    assert await count(sessions, Run) == 23


async def test_what_we_have_already_is_a_duplicate_and_leaves_too(
    drain: Drain, letters: DeadLetters, aws: Aws, plan: Plan, sessions: Sessions
) -> None:
    body = letters.undelivered()
    letters.send(body)
    letters.undelivered()
    report = await run(drain, aws, plan)

    assert report.taken == {NotificationOutcome.ROUTED: 1, NotificationOutcome.DUPLICATE: 2}
    assert await count(sessions, Run) == 1
    assert await count(sessions, Notification) == 2
    assert len(letters) == 0


async def test_its_age_does_not_count(
    drain: Drain, letters: DeadLetters, aws: Aws, plan: Plan, sessions: Sessions
) -> None:
    """By the topic's policy it is too old; it waited in the queue, and an operator vouches for it."""
    letters.undelivered(sent=datetime.now(UTC) - timedelta(days=13))
    report = await run(drain, aws, plan)
    assert report.taken == {NotificationOutcome.ROUTED: 1}


async def test_its_certificate_counts_as_of_when_it_came_into_the_queue(
    drain: Drain, letters: DeadLetters, aws: Aws, plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Certificates are valid for about a year and messages wait for days; forged ones never were valid."""
    letters.undelivered()
    # The signer's certificate is valid from yesterday. SQS's time says two days ago: nobody's had it then.
    receive = aws.sqs.receive_message

    def early(**arguments: object) -> object:
        answer = receive(**arguments)  # type: ignore[arg-type]  # passed on as they come
        for one in answer.get("Messages", []):
            sent = datetime.now(UTC) - timedelta(days=2)
            one["Attributes"]["SentTimestamp"] = str(int(sent.timestamp() * 1_000))
        return answer

    monkeypatch.setattr(aws.sqs, "receive_message", early)
    [(_, reason)] = (await run(drain, aws, plan)).left
    assert "The signing certificate is valid from" in reason


async def test_what_sns_did_not_sign_stays_and_is_told(
    drain: Drain, letters: DeadLetters, aws: Aws, plan: Plan, sessions: Sessions
) -> None:
    body = json.loads(letters.undelivered())
    letters.send(json.dumps({**body, "Message": "{}", "MessageId": str(uuid.uuid4())}))
    letters.send("Hello?")
    report = await run(drain, aws, plan)

    assert report.taken.total() == 1
    reasons = sorted(reason for _, reason in report.left)
    assert "The body is not JSON" in reasons[0]
    assert "The signature does not match" in reasons[1]
    assert len(letters) == 2, "shown to others again, and not deleted"
    assert await count(sessions, QuarantinedMessage) == 0


@pytest.mark.parametrize(
    ("topics", "said"),
    [
        ({}, "add it to SLUICE_SNS_TOPICS"),
        ({TOPIC: TopicPolicy(min_signature_version=2)}, "must sign with version 2"),
    ],
)
async def test_what_the_settings_refuse_stays_until_they_are_corrected(
    topics: dict[str, TopicPolicy],
    said: str,
    drain: Drain,
    letters: DeadLetters,
    signer: Signer,
    aws: Aws,
    plan: Plan,
) -> None:
    content = {"Type": "Notification", "MessageId": str(uuid.uuid4()), "TopicArn": TOPIC, "Message": EVENT}
    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    letters.send(signer.envelope({**content, "Timestamp": now}, signature_version=1).decode())
    drain.settings.sns.topics = topics
    [(_, reason)] = (await run(drain, aws, plan)).left
    assert said in reason
    assert len(letters) == 1

    drain.settings.sns.topics = {TOPIC: TopicPolicy()}
    assert (await run(drain, aws, plan)).taken == {NotificationOutcome.ROUTED: 1}
    assert len(letters) == 0


async def test_what_can_never_be_read_moves_to_the_quarantine(
    drain: Drain, letters: DeadLetters, aws: Aws, plan: Plan, sessions: Sessions
) -> None:
    letters.undelivered('{"Records": [{"eventSource": "aws:s3"}]}')
    report = await run(drain, aws, plan)

    assert (report.quarantined, report.left) == (1, [])
    assert len(letters) == 0
    async with sessions() as session:
        [kept] = (await session.scalars(select(QuarantinedMessage))).all()
    assert kept.reason == "malformed"


async def test_a_full_quarantine_takes_nothing_that_would_push_out_another(
    drain: Drain, letters: DeadLetters, aws: Aws, plan: Plan, sessions: Sessions
) -> None:
    drain.settings.quarantine.max_messages = 1
    letters.undelivered('{"Records": [{"eventSource": "aws:s3"}]}')
    letters.undelivered('{"Records": [{"eventSource": "aws:s3", "eventName": "x"}]}')
    report = await run(drain, aws, plan)

    assert (report.quarantined, len(report.left)) == (1, 1)
    assert len(letters) == 1
    assert await count(sessions, QuarantinedMessage) == 1


async def test_without_a_certificate_it_stays_for_another_time(
    drain: Drain, letters: DeadLetters, aws: Aws, plan: Plan, sessions: Sessions
) -> None:
    nobody = f"http://127.0.0.1:{free_port()}"
    drain.settings.sns.extra_certificate_origins = [nobody]
    unreachable = DeadLetters(aws, plan, Signer(nobody))
    unreachable.undelivered()
    report = await run(drain, aws, plan)
    assert "cannot be fetched" in report.left[0][1]
    assert len(letters) == 1
    assert await count(sessions, Notification) == 0


async def test_a_database_that_fails_costs_no_message(
    drain: Drain,
    letters: DeadLetters,
    aws: Aws,
    plan: Plan,
    sessions: Sessions,
    database: DatabaseSettings,
) -> None:
    letters.undelivered()
    engine = create_engine(database.model_copy(update={"statement_timeout_seconds": 0.3}))
    hurried = Drain(**{**vars(drain), "sessions": session_factory(engine)})
    async with sessions.begin() as holder:
        await holder.execute(text("LOCK TABLE notifications IN ACCESS EXCLUSIVE MODE"))
        with pytest.raises(DBAPIError, match="timeout"):
            await run(hurried, aws, plan)
    await engine.dispose()
    assert len(letters) == 1
    assert (await run(drain, aws, plan)).taken == {NotificationOutcome.ROUTED: 1}


async def test_a_dry_run_says_what_would_be_and_leaves_all_as_it_is(
    drain: Drain, letters: DeadLetters, aws: Aws, plan: Plan, sessions: Sessions
) -> None:
    letters.undelivered()
    letters.undelivered('{"Records": [{"eventSource": "aws:s3"}]}')
    dry = Drain(**{**vars(drain), "dry_run": True})
    report = await run(dry, aws, plan)

    assert (report.taken, report.quarantined) == ({NotificationOutcome.ROUTED: 1}, 1)
    assert len(letters) == 2
    for table in (Notification, Run, AuditEntry, QuarantinedMessage):
        assert await count(sessions, table) == 0


async def test_a_queue_that_is_not_there_says_how_to_make_it(drain: Drain, aws: Aws, plan: Plan) -> None:
    with pytest.raises(NotFound, match="sluice aws connect"):
        await run(drain, aws, plan)


async def test_a_message_of_the_endpoint_and_of_the_queue_is_one(
    drain: Drain, letters: DeadLetters, aws: Aws, plan: Plan, sessions: Sessions
) -> None:
    """SNS gave up though we had committed: our answers were lost."""
    body = letters.undelivered()
    await run(drain, aws, plan)
    letters.send(body)
    assert (await run(drain, aws, plan)).taken == {NotificationOutcome.DUPLICATE: 1}
    assert await count(sessions, Notification) == 1


async def test_the_command_fails_while_something_is_left(
    letters: DeadLetters,
    trusting: Settings,
    database: DatabaseSettings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SLUICE_DATABASE_URL", database.url.get_secret_value())
    letters.send("Hello?")
    monkeypatch.setenv("SLUICE_SNS_TOPICS", TOPIC)
    done = await asyncio.to_thread(CliRunner().invoke, cli, ["aws", "redrive"])
    assert done.exit_code == 1, done.output
    assert "     1  left in the queue" in done.stdout
    assert "The body is not JSON" in done.stdout
