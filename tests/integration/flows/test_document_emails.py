"""The emails about documents: when each is due, and that each is sent at most once."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime

import pytest
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app import applications
from app.applications import Applicant
from app.db import Sessions
from app.dev import specimens
from app.dev.mail import MailSink
from app.encryption import Keyring
from app.mail.notices import Template
from app.models import (
    Application,
    ApplicationStatus,
    AuditEntry,
    Decision,
    DecisionOutcome,
    Document,
    DocumentStatus,
    Email,
    EmailStatus,
)
from app.settings import MailSettings
from flows import document_emails
from tests.integration.flows.conftest import APPLICANT, RunFlow, UnderwritingTool, Upload, stored

FLOW = "document-verification"
SPECIMEN = specimens.to_jpeg(specimens.both(specimens.person(7, datetime.now(UTC).date())))
WEB_PAGE = b"<html></html>"

ON, OFF = MailSettings(document_emails=True), MailSettings(document_emails=False)
VERIFIED, UNREADABLE = DocumentStatus.VERIFIED, DocumentStatus.UNREADABLE


async def application(sessions: Sessions, status: ApplicationStatus = ApplicationStatus.IN_REVIEW) -> None:
    async with sessions.begin() as session:
        session.add(Application(id="A-17", status=status))


async def document(
    sessions: Sessions,
    status: DocumentStatus,
    kind: str = "license-front",
    *,
    shows: tuple[str, ...] = (),
    settings: MailSettings = ON,
    ask_again: bool = True,
) -> uuid.UUID:
    """A document of which this has become."""
    name = str(uuid.uuid4())
    async with sessions.begin() as session:
        one = Document(
            application_id="A-17", bucket="b", key=name, object_version=name, kind=kind, status=status
        )
        one.shows = list(shows)
        session.add(one)
        await session.flush()
        await note(session, one, settings, ask_again=ask_again)
        return one.id


async def note(
    session: AsyncSession, one: Document, settings: MailSettings, *, ask_again: bool = True
) -> None:
    if one.status is VERIFIED:
        await document_emails.note_read(session, settings, one)
    else:
        await document_emails.note_refused(session, settings, one, ask_again=ask_again)


async def emails(sessions: Sessions) -> list[tuple[str, str]]:
    async with sessions() as session:
        rows = await session.execute(select(Email.template, Email.status).order_by(Email.claimed_at))
    return [(template, status) for template, status in rows]


RECEIVED_DUE = (Template.DOCUMENTS_RECEIVED, EmailStatus.DUE)
UNREADABLE_DUE = (Template.DOCUMENT_UNREADABLE, EmailStatus.DUE)


async def test_with_the_last_document_read_the_applicant_is_to_be_told_once(sessions: Sessions) -> None:
    await application(sessions)
    await document(sessions, VERIFIED)
    await document(sessions, VERIFIED, "license-back")
    assert await emails(sessions) == [RECEIVED_DUE]


@pytest.mark.parametrize("status", [ApplicationStatus.VERIFYING, ApplicationStatus.AWAITING_DOCUMENT])
async def test_while_a_document_is_missing_nobody_is_told_that_all_are_there(
    sessions: Sessions, status: ApplicationStatus
) -> None:
    await application(sessions, status)
    await document(sessions, VERIFIED)
    assert await emails(sessions) == []


async def test_a_kind_that_came_unreadable_only_is_not_received(sessions: Sessions) -> None:
    await application(sessions)
    await document(sessions, UNREADABLE, "license-back")
    await document(sessions, VERIFIED)
    assert await emails(sessions) == [UNREADABLE_DUE]
    await document(sessions, VERIFIED, "license-back")
    assert await emails(sessions) == [UNREADABLE_DUE, RECEIVED_DUE]


async def test_a_picture_of_both_sides_stands_for_the_one_that_could_not_be_read(sessions: Sessions) -> None:
    await application(sessions)
    await document(sessions, UNREADABLE, "license-back")
    await document(sessions, VERIFIED, shows=("license-back",))
    assert await emails(sessions) == [UNREADABLE_DUE, RECEIVED_DUE]


async def test_an_email_about_a_document_that_was_replaced_stands_in_no_ones_way(sessions: Sessions) -> None:
    await application(sessions)
    replaced = await document(sessions, VERIFIED)
    async with sessions.begin() as session:
        (await session.get_one(Document, replaced)).status = DocumentStatus.SUPERSEDED
    newer = await document(sessions, VERIFIED)
    async with sessions() as session:
        assert list(await session.scalars(select(Email.document_id))) == [newer]


async def test_after_a_request_for_more_the_applicant_is_told_again(sessions: Sessions) -> None:
    await application(sessions)
    await document(sessions, VERIFIED)
    async with sessions.begin() as session:
        await session.execute(update(Email).values(status=EmailStatus.SENT))
        session.add(
            Decision(
                application_id="A-17",
                source="test",
                idempotency_key="1",
                outcome=DecisionOutcome.MORE_INFORMATION_NEEDED,
                reasons=["The back"],
                conditions=[],
                decided_by="somebody",
                decided_at=datetime.now(UTC),
                applied_at=datetime.now(UTC),
            )
        )
    await document(sessions, VERIFIED, "license-back")
    assert await emails(sessions) == [(Template.DOCUMENTS_RECEIVED, EmailStatus.SENT), RECEIVED_DUE]


@pytest.mark.parametrize("status", [DocumentStatus.UNREADABLE, DocumentStatus.REJECTED])
async def test_each_document_that_cannot_be_read_is_asked_for_again(
    sessions: Sessions, status: DocumentStatus
) -> None:
    await application(sessions)
    await document(sessions, status)
    await document(sessions, status)
    assert await emails(sessions) == [UNREADABLE_DUE, UNREADABLE_DUE]


async def test_what_the_applicant_cannot_mend_is_not_asked_for(sessions: Sessions) -> None:
    await application(sessions)
    await document(sessions, UNREADABLE, ask_again=False)
    await document(sessions, DocumentStatus.SUPERSEDED)
    assert await emails(sessions) == []


async def test_a_lender_may_switch_them_off(sessions: Sessions) -> None:
    await application(sessions)
    await document(sessions, VERIFIED, settings=OFF)
    await document(sessions, UNREADABLE, settings=OFF)
    assert await emails(sessions) == []


async def test_what_a_later_reading_disproves_is_not_sent_any_more(sessions: Sessions) -> None:
    await application(sessions)
    for status, due in [(UNREADABLE, UNREADABLE_DUE), (VERIFIED, RECEIVED_DUE), (UNREADABLE, UNREADABLE_DUE)]:
        async with sessions.begin() as session:
            [one] = list(await session.scalars(select(Document))) or [
                Document(
                    application_id="A-17", bucket="b", key="k", object_version="1", kind="passport", shows=[]
                )
            ]
            one.status = status
            session.add(one)
            await session.flush()
            await note(session, one, ON)
        assert await emails(sessions) == [due]


def text_of(mailbox: MailSink) -> str:
    [mail] = mailbox.mails
    body = mail.message.get_body(("plain",))
    assert body is not None
    return " ".join(str(body.get_content()).split())


async def test_a_readable_licence_is_confirmed_once(
    run_flow: RunFlow, upload: Upload, sessions: Sessions, mailbox: MailSink
) -> None:
    uploaded = await upload(SPECIMEN)
    first, second = await run_flow(FLOW, uploaded.id), await run_flow(FLOW, uploaded.id)
    assert (first.type, second.type) == ("COMPLETED", "COMPLETED")
    assert "We have received what you uploaded for your loan application A-17" in text_of(mailbox)
    assert await emails(sessions) == [(Template.DOCUMENTS_RECEIVED, EmailStatus.SENT)]


async def test_an_unreadable_document_is_asked_for_once_and_says_why(
    run_flow: RunFlow, upload: Upload, sessions: Sessions, mailbox: MailSink
) -> None:
    uploaded = await upload(WEB_PAGE)
    for _ in range(2):
        assert (await run_flow(FLOW, uploaded.id)).name == "Rejected"
    refused, _ = await stored(sessions, uploaded.id)
    assert refused.reason is not None
    assert refused.reason in text_of(mailbox)
    assert "the front of your driver's license" in text_of(mailbox)
    assert mailbox.mails[0].recipients == (APPLICANT.email,)
    assert await audited(sessions) == ["email.sent"]


async def test_an_email_that_was_not_sent_costs_no_reading_and_goes_out_with_a_replay(
    run_flow: RunFlow,
    upload: Upload,
    tool: UnderwritingTool,
    sessions: Sessions,
    keyring: Keyring,
    mailbox: MailSink,
) -> None:
    uploaded = await upload(WEB_PAGE)
    async with sessions.begin() as session:
        await applications.register(session, keyring, "A-17", Applicant(name="Jane", email="nowhere"))
    state = await run_flow(FLOW, uploaded.id)
    assert (state.type, state.name) == ("FAILED", "EmailNotSent")
    assert "nowhere" not in str(state.message)
    refused, its_application = await stored(sessions, uploaded.id)
    assert refused.status is DocumentStatus.REJECTED
    assert its_application.status is ApplicationStatus.IN_REVIEW
    assert len(tool.received) == 1
    assert await emails(sessions) == [UNREADABLE_DUE]

    async with sessions.begin() as session:
        await applications.register(session, keyring, "A-17", APPLICANT)
    assert (await run_flow(FLOW, uploaded.id)).name == "Rejected"
    assert len(mailbox.mails) == 1
    assert await audited(sessions) == ["email.not_sent", "email.sent"]


async def test_an_email_that_nobody_confirmed_is_not_sent_again(
    run_flow: RunFlow, upload: Upload, sessions: Sessions, mailbox: MailSink
) -> None:
    uploaded = await upload(WEB_PAGE)
    async with sessions.begin() as session:
        template = Template.DOCUMENT_UNREADABLE
        session.add(Email(document_id=uploaded.id, template=template, status=EmailStatus.SENDING))
    state = await run_flow(FLOW, uploaded.id)
    assert (state.type, state.name) == ("FAILED", "EmailUnconfirmed")
    assert (await stored(sessions, uploaded.id))[0].status is DocumentStatus.REJECTED
    assert mailbox.mails == []


async def test_without_an_applicant_the_document_is_read_and_its_email_waits_for_a_replay(
    run_flow: RunFlow,
    upload: Upload,
    tool: UnderwritingTool,
    sessions: Sessions,
    keyring: Keyring,
    mailbox: MailSink,
) -> None:
    uploaded = await upload(WEB_PAGE)
    async with sessions.begin() as session:
        await session.execute(update(Application).values(applicant=None))
    state = await run_flow(FLOW, uploaded.id)
    assert (state.type, state.name) == ("FAILED", "NoEmail")
    assert (await stored(sessions, uploaded.id))[0].status is DocumentStatus.REJECTED
    assert len(tool.received) == 1
    assert mailbox.mails == []

    async with sessions.begin() as session:
        await applications.register(session, keyring, "A-17", APPLICANT)
    assert (await run_flow(FLOW, uploaded.id)).name == "Rejected"
    assert len(mailbox.mails) == 1
    assert await audited(sessions) == ["email.no_applicant", "email.sent"]


async def test_switched_off_nothing_is_sent(
    run_flow: RunFlow, upload: Upload, sessions: Sessions, mailbox: MailSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLUICE_MAIL_DOCUMENT_EMAILS", "false")
    uploaded = await upload(WEB_PAGE)
    assert (await run_flow(FLOW, uploaded.id)).name == "Rejected"
    assert mailbox.mails == []
    assert await emails(sessions) == []


async def audited(sessions: Sessions) -> list[str]:
    entries = select(AuditEntry.action).where(
        AuditEntry.subject == "application:A-17", AuditEntry.action.startswith("email.")
    )
    async with sessions() as session:
        return list(await session.scalars(entries.order_by(AuditEntry.sequence)))
