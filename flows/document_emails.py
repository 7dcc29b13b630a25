"""The emails about documents: all are received and readable, or one cannot be read.

Whether an email is due is decided in the transaction that keeps what became of the document. So it is sent
also when the run dies before, and is replayed.
"""

from __future__ import annotations

import jinja2
from sqlalchemy import Select, any_, delete, exists, or_, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from app import applications
from app.applications import Applicant
from app.encryption import Keyring
from app.mail.notices import Notice, Template
from app.models import Application, ApplicationStatus, Decision, Document, DocumentStatus, Email, EmailStatus
from app.settings import MailSettings
from flows import telling
from flows.context import PATIENT, Context, step
from flows.telling import Cause, Told

_NOT_READ = (DocumentStatus.UNREADABLE, DocumentStatus.REJECTED)


async def note_read(session: AsyncSession, settings: MailSettings, document: Document) -> None:
    """The document was read: with the last one that was needed, the applicant is to be told, once."""
    await _withdraw(session, document, Template.DOCUMENT_UNREADABLE)
    await _withdraw_superseded(session, document.application_id)
    if settings.document_emails and all((await session.execute(_conditions(document))).one()):
        await telling.note_due(session, _cause(document, Template.DOCUMENTS_RECEIVED))


async def note_refused(
    session: AsyncSession, settings: MailSettings, document: Document, *, ask_again: bool
) -> None:
    """There was nothing to read. With `ask_again` the applicant is to upload the document once more."""
    await _withdraw(session, document, Template.DOCUMENTS_RECEIVED)
    status = await session.scalar(select(Document.status).where(Document.id == document.id))
    if settings.document_emails and ask_again and status in _NOT_READ:
        await telling.note_due(session, _cause(document, Template.DOCUMENT_UNREADABLE))


async def tell(context: Context, templates: jinja2.Environment, document: Document) -> Told | None:
    """Send what is due about the document. Returns what became of an email that was not sent, if any."""
    notices, applicant = await find_due(context, document)
    told = [
        await telling.tell(context, templates, _cause(document, notice.template), notice, applicant)
        for notice in notices
    ]
    return next((one for one in told if one.failed), None)


@step(timeout=30, retry_delays=PATIENT)
async def find_due(context: Context, document: Document) -> tuple[list[Notice], Applicant | None]:
    """What the applicant has not certainly been told, and who they are."""
    keyring = Keyring(context.settings.encryption.keys)
    due = select(Email.template).where(Email.document_id == document.id, Email.status != EmailStatus.SENT)
    async with context.sessions() as session:
        templates = [Template(name) for name in await session.scalars(due)]
        current = await session.get_one(Document, document.id)
        application = await session.get_one(Application, document.application_id)
        applicant = applications.applicant_of(keyring, application)
        problem = current.reason or ""
    notices = [
        Notice(
            template=template,
            application_id=document.application_id,
            name=applicant.name if applicant else "",
            document=document.kind,
            problem=problem,
        )
        for template in templates
    ]
    return notices, applicant


def _conditions(document: Document) -> Select[bool, bool, bool]:
    """Its application is in review with it; no kind came in unreadable documents alone; the applicant was not
    told before in this round. A round ends with a decision."""
    application_id = document.application_id
    unread, other, told_of = aliased(Document), aliased(Document), aliased(Document)
    read_elsewhere = exists().where(
        other.application_id == application_id,
        other.status == DocumentStatus.VERIFIED,
        or_(other.kind == unread.kind, unread.kind == any_(other.shows)),
    )
    decided_since = exists().where(
        Decision.application_id == application_id, Decision.applied_at > Email.claimed_at
    )
    return select(
        exists().where(
            Application.id == Document.application_id,
            Application.status == ApplicationStatus.IN_REVIEW,
            Document.id == document.id,
            Document.status == DocumentStatus.VERIFIED,
        ),
        ~exists().where(
            unread.application_id == application_id, unread.status.in_(_NOT_READ), ~read_elsewhere
        ),
        ~exists().where(
            Email.document_id == told_of.id,
            told_of.application_id == application_id,
            Email.template == Template.DOCUMENTS_RECEIVED,
            ~decided_since,
        ),
    )


async def _withdraw(session: AsyncSession, document: Document, template: Template) -> None:
    """An email that was not sent yet, and of which an earlier run thought otherwise."""
    due = delete(Email).where(
        Email.document_id == document.id, Email.template == template, Email.status == EmailStatus.DUE
    )
    await session.execute(due.execution_options(synchronize_session=False))


async def _withdraw_superseded(session: AsyncSession, application_id: str) -> None:
    """What was due about documents that newer ones replace: no run of theirs sends it any more."""
    superseded = select(Document.id).where(
        Document.application_id == application_id, Document.status == DocumentStatus.SUPERSEDED
    )
    due = delete(Email).where(Email.document_id.in_(superseded), Email.status == EmailStatus.DUE)
    await session.execute(due.execution_options(synchronize_session=False))


def _cause(document: Document, template: Template) -> Cause:
    return Cause("document", document.id, document.application_id, template)
