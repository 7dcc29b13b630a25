"""The quarantine: messages that SNS really signed and that we refused, and how an operator lets one in.

Kept are: a topic that is not listed, a message too old or signed by too low a version, an S3 event that
cannot be read. Never kept is what SNS did not sign, for that anybody can send. What strangers send is
checked so seldom, and makes room so readily, that they can neither hinder nor push out anybody.
"""

from __future__ import annotations

import time
import uuid
from collections import deque
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import structlog
from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app import audit, inbox, sns
from app.db import Sessions
from app.errors import BadRequest, Forbidden, NotFound, SluiceError, StillRefused, TopicNotAllowed
from app.models import QuarantinedMessage, new_id
from app.routing import Routes
from app.settings import QuarantineSettings, SnsSettings
from app.sns_client import CertificateCache
from app.telemetry import EVICTED, QUARANTINED

log = structlog.get_logger()


class Strangers:
    """How many messages of unlisted topics are looked at: a few in any minute, with a certificate cache of
    their own, so that fetches for them never stand in the way of a listed topic."""

    def __init__(
        self,
        certificates: CertificateCache,
        settings: QuarantineSettings,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.certificates = certificates
        self._per_minute = settings.unlisted_per_minute
        self._clock = clock
        self._looked_at: deque[float] = deque()

    def admit(self) -> bool:
        """Whether one more may be looked at now; counts it if so."""
        now = self._clock()
        while self._looked_at and self._looked_at[0] <= now - 60:
            self._looked_at.popleft()
        if len(self._looked_at) >= self._per_minute:
            return False
        self._looked_at.append(now)
        return True


async def keep(
    session: AsyncSession,
    settings: QuarantineSettings,
    message: sns.Message,
    envelope: bytes,
    refusal: SluiceError,
    *,
    now: datetime,
) -> None:
    """Keep a refused message once, and make room for it. The caller has checked its signature at `now`.

    One that the inbox has is not kept: a replay of old messages must not fill the quarantine.
    """
    if await inbox.is_known(session, message):
        return
    new = insert(QuarantinedMessage).values(
        id=new_id(),
        topic_arn=message.topic_arn,
        message_id=message.message_id,
        kind=message.kind,
        reason=refusal.slug,
        detail=refusal.detail,
        listed=not isinstance(refusal, TopicNotAllowed),
        envelope=envelope.decode(),
        sent_at=message.sent_at,
        received_at=now,
    )
    once = new.on_conflict_do_nothing(index_elements=["topic_arn", "message_id"])
    if await session.scalar(once.returning(QuarantinedMessage.id)) is None:
        return
    QUARANTINED.labels(refusal.slug).inc()
    log.warning(
        "message quarantined", topic=message.topic_arn, message=message.message_id, reason=refusal.slug
    )
    await expire(session, settings, now=now)
    await _make_room(session, settings.max_messages)


async def has_room(session: AsyncSession, settings: QuarantineSettings) -> bool:
    """Whether one more can be kept without another making room for it."""
    count = await session.scalar(select(func.count()).select_from(QuarantinedMessage)) or 0
    return count < settings.max_messages


async def expire(session: AsyncSession, settings: QuarantineSettings, *, now: datetime) -> None:
    """Delete what was received longer ago than messages are kept."""
    oldest = now - timedelta(days=settings.max_age_days)
    await session.execute(delete(QuarantinedMessage).where(QuarantinedMessage.received_at < oldest))


async def _make_room(session: AsyncSession, max_messages: int) -> None:
    """Delete what is above the limit: what was released, then strangers' messages, then the others.

    Among strangers the AWS account that has most goes first, so that one that makes noise, under however
    many topics, pushes out its own messages and nobody else's.
    """
    surplus = (await session.scalar(select(func.count()).select_from(QuarantinedMessage)) or 0) - max_messages
    if surplus <= 0:
        return
    account = func.split_part(QuarantinedMessage.topic_arn, ":", 5)
    leaving = (
        select(QuarantinedMessage.id)
        .order_by(
            QuarantinedMessage.released_at.is_(None),
            QuarantinedMessage.listed,
            func.count().over(partition_by=(QuarantinedMessage.listed, account)).desc(),
            QuarantinedMessage.received_at,
            QuarantinedMessage.id,
        )
        .limit(surplus)
    )
    left = await session.execute(
        delete(QuarantinedMessage)
        .where(QuarantinedMessage.id.in_(leaving))
        .returning(QuarantinedMessage.released_at)
    )
    if lost := sum(released_at is None for (released_at,) in left):
        EVICTED.inc(lost)
        log.warning("the quarantine is full, the oldest messages made room", lost=lost)


async def listing(
    session: AsyncSession, *, limit: int, before: uuid.UUID | None = None
) -> Sequence[QuarantinedMessage]:
    """The newest messages first, released ones included; `before` is the last id of the page before."""
    newest = select(QuarantinedMessage).order_by(QuarantinedMessage.id.desc()).limit(limit)
    if before is not None:
        newest = newest.where(QuarantinedMessage.id < before)
    return (await session.scalars(newest)).all()


async def release(
    sessions: Sessions,
    certificates: CertificateCache,
    settings: SnsSettings,
    routes: Routes,
    entry_id: uuid.UUID,
    *,
    actor: str,
) -> QuarantinedMessage:
    """Let the message in by the inbox, as if it arrived now; releasing it again changes nothing.

    Its topic must be listed and its signature is checked anew, by the present settings but for the time it
    was received. Its age no longer counts: an operator vouches for it. Raises NotFound, StillRefused which
    says what to change, or Unavailable.
    """
    async with sessions() as session:
        entry = await _find(session, entry_id)
    if entry.released_at is not None:
        return entry
    envelope = entry.envelope.encode()
    try:
        message = await inbox.verify_late(certificates, settings, envelope, received_at=entry.received_at)
        subscription = await inbox.confirm(sessions, settings, message)
        intake = inbox.read(routes, message, envelope, subscription=subscription)
        async with sessions.begin() as session:
            entry = await _find(session, entry_id, lock=True)
            if entry.released_at is None:
                [entry.outcome] = await inbox.record(session, [intake])
                await _mark_released(session, entry, actor)
    except (BadRequest, Forbidden) as refusal:
        raise StillRefused(
            f"The message would be refused again. {refusal.detail}", reason=refusal.slug
        ) from None
    return entry


async def _find(session: AsyncSession, entry_id: uuid.UUID, *, lock: bool = False) -> QuarantinedMessage:
    entry = await session.get(QuarantinedMessage, entry_id, with_for_update=lock or None)
    if entry is None:
        raise NotFound(f"There is no message {entry_id} in quarantine; it may have made room for others.")
    return entry


async def _mark_released(session: AsyncSession, entry: QuarantinedMessage, actor: str) -> None:
    entry.released_at = await session.scalar(select(func.now()))
    audit.record(
        session,
        actor=actor,
        action="quarantine.released",
        subject=f"quarantine:{entry.id}",
        topic=entry.topic_arn,
        message=entry.message_id,
        reason=entry.reason,
        outcome=entry.outcome,
    )
