"""Receive a verified notification: deduplicate, record documents, enqueue runs, all in one transaction."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

from sqlalchemy import update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app import applications, audit, runs, s3_events
from app.errors import Malformed
from app.models import Notification, NotificationOutcome, RunCause, new_id
from app.routing import Match, Routes
from app.s3_events import ObjectEvent, S3TestEvent
from app.sns import Message, MessageType

_WITHOUT_EVENTS = {
    MessageType.SUBSCRIPTION_CONFIRMATION: NotificationOutcome.CONFIRMED,
    MessageType.UNSUBSCRIBE_CONFIRMATION: NotificationOutcome.UNSUBSCRIBED,
}


@dataclass(frozen=True)
class Receipt:
    """What became of a notification. `problem` says what is wrong with a rejected one."""

    outcome: NotificationOutcome
    problem: str | None = None


async def receive(session: AsyncSession, routes: Routes, message: Message, envelope: bytes) -> Receipt:
    """Record the message and everything it causes, once; a repeated message changes nothing.

    The caller has verified the signature and the topic. A rejected message is recorded too: commit,
    then refuse it.
    """
    notification_id = await _insert(session, message, envelope)
    if notification_id is None:
        return Receipt(NotificationOutcome.DUPLICATE)
    receipt = await _act(session, routes, message, notification_id)
    if receipt.outcome is not NotificationOutcome.ROUTED:
        await session.execute(
            update(Notification).where(Notification.id == notification_id).values(outcome=receipt.outcome)
        )
        audit.record(
            session,
            actor="sns",
            action=f"notification.{receipt.outcome}",
            subject=f"notification:{notification_id}",
            topic=message.topic_arn,
        )
    return receipt


async def _insert(session: AsyncSession, message: Message, envelope: bytes) -> uuid.UUID | None:
    """Insert-or-ignore; the new row's id, or None when this message is known."""
    new = insert(Notification).values(
        id=new_id(),
        topic_arn=message.topic_arn,
        message_id=message.message_id,
        kind=message.kind,
        envelope=envelope.decode(),
        outcome=NotificationOutcome.ROUTED,
        sent_at=message.sent_at,
    )
    inserted = new.on_conflict_do_nothing(index_elements=["topic_arn", "message_id"])
    notification_id: uuid.UUID | None = await session.scalar(inserted.returning(Notification.id))
    return notification_id


async def _act(
    session: AsyncSession, routes: Routes, message: Message, notification_id: uuid.UUID
) -> Receipt:
    if message.kind in _WITHOUT_EVENTS:
        return Receipt(_WITHOUT_EVENTS[message.kind])
    try:
        content = s3_events.parse(message.message)
    except Malformed as error:
        return Receipt(NotificationOutcome.REJECTED, error.detail)
    if isinstance(content, S3TestEvent):
        return Receipt(NotificationOutcome.TEST_EVENT)
    ids = {"notification_id": str(notification_id)}
    if content is None:
        return Receipt(await _route_message(session, routes, message, ids))
    # In the order of their keys, so that two messages about the same applications cannot deadlock.
    events = sorted(content, key=lambda event: (event.key, event.sequencer or ""))
    outcomes = {await _route_object(session, routes, message.topic_arn, event, ids) for event in events}
    ranking = (NotificationOutcome.ROUTED, NotificationOutcome.DUPLICATE)
    return Receipt(next((best for best in ranking if best in outcomes), NotificationOutcome.UNMATCHED))


async def _route_message(
    session: AsyncSession, routes: Routes, message: Message, ids: dict[str, str]
) -> NotificationOutcome:
    values = {**ids, "message_id": message.message_id, "topic_arn": message.topic_arn}
    matches = routes.for_message(message.topic_arn)
    for match in matches:
        new = runs.NewRun.on_route(
            match.route, cause_kind=RunCause.MESSAGE, cause_id=ids["notification_id"], values=values
        )
        await runs.enqueue(session, new)
    return NotificationOutcome.ROUTED if matches else NotificationOutcome.UNMATCHED


async def _route_object(
    session: AsyncSession, routes: Routes, topic_arn: str, event: ObjectEvent, ids: dict[str, str]
) -> NotificationOutcome:
    matches = routes.for_object(
        topic_arn=topic_arn, event_name=event.event_name, bucket=event.bucket, key=event.key
    )
    if not matches:
        return NotificationOutcome.UNMATCHED
    values = {
        **ids,
        "bucket": event.bucket,
        "key": event.key,
        "version_id": event.version_id or "",
        "event_name": event.event_name,
    }
    uploads = [match for match in matches if match.route.records_document]
    others = [match for match in matches if not match.route.records_document]
    new = await _enqueue_for_document(session, uploads, event, values) if uploads else False
    for match in others:
        new |= await _enqueue_for_object(session, match, event, values)
    return NotificationOutcome.ROUTED if new else NotificationOutcome.DUPLICATE


async def _enqueue_for_document(
    session: AsyncSession, matches: list[Match], event: ObjectEvent, values: dict[str, str]
) -> bool:
    """Record the upload and enqueue its runs; False when it is known or superseded."""
    application_id = matches[0].captures["application_id"]
    kind = matches[0].captures.get("kind", "document")
    document = await applications.receive_document(session, event, application_id=application_id, kind=kind)
    if document is None:
        return False
    for match in matches:
        new = runs.NewRun.on_route(
            match.route,
            cause_kind=RunCause.DOCUMENT,
            cause_id=str(document.id),
            application_id=application_id,
            values={**values, **match.captures, "document_id": str(document.id)},
        )
        await runs.enqueue(session, new)
    return True


async def _enqueue_for_object(
    session: AsyncSession, match: Match, event: ObjectEvent, values: dict[str, str]
) -> bool:
    new = runs.NewRun.on_route(
        match.route,
        cause_kind=RunCause.OBJECT,
        cause_id=f"{event.bucket}/{event.key}@{event.object_version}",
        values={**values, **match.captures},
    )
    return await runs.enqueue(session, new) is not None
