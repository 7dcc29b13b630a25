"""Drains the dead-letter queue through the inbox: what SNS could not deliver is taken as if it had been.

SNS puts into the queue what it would have posted, signature included. So a message is verified as at the
endpoint and deduplicated by the same keys. It leaves the queue only after the commit; what cannot be taken
stays there, or moves to the quarantine if it never can.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from app import audit, inbox, quarantine
from app.aws.clients import explained
from app.db import Sessions
from app.errors import Malformed, NotFound, SluiceError
from app.models import NotificationOutcome
from app.routing import Routes
from app.settings import Settings
from app.sns import Message
from app.sns_client import CertificateCache

if TYPE_CHECKING:
    from mypy_boto3_sqs.client import SQSClient
    from mypy_boto3_sqs.type_defs import DeleteMessageBatchRequestEntryTypeDef, MessageTypeDef

_BATCH = 10
"""The most that SQS gives at once."""
_HIDDEN_SECONDS = 900
"""For so long a message that was received is ours; it comes back by itself if we die."""


@dataclass
class Report:
    """What became of the queue's messages."""

    taken: Counter[NotificationOutcome] = field(default_factory=Counter)
    """By the inbox; gone from the queue."""
    quarantined: int = 0
    """Signed by SNS, and of a content that cannot be read. Gone from the queue."""
    left: list[tuple[str, str]] = field(default_factory=list)
    """Still in the queue: the message's id there, and why."""


@dataclass(frozen=True)
class Drain:
    """What a redrive works with. `dry_run`: all is verified and looked up, nothing kept or deleted."""

    sessions: Sessions
    certificates: CertificateCache
    settings: Settings
    routes: Routes
    actor: str
    dry_run: bool


async def redrive(drain: Drain, sqs: SQSClient, queue: str, *, limit: int) -> Report:
    """Take up to `limit` messages out of the queue. Raises NotFound if there is no such queue."""
    report, seen = Report(), set[str]()
    with explained():
        url = await asyncio.to_thread(_url, sqs, queue)
        ours: dict[str, MessageTypeDef] = {}
        try:
            while len(seen) < limit:
                most = min(_BATCH, limit - len(seen))
                received = await asyncio.to_thread(_receive, sqs, url, most)
                batch = {one["MessageId"]: one for one in received if one["MessageId"] not in seen}
                if not batch:
                    break
                seen |= batch.keys()
                ours |= batch
                done = [name for name, one in batch.items() if await _take(drain, one, report)]
                if not drain.dry_run:
                    await asyncio.to_thread(_delete, sqs, url, [ours.pop(name) for name in done])
        finally:
            await asyncio.to_thread(_put_back, sqs, url, list(ours.values()))
    return report


async def _take(drain: Drain, received: MessageTypeDef, report: Report) -> bool:
    """Whether the message is safe with us, and may leave the queue."""
    envelope = received["Body"].encode()
    # SQS's own clock: when SNS gave the message up.
    received_at = datetime.fromtimestamp(int(received["Attributes"]["SentTimestamp"]) / 1_000, UTC)
    try:
        message = await inbox.verify_late(
            drain.certificates, drain.settings.sns, envelope, received_at=received_at
        )
        try:
            report.taken[await _record(drain, message, envelope)] += 1
        except Malformed as refusal:
            await _quarantine(drain, message, envelope, refusal, received_at)
            report.quarantined += 1
    except SluiceError as refusal:
        report.left.append((received["MessageId"], refusal.detail))
        return False
    return True


async def _record(drain: Drain, message: Message, envelope: bytes) -> NotificationOutcome:
    subscription = None
    if not drain.dry_run:
        subscription = await inbox.confirm(drain.sessions, drain.settings.sns, message)
    intake = inbox.read(drain.routes, message, envelope, subscription=subscription)
    async with drain.sessions() as session:
        [outcome] = await inbox.record(session, [intake])
        audit.record(
            session,
            actor=drain.actor,
            action="notification.redriven",
            subject=f"topic:{message.topic_arn}",
            message=message.message_id,
            outcome=outcome,
        )
        await (session.rollback() if drain.dry_run else session.commit())
    return outcome


async def _quarantine(
    drain: Drain, message: Message, envelope: bytes, refusal: Malformed, received_at: datetime
) -> None:
    """Keep what no redrive will ever take. Raises the refusal if another message would have to make room."""
    async with drain.sessions() as session:
        if not await quarantine.has_room(session, drain.settings.quarantine):
            raise refusal
        await quarantine.keep(session, drain.settings.quarantine, message, envelope, refusal, now=received_at)
        await (session.rollback() if drain.dry_run else session.commit())


def _url(sqs: SQSClient, queue: str) -> str:
    try:
        return sqs.get_queue_url(QueueName=queue)["QueueUrl"]
    except sqs.exceptions.QueueDoesNotExist:
        raise NotFound(f"There is no queue {queue}. `sluice aws connect` creates it.") from None


def _receive(sqs: SQSClient, url: str, most: int) -> Sequence[MessageTypeDef]:
    return sqs.receive_message(
        QueueUrl=url,
        MaxNumberOfMessages=most,
        # Long polling asks all of SQS's servers; otherwise an answer may be empty though the queue is not.
        WaitTimeSeconds=1,
        VisibilityTimeout=_HIDDEN_SECONDS,
        MessageSystemAttributeNames=["SentTimestamp"],
    ).get("Messages", [])


def _delete(sqs: SQSClient, url: str, messages: Sequence[MessageTypeDef]) -> None:
    """Delete them; one that SQS keeps nevertheless is a duplicate the next time."""
    if messages:
        entries: list[DeleteMessageBatchRequestEntryTypeDef] = [
            {"Id": str(number), "ReceiptHandle": one["ReceiptHandle"]} for number, one in enumerate(messages)
        ]
        sqs.delete_message_batch(QueueUrl=url, Entries=entries)


def _put_back(sqs: SQSClient, url: str, messages: Sequence[MessageTypeDef]) -> None:
    """Show them to others at once."""
    for one in messages:
        sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=one["ReceiptHandle"], VisibilityTimeout=0)
