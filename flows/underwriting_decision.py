"""The `underwriting-decision` flow: apply a decision to its application and tell the applicant.

Each half happens at most once, however often the flow runs. An email is claimed in the database before it
is handed to the mail server. The claim is given back when the email was certainly not taken; when nobody
knows, it stays, the run fails and says so, and a person looks.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum, auto
from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed
from sqlalchemy import delete, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app import applications, audit, decisions
from app.applications import Applicant
from app.encryption import Keyring
from app.errors import SluiceError
from app.models import AuditEntry, Decision, Email, EmailStatus, new_id
from flows import email, mail_transport
from flows.context import PATIENT, Context, discreet, opened, step
from flows.mail_transport import MailRefused, MailUnavailable, MailUnconfirmed

_ACTOR = "underwriting-decision"


class Claim(Enum):
    """Whose the email is. Only with `OURS` may it be sent."""

    OURS = auto()
    SENT = auto()
    UNKNOWN = auto()
    """Another run claimed it and never said what became of it."""


@dataclass(frozen=True)
class Addressed:
    """A decision and whom to tell; no applicant when the loan app never registered one."""

    decision: Decision
    applicant: Applicant | None


@flow(
    name="underwriting-decision",
    flow_run_name="decision {decision_id}",
    timeout_seconds=600,
    persist_result=False,
)
async def underwriting_decision(decision_id: uuid.UUID) -> State[None]:
    """Apply one decision and send its email."""
    with discreet():
        async with opened() as context:
            addressed = await apply(context, decision_id)
            if addressed.applicant is None:
                await record_no_email(context, addressed.decision)
                return Completed(
                    name="NoEmail", message="Applied. No email: the loan app has registered no applicant."
                )
            return await _tell(context, addressed.decision, addressed.applicant)


async def _tell(context: Context, decision: Decision, applicant: Applicant) -> State[None]:
    email_id = new_id()
    claim = await claim_email(context, decision, email_id)
    if claim is Claim.SENT:
        return Completed(message="Applied, and the applicant told, by an earlier run.")
    if claim is Claim.UNKNOWN:
        return _failed("EmailUnconfirmed", MailUnconfirmed())
    try:
        await send_email(context, decision, applicant)
    except (MailRefused, MailUnavailable, email.AddressNotValid) as error:
        await release_email(context, decision, email_id, str(error.extensions.get("code", error.slug)))
        return _failed("EmailNotSent", error)
    except MailUnconfirmed as error:
        await record_unconfirmed(context, decision)
        return _failed("EmailUnconfirmed", error)
    await record_sent(context, decision, email_id)
    return Completed(message="Applied, and the applicant told.")


def _failed(name: str, error: SluiceError) -> State[None]:
    return Failed(name=name, message=f"The decision is applied. {error.detail}")


@step(timeout=30, retry_delays=PATIENT)
async def apply(context: Context, decision_id: uuid.UUID) -> Addressed:
    """Move the application as the decision says, unless that was done before."""
    keyring = Keyring(context.settings.encryption.keys)
    async with context.sessions.begin() as session:
        applied = await decisions.apply(session, decision_id)
        return Addressed(applied.decision, applications.applicant_of(keyring, applied.application))


@step(timeout=30, retry_delays=PATIENT)
async def claim_email(context: Context, decision: Decision, email_id: uuid.UUID) -> Claim:
    """Claim the decision's one email. A repeated attempt knows its own claim by `email_id`."""
    new = insert(Email).values(
        id=email_id,
        decision_id=decision.id,
        template=decision.outcome,
        status=EmailStatus.SENDING,
    )
    async with context.sessions.begin() as session:
        await session.execute(new.on_conflict_do_nothing(index_elements=["decision_id"]))
        claimed = (await session.scalars(select(Email).where(Email.decision_id == decision.id))).one()
        if claimed.status is EmailStatus.SENT:
            return Claim.SENT
        return Claim.OURS if claimed.id == email_id else Claim.UNKNOWN


@step(timeout=120, retry_delays=PATIENT)
async def send_email(context: Context, decision: Decision, applicant: Applicant) -> None:
    """Hand the email to the mail server; it is tried again only while it was certainly not taken."""
    message = email.about_decision(context.settings.mail, decision, applicant, datetime.now(UTC))
    await mail_transport.deliver(context.settings.mail, message)


@step(timeout=30, retry_delays=PATIENT)
async def record_sent(context: Context, decision: Decision, email_id: uuid.UUID) -> None:
    """Keep that the applicant was told."""
    sent = update(Email).where(Email.id == email_id).values(status=EmailStatus.SENT, sent_at=func.now())
    async with context.sessions.begin() as session:
        await session.execute(sent)
        _record(session, "email.sent", decision, template=decision.outcome)


@step(timeout=30, retry_delays=PATIENT)
async def release_email(context: Context, decision: Decision, email_id: uuid.UUID, code: str) -> None:
    """Give the claim back, so that a replay may send the email."""
    async with context.sessions.begin() as session:
        await session.execute(delete(Email).where(Email.id == email_id))
        _record(session, "email.not_sent", decision, code=code)


@step(timeout=30, retry_delays=PATIENT)
async def record_unconfirmed(context: Context, decision: Decision) -> None:
    """Keep that nobody knows whether the applicant was told."""
    async with context.sessions.begin() as session:
        _record(session, "email.unconfirmed", decision)


@step(timeout=30, retry_delays=PATIENT)
async def record_no_email(context: Context, decision: Decision) -> None:
    """Keep, once, that there was nobody to tell."""
    known = select(AuditEntry.sequence).where(
        AuditEntry.subject == _subject(decision),
        AuditEntry.action == "email.no_applicant",
        AuditEntry.detail["decision"].astext == str(decision.id),
    )
    async with context.sessions.begin() as session:
        if await session.scalar(known) is None:
            _record(session, "email.no_applicant", decision)


def _record(session: AsyncSession, action: str, decision: Decision, **detail: Any) -> None:
    audit.record(
        session, actor=_ACTOR, action=action, subject=_subject(decision), decision=str(decision.id), **detail
    )


def _subject(decision: Decision) -> str:
    return f"application:{decision.application_id}"
