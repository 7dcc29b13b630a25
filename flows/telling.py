"""Telling the applicant: one email for each cause, sent at most once, however often its flow runs.

The transaction that makes the cause notes that its email is due. The email is claimed before it is handed
to the mail server, for one attempt: when it was certainly not taken, the claim is given back at once, and
made anew for the next attempt. When nobody knows, it stays, the run fails and says so, and a person looks.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from enum import Enum, auto
from typing import Any, Literal

import jinja2
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed
from prefect.task_engine import TaskRunTimeoutError
from sqlalchemy import ColumnElement, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app import audit
from app.applications import Applicant
from app.errors import SluiceError
from app.mail import rendering
from app.mail.notices import Notice, Template
from app.models import AuditEntry, Email, EmailStatus, new_id
from flows import email, mail_transport
from flows.context import PATIENT, Context, step
from flows.mail_transport import MailRefused, MailUnavailable, MailUnconfirmed

_ACTORS = {"decision": "underwriting-decision", "document": "document-verification"}
"""The flow that tells of each kind of cause, as the audit trail names it."""


@dataclass(frozen=True)
class Cause:
    """What an email is about. There is one for each cause and template."""

    kind: Literal["decision", "document"]
    id: uuid.UUID
    application_id: str
    template: Template

    @property
    def columns(self) -> dict[str, Any]:
        """How its row in `emails` is known."""
        return {f"{self.kind}_id": self.id, "template": self.template.value}

    @property
    def reference(self) -> str:
        """Names the email in its Message-ID, so that a mail server's log can be asked for it."""
        return f"decision-{self.id}" if self.kind == "decision" else f"{self.template}-{self.id}"


class Claim(Enum):
    """Whose the email is. Only with `OURS` may it be sent."""

    OURS = auto()
    SENT = auto()
    UNKNOWN = auto()
    """Another run claimed it and never said what became of it."""
    WITHDRAWN = auto()
    """It is not due any more: what it says is no longer true, or all about the application was removed."""


@dataclass(frozen=True)
class Told:
    """What became of an email. `name` is the state's, if the run is to end in one that says so."""

    message: str
    name: str | None = None
    failed: bool = False

    def state(self, done: str) -> State[None]:
        """The run's state, `done` being what it has done besides, in a sentence."""
        made = Failed if self.failed else Completed
        state: State[None] = made(name=self.name, message=f"{done} {self.message}")
        return state


async def note_due(session: AsyncSession, cause: Cause) -> None:
    """In the transaction that makes the cause: its email is to be sent, unless that is known."""
    new = insert(Email).values(id=new_id(), status=EmailStatus.DUE, **cause.columns)
    await session.execute(new.on_conflict_do_nothing())


async def tell(
    context: Context, templates: jinja2.Environment, cause: Cause, notice: Notice, applicant: Applicant | None
) -> Told:
    """Send the email that is due, unless it was sent before."""
    if applicant is None:
        await record_no_email(context, cause)
        return Told(
            "No email: the loan app has registered no applicant. Replay this run once it has.",
            "NoEmail",
            failed=True,
        )
    settings = context.settings.mail
    # Before it is claimed: what cannot be put into words or addressed leaves nothing in doubt.
    mail = rendering.render(templates, settings, notice)
    try:
        message = email.compose(settings, mail, applicant, reference=cause.reference, now=datetime.now(UTC))
        email_id = new_id()
        claim = await send_email(context, cause, email_id, message)
    except (MailRefused, MailUnavailable, email.AddressNotValid) as error:
        await record_not_sent(context, cause, str(error.extensions.get("code", error.slug)))
        return _failed("EmailNotSent", error)
    except (MailUnconfirmed, TaskRunTimeoutError):
        await record_unconfirmed(context, cause)
        return _failed("EmailUnconfirmed", MailUnconfirmed())
    if claim is Claim.OURS:
        await record_sent(context, cause, email_id)
    return _ENDS[claim]


