"""One email is one run's to send, however many want to send it."""

from __future__ import annotations

import asyncio
from collections import Counter
from email.message import EmailMessage

import pytest
from sqlalchemy import delete, select

from app.db import Sessions
from app.dev.mail import MailSink
from app.mail.notices import Template
from app.models import Application, Document, Email, EmailStatus, new_id
from app.settings import Settings
from flows import telling
from flows.context import Context
from flows.mail_transport import MailUnavailable
from flows.telling import Cause, Claim


@pytest.fixture
async def cause(sessions: Sessions) -> Cause:
    """An email is due about a document."""
    async with sessions.begin() as session:
        session.add(Application(id="A-17"))
        await session.flush()
        document = Document(
            application_id="A-17", bucket="b", key="k", object_version="1", kind="passport", requires=[]
        )
        session.add(document)
        await session.flush()
        cause = Cause("document", document.id, "A-17", Template.DOCUMENT_UNREADABLE)
        for _ in range(2):
            await telling.note_due(session, cause)
    return cause


async def statuses(sessions: Sessions) -> list[EmailStatus]:
    async with sessions() as session:
        return list(await session.scalars(select(Email.status)))


async def test_of_runs_at_the_same_moment_one_may_send(
    cause: Cause, sessions: Sessions, settings: Settings
) -> None:
    context, ids = Context(settings, sessions), [new_id() for _ in range(8)]
    claims = await asyncio.gather(*(telling.claim_email(context, cause, one) for one in ids))
    assert Counter(claims) == {Claim.OURS: 1, Claim.UNKNOWN: 7}
    winner = ids[claims.index(Claim.OURS)]

    # An attempt after one that was cut off knows its own claim; nobody else gets it until it is given back.
    assert await telling.claim_email(context, cause, winner) is Claim.OURS
    await telling.release_email(context, winner)
    assert await statuses(sessions) == [EmailStatus.DUE]
    second = new_id()
    assert await telling.claim_email(context, cause, second) is Claim.OURS
    await telling.record_sent.fn(context, cause, second)
    assert await statuses(sessions) == [EmailStatus.SENT]
    assert await telling.claim_email(context, cause, new_id()) is Claim.SENT


async def test_between_two_attempts_nobody_holds_the_email(
    cause: Cause, sessions: Sessions, settings: Settings, mailbox: MailSink
) -> None:
    """So a run that is killed while it waits leaves nothing in doubt: another one sends the email."""
    message = EmailMessage()
    message["From"], message["To"] = settings.mail.sender, "jane@example.net"
    context, killed, other = Context(settings, sessions), new_id(), new_id()
    await mailbox.stop()
    with pytest.raises(MailUnavailable):
        await telling.send_email.fn(context, cause, killed, message)
    assert await statuses(sessions) == [EmailStatus.DUE]

    await mailbox.start()
    assert await telling.send_email.fn(context, cause, other, message) is Claim.OURS
    assert await telling.send_email.fn(context, cause, killed, message) is Claim.UNKNOWN
    assert len(mailbox.mails) == 1


async def test_an_email_that_was_withdrawn_meanwhile_is_not_sent(
    cause: Cause, sessions: Sessions, settings: Settings
) -> None:
    async with sessions.begin() as session:
        await session.execute(delete(Email))
    assert await telling.claim_email(Context(settings, sessions), cause, new_id()) is Claim.WITHDRAWN


async def test_an_email_that_is_known_is_not_due_again(cause: Cause, sessions: Sessions) -> None:
    async with sessions.begin() as session:
        (await session.scalars(select(Email))).one().status = EmailStatus.SENT
    async with sessions.begin() as session:
        await telling.note_due(session, cause)
    assert await statuses(sessions) == [EmailStatus.SENT]
