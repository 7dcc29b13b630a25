"""Receive verified notifications: deduplicate, record documents, enqueue runs, all in one transaction.

What a message means is read from it alone (`read`); what is new of it only the database knows (`record`).
So whatever is wrong with a message is known before any transaction, and `record` takes many at once, in a
fixed number of statements. Rows are inserted in the order of their keys, table by table in one order, so
that two groups can never wait for each other.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

import structlog
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app import audit, runs, s3_events, sns, sns_client, tracing, uploads
from app.db import Direct, Sessions, insert_many
from app.models import Notification, NotificationOutcome, RunCause, new_id
from app.routing import Match, Routes
from app.runs import NewRun
from app.s3_events import ObjectEvent, S3TestEvent
from app.settings import SnsSettings
from app.sns import Message, MessageType
from app.uploads import Upload

log = structlog.get_logger()

LISTING = "Listing"
"""The kind of a notification that never came: its upload was found in the bucket."""

_RECONCILE = "reconcile"
"""The actor of the audit trail then."""


async def confirm(sessions: Sessions, settings: SnsSettings, message: Message) -> str | None:
    """Confirm the subscription the message asks for, outside any transaction: SNS may take its time.

    Returns the subscription's ARN, for `read`. None for a message that is no confirmation, for
    one that was recorded before, and when SNS takes its token no more.
    """
    if message.kind is not MessageType.SUBSCRIPTION_CONFIRMATION:
        return None
    async with sessions() as session:
        if await is_known(session, message):
            return None
    return await sns_client.confirm_subscription(settings, message.topic_arn, message.token or "")


@dataclass(frozen=True)
class Effects:
    """What a message causes, as far as it is new."""

    outcome: NotificationOutcome
    """ROUTED turns into DUPLICATE when nothing of it is new."""
    uploads: Sequence[tuple[Upload, Sequence[NewRun]]] = ()
    """Documents to record, each with the runs to enqueue if it is to be read."""
    runs: Sequence[NewRun] = ()
    """The other runs."""


@dataclass(frozen=True)
class Intake:
    """A verified message, or an upload that none announced, and what it causes, ready to be recorded."""

    id: uuid.UUID
    topic_arn: str
    message_id: str
    kind: str
    sent_at: datetime
    envelope: str
    effects: Effects
    subscription: str | None = None
    heard_from: str = "sns"
    """The actor of the audit trail."""
    traceparent: str | None = field(default_factory=tracing.current)


def read(routes: Routes, message: Message, envelope: bytes, *, subscription: str | None = None) -> Intake:
    """What the message causes by these routes; `subscription` is what `confirm` returned.

    The caller has verified the signature and the topic. Raises Malformed for an S3 event that cannot be
    read; nothing is to be recorded then.
    """
    notification_id = new_id()
    return Intake(
        id=notification_id,
        topic_arn=message.topic_arn,
        message_id=message.message_id,
        kind=message.kind,
        sent_at=message.sent_at,
        envelope=envelope.decode(),
        effects=_effects(routes, message, str(notification_id), subscription),
        subscription=subscription,
    )


async def verify_late(
    certificates: sns_client.CertificateCache,
    settings: SnsSettings,
    envelope: bytes,
    *,
    received_at: datetime,
) -> Message:
    """Read and verify a message that an operator lets in late: from the quarantine, or a dead-letter queue.

    All is checked that the endpoint checks of a body, by the present settings, but for two things. The age
    does not count: the operator vouches for it. And the certificate must have been valid at `received_at`,
    when the message came to where it waited. Raises what the endpoint answers.
    """
    message = sns.parse(envelope)
    sns.check_policy(message, settings.topics, now=message.sent_at)
    await sns_client.check_signature(certificates, settings, message, now=received_at)
    return message


def unannounced(routes: Routes, topic_arn: str, event: ObjectEvent) -> Intake | None:
    """An object of the bucket as if the topic had announced it; None if no route records it as an upload.

    It takes the routes that record documents and no other: only documents tell whether an event was known.
    """
    notification_id = new_id()
    uploading, _, values = _match(routes, topic_arn, event, str(notification_id))
    if not uploading:
        return None
    upload, caused = _of_upload(uploading, event, values)
    return Intake(
        id=notification_id,
        topic_arn=topic_arn,
        message_id=f"{event.bucket}/{event.key}@{event.object_version}",
        kind=LISTING,
        sent_at=event.event_time,
        envelope=json.dumps({"Type": LISTING, "Message": s3_events.as_message(event)}),
        effects=Effects(NotificationOutcome.ROUTED, [(replace(upload, heard_from=_RECONCILE), caused)]),
        heard_from=_RECONCILE,
    )


async def commit(sessions: Sessions, intakes: Sequence[Intake]) -> list[NotificationOutcome]:
    """Record the messages in one transaction; returns when it is committed."""
    with tracing.group(
        "inbox commit", [intake.traceparent for intake in intakes], {"sluice.messages": len(intakes)}
    ):
        async with sessions.begin() as session:
            return await record(session, intakes)


async def record(session: AsyncSession, intakes: Sequence[Intake]) -> list[NotificationOutcome]:
    """Record the messages and everything they cause, each once; returns the outcome of each."""
    inserted = await _insert(session, intakes)
    new = [intake for intake in intakes if intake.id in inserted]
    routed = await _act(session, new)
    outcomes = {
        intake.id: NotificationOutcome.DUPLICATE
        if intake.effects.outcome is NotificationOutcome.ROUTED and intake.id not in routed
        else intake.effects.outcome
        for intake in new
    }
    if known := [name for name, outcome in outcomes.items() if outcome is NotificationOutcome.DUPLICATE]:
        await session.execute(
            update(Notification)
            .where(Notification.id.in_(known))
            .values(outcome=NotificationOutcome.DUPLICATE)
        )
    unrouted = [intake for intake in new if outcomes[intake.id] is not NotificationOutcome.ROUTED]
    await audit.record_all(session, [_audited(intake, outcomes[intake.id]) for intake in unrouted])
    return [outcomes.get(intake.id, NotificationOutcome.DUPLICATE) for intake in intakes]


async def is_known(session: AsyncSession, message: Message) -> bool:
    """Whether the message was received before."""
    same = (Notification.topic_arn == message.topic_arn) & (Notification.message_id == message.message_id)
    return await session.scalar(select(Notification.id).where(same)) is not None


_INSERT = Direct(
    insert_many(Notification, "id", "topic_arn", "message_id", "kind", "envelope", "outcome", "sent_at")
    .on_conflict_do_nothing(index_elements=["topic_arn", "message_id"])
    .returning(Notification.id)
)


async def _insert(session: AsyncSession, intakes: Sequence[Intake]) -> set[uuid.UUID]:
    """Insert-or-ignore; the ids of the messages that were not known."""
    rows = [
        {
            "id": str(intake.id),
            "topic_arn": intake.topic_arn,
            "message_id": intake.message_id,
            "kind": intake.kind,
            "envelope": intake.envelope,
            "outcome": intake.effects.outcome,
            "sent_at": intake.sent_at.isoformat(),
        }
        for intake in sorted(intakes, key=lambda one: (one.topic_arn, one.message_id))
    ]
    return {notification_id for (notification_id,) in await _INSERT.run(session, rows=rows)}


async def _act(session: AsyncSession, intakes: Sequence[Intake]) -> set[uuid.UUID]:
    """Record the documents and enqueue the runs; the ids of the messages of which some run is new."""
    heard_of = [upload for intake in intakes for upload, _ in intake.effects.uploads]
    to_be_read = await uploads.receive(session, heard_of)
    wanted = [
        (intake.id, run)
        for intake in intakes
        for upload_id, caused in (
            *((upload.document_id, caused) for upload, caused in intake.effects.uploads),
            (None, intake.effects.runs),
        )
        if upload_id is None or upload_id in to_be_read
        for run in caused
    ]
    enqueued = await runs.enqueue_all(session, [run for _, run in wanted])
    return {name for (name, _), run_id in zip(wanted, enqueued, strict=True) if run_id is not None}


def _audited(intake: Intake, outcome: NotificationOutcome) -> audit.NewEntry:
    topic = intake.topic_arn
    if outcome is NotificationOutcome.UNSUBSCRIBED:
        # Its SubscribeURL would subscribe us again; that is for a person to decide.
        log.error("somebody ended an SNS subscription of ours: its events no longer arrive", topic=topic)
    subscription = {"subscription": intake.subscription} if intake.subscription else {}
    return audit.NewEntry(
        actor=intake.heard_from,
        action=f"notification.{outcome}",
        subject=f"notification:{intake.id}",
        detail={"topic": topic, **subscription},
    )


def _effects(routes: Routes, message: Message, notification_id: str, subscription: str | None) -> Effects:
    if message.kind is MessageType.SUBSCRIPTION_CONFIRMATION:
        return Effects(NotificationOutcome.CONFIRMED if subscription else NotificationOutcome.UNCONFIRMED)
    if message.kind is MessageType.UNSUBSCRIBE_CONFIRMATION:
        return Effects(NotificationOutcome.UNSUBSCRIBED)
    content = s3_events.parse(message.message)
    if isinstance(content, S3TestEvent):
        return Effects(NotificationOutcome.TEST_EVENT)
    if content is None:
        return _of_message(routes, message, notification_id)
    uploaded: list[tuple[Upload, Sequence[NewRun]]] = []
    others: list[NewRun] = []
    for event in content:
        uploading, matches, values = _match(routes, message.topic_arn, event, notification_id)
        if uploading:
            uploaded.append(_of_upload(uploading, event, values))
        others += (_of_object(match, event, values) for match in matches)
    matched = uploaded or others
    outcome = NotificationOutcome.ROUTED if matched else NotificationOutcome.UNMATCHED
    return Effects(outcome, uploaded, others)


def _of_message(routes: Routes, message: Message, notification_id: str) -> Effects:
    values = {
        "notification_id": notification_id,
        "message_id": message.message_id,
        "topic_arn": message.topic_arn,
    }
    caused = [
        NewRun.on_route(match.route, cause_kind=RunCause.MESSAGE, cause_id=notification_id, values=values)
        for match in routes.for_message(message.topic_arn)
    ]
    return Effects(NotificationOutcome.ROUTED if caused else NotificationOutcome.UNMATCHED, runs=caused)


def _match(
    routes: Routes, topic_arn: str, event: ObjectEvent, notification_id: str
) -> tuple[list[Match], list[Match], dict[str, str]]:
    """The routes that record the event as an upload, those that do not, and the values for both."""
    matches = routes.for_object(
        topic_arn=topic_arn, event_name=event.event_name, bucket=event.bucket, key=event.key
    )
    values = {
        "notification_id": notification_id,
        "bucket": event.bucket,
        "key": event.key,
        "version_id": event.version_id or "",
        "event_name": event.event_name,
    }
    uploading = [match for match in matches if match.route.records_document]
    return uploading, [match for match in matches if not match.route.records_document], values


def _of_upload(
    matches: Sequence[Match], event: ObjectEvent, values: Mapping[str, str]
) -> tuple[Upload, Sequence[NewRun]]:
    upload = Upload(
        document_id=new_id(),
        application_id=matches[0].captures["application_id"],
        kind=matches[0].captures.get("kind", "document"),
        requires=_required(matches),
        event=event,
    )
    document_id = str(upload.document_id)
    caused = [
        NewRun.on_route(
            match.route,
            cause_kind=RunCause.DOCUMENT,
            cause_id=document_id,
            application_id=upload.application_id,
            values={**values, **match.captures, "document_id": document_id},
        )
        for match in matches
    ]
    return upload, caused


def _required(matches: Sequence[Match]) -> tuple[str, ...]:
    """The kinds that the routes require, each once, in the order of the routes file."""
    return tuple(dict.fromkeys(kind for match in matches for kind in match.route.requires))


def _of_object(match: Match, event: ObjectEvent, values: Mapping[str, str]) -> NewRun:
    return NewRun.on_route(
        match.route,
        cause_kind=RunCause.OBJECT,
        cause_id=event.cause,
        values={**values, **match.captures},
    )
