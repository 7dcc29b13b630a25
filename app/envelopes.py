"""Dropping what was received, while the rows stay that know a message again.

An envelope tells who uploaded from which address and to which key. Without it a notification is a few ids
and times, and SNS sending it again is a duplicate as before.
"""

from __future__ import annotations

import json
import uuid
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote_plus

from sqlalchemy import (
    ColumnElement,
    Row,
    Select,
    Subquery,
    Text,
    Uuid,
    cast,
    delete,
    func,
    or_,
    select,
    tuple_,
    update,
)
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from app import s3_events
from app.db import Sessions
from app.errors import SluiceError
from app.models import (
    UNFINISHED_RUN_STATES,
    Application,
    LeavingObject,
    Notification,
    QuarantinedMessage,
    Run,
)

Counts = Counter[str]
"""How many of each kind of row."""

Place = tuple[datetime, uuid.UUID]
"""A notification's place among all that have their envelope: when it was received, and its id."""

_place = tuple_(Notification.received_at, Notification.id)
_LOOKED_THROUGH_AT_ONCE = 5_000
_LONGEST_WAIT = timedelta(minutes=1)
"""A row's time is that at which its transaction began. The first message about an application may have begun
before the registration that it had to wait for, by less than the statement timeout (10 s)."""
_UUID = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"


def old(cutoff: datetime) -> list[ColumnElement[bool]]:
    """Received before then, and not named by a run that is not over: its flow may read the message."""
    named = func.unnest(func.regexp_matches(cast(Run.parameters, Text), _UUID, "g"))
    needed = select(cast(named, Uuid)).where(Run.state.in_(UNFINISHED_RUN_STATES), Run.accepted_at < cutoff)
    return [
        Notification.envelope.is_not(None),
        Notification.received_at < cutoff,
        Notification.id.not_in(needed),
    ]


def some_old(cutoff: datetime, after: Place | None, limit: int) -> Select[datetime, uuid.UUID]:
    """The places of some of them, the oldest first, locked; those that others hold are left out."""
    conditions = old(cutoff) if after is None else [*old(cutoff), _place > after]
    chosen = select(Notification.received_at, Notification.id).where(*conditions)
    return (
        chosen.order_by(Notification.received_at, Notification.id)
        .limit(limit)
        .with_for_update(of=Notification, skip_locked=True)
    )


async def drop(session: AsyncSession, notification_ids: Collection[uuid.UUID]) -> None:
    """Drop the envelopes of these notifications."""
    if notification_ids:
        chosen = update(Notification).where(Notification.id.in_(notification_ids))
        await session.execute(chosen.values(envelope=None))


async def drop_of(
    sessions: Sessions, application: Application, keys: Collection[tuple[str, str]], *, dry_run: bool = False
) -> Counts:
    """Drop what tells of the application's uploads, given their buckets and keys; in quarantine the rows too.

    No index leads from an application to its messages, and one may have come several times. So all since it
    was created are looked through, some thousands in a transaction. What told of a key that is not given is
    known by the application's id as a folder. `dry_run` only counts.
    """
    counts = Counts()
    async with sessions.begin() as session:
        columns = select(QuarantinedMessage.id, QuarantinedMessage.envelope)
        mention = columns.where(_mentions(QuarantinedMessage.envelope, application.id))
        held = _about((await session.execute(mention)).all(), application.id, keys)
        if not dry_run:
            await session.execute(delete(QuarantinedMessage).where(QuarantinedMessage.id.in_(held)))
    counts["quarantine"] = len(held)
    after: Place | None = (application.created_at - _LONGEST_WAIT, uuid.UUID(int=0))
    while after is not None:
        async with sessions.begin() as session:
            page = _page(after)
            last = select(page.c.received_at, page.c.id).order_by(page.c.received_at.desc(), page.c.id.desc())
            row = (await session.execute(last.limit(1))).one_or_none()
            after = None if row is None else (*row,)
            mention = select(page.c.id, page.c.envelope).where(_mentions(page.c.envelope, application.id))
            told = _about((await session.execute(mention)).all(), application.id, keys)
            if not dry_run:
                await drop(session, told)
        counts["notifications"] += len(told)
    return +counts


async def drop_turned_away(session: AsyncSession, objects: Collection[LeavingObject]) -> int:
    """Drop what told of uploads for purged applications, given their notes; how many messages it was.

    Such a note was made in its message's transaction, so both bear the same time.
    """
    columns = select(Notification.id, Notification.envelope).where(
        Notification.envelope.is_not(None), Notification.received_at.in_({one.since for one in objects})
    )
    keys = {(one.bucket, one.key) for one in objects}
    told = [
        found_id
        for found_id, envelope in await session.execute(columns)
        if any((event.bucket, event.key) in keys for event in _events(envelope or ""))
    ]
    await drop(session, told)
    return len(told)


def _page(after: Place) -> Subquery:
    columns = select(Notification.received_at, Notification.id, Notification.envelope)
    later = columns.where(Notification.envelope.is_not(None), _place > after)
    ordered = later.order_by(Notification.received_at, Notification.id)
    return ordered.limit(_LOOKED_THROUGH_AT_ONCE).subquery()


def _mentions(envelope: ColumnElement[Any] | InstrumentedAttribute[str], name: str) -> ColumnElement[bool]:
    """Whether the name is in the text, as it is or as S3 writes it in a key."""
    return or_(func.strpos(envelope, name) > 0, func.strpos(envelope, quote_plus(name)) > 0)


def _about(
    found: Iterable[Row[uuid.UUID, str]], application_id: str, keys: Collection[tuple[str, str]]
) -> list[uuid.UUID]:
    """Those that tell of one of the keys, or of another in a folder by the application's id."""
    return [
        found_id
        for found_id, envelope in found
        if any(
            (event.bucket, event.key) in keys or application_id in event.key.split("/")
            for event in _events(envelope)
        )
    ]


def _events(envelope: str) -> Sequence[s3_events.ObjectEvent]:
    try:
        content = s3_events.parse(json.loads(envelope)["Message"])
    except (SluiceError, ValueError, KeyError):
        return ()
    return content if isinstance(content, list) else ()