def _failed(name: str, error: SluiceError) -> Told:
    return Told(error.detail, name, failed=True)


_ENDS = {
    Claim.OURS: Told("The applicant was told."),
    Claim.SENT: Told("The applicant was told by an earlier run."),
    Claim.UNKNOWN: _failed("EmailUnconfirmed", MailUnconfirmed()),
    Claim.WITHDRAWN: Told("The email was withdrawn before it was sent."),
}


@step(timeout=120, retry_delays=PATIENT)
async def send_email(context: Context, cause: Cause, email_id: uuid.UUID, message: EmailMessage) -> Claim:
    """Hand the email to the mail server if it is ours to send: one attempt, which leaves no claim when the
    server has certainly not taken it. The next attempt knows by `email_id` a claim that could not be given
    back."""
    claim = await claim_email(context, cause, email_id)
    if claim is Claim.OURS:
        try:
            await mail_transport.deliver(context.settings.mail, message)
        except (MailRefused, MailUnavailable):
            await release_email(context, email_id)
            raise
    return claim


async def claim_email(context: Context, cause: Cause, email_id: uuid.UUID) -> Claim:
    """Claim the email for one attempt; the id is the run's."""
    claim = update(Email).where(*_is(cause), Email.status == EmailStatus.DUE)
    values = {"id": email_id, "status": EmailStatus.SENDING, "claimed_at": func.now()}
    async with context.sessions.begin() as session:
        await session.execute(claim.values(values).execution_options(synchronize_session=False))
        claimed = (await session.scalars(select(Email).where(*_is(cause)))).one_or_none()
        if claimed is None:
            return Claim.WITHDRAWN
        if claimed.status is EmailStatus.SENT:
            return Claim.SENT
        return Claim.OURS if claimed.id == email_id else Claim.UNKNOWN


async def release_email(context: Context, email_id: uuid.UUID) -> None:
    """Give the claim back: the next attempt, or a replay, may send the email."""
    async with context.sessions.begin() as session:
        await session.execute(update(Email).where(Email.id == email_id).values(status=EmailStatus.DUE))


@step(timeout=30, retry_delays=PATIENT)
async def record_sent(context: Context, cause: Cause, email_id: uuid.UUID) -> None:
    """Keep that the applicant was told."""
    sent = update(Email).where(Email.id == email_id).values(status=EmailStatus.SENT, sent_at=func.now())
    async with context.sessions.begin() as session:
        await session.execute(sent)
        _record(session, "email.sent", cause, template=cause.template)


@step(timeout=30, retry_delays=PATIENT)
async def record_not_sent(context: Context, cause: Cause, code: str) -> None:
    """Keep that the applicant was certainly not told, and why."""
    async with context.sessions.begin() as session:
        _record(session, "email.not_sent", cause, code=code)


@step(timeout=30, retry_delays=PATIENT)
async def record_unconfirmed(context: Context, cause: Cause) -> None:
    """Keep that nobody knows whether the applicant was told."""
    async with context.sessions.begin() as session:
        _record(session, "email.unconfirmed", cause)


@step(timeout=30, retry_delays=PATIENT)
async def record_no_email(context: Context, cause: Cause) -> None:
    """Keep, once, that there was nobody to tell."""
    known = select(AuditEntry.sequence).where(
        AuditEntry.subject == f"application:{cause.application_id}",
        AuditEntry.action == "email.no_applicant",
        AuditEntry.detail[cause.kind].astext == str(cause.id),
    )
    async with context.sessions.begin() as session:
        if await session.scalar(known) is None:
            _record(session, "email.no_applicant", cause)


def _is(cause: Cause) -> list[ColumnElement[bool]]:
    return [getattr(Email, column) == value for column, value in cause.columns.items()]


def _record(session: AsyncSession, action: str, cause: Cause, **detail: str) -> None:
    audit.record(
        session,
        actor=_ACTORS[cause.kind],
        action=action,
        subject=f"application:{cause.application_id}",
        **{cause.kind: str(cause.id)},
        **detail,
    )
