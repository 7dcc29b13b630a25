"""The `underwriting-decision` flow: apply a decision to its application and tell the applicant.

Each half happens at most once, however often the flow runs: flows/telling.py says how an email does.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from prefect import flow
from prefect.client.schemas.objects import State

from app import applications, decisions
from app.applications import Applicant
from app.encryption import Keyring
from app.mail import own_templates
from app.mail.notices import Notice, Template
from app.models import Decision, DecisionOutcome
from flows import telling
from flows.context import PATIENT, Context, discreet, opened, step
from flows.telling import Cause


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
            templates = own_templates.load(context.settings.mail)
            addressed = await apply(context, decision_id)
            decision, applicant = addressed.decision, addressed.applicant
            notice = notice_of(decision, applicant, answer_by=_answer_by(context))
            told = await telling.tell(context, templates, cause_of(decision), notice, applicant)
            return told.state("The decision is applied.")


@step(timeout=30, retry_delays=PATIENT)
async def apply(context: Context, decision_id: uuid.UUID) -> Addressed:
    """Move the application as the decision says, unless that was done before."""
    keyring = Keyring(context.settings.encryption.keys)
    async with context.sessions.begin() as session:
        applied = await decisions.apply(session, decision_id)
        await telling.note_due(session, cause_of(applied.decision))
        return Addressed(applied.decision, applications.applicant_of(keyring, applied.application))


def cause_of(decision: Decision) -> Cause:
    """What the decision's email is about."""
    return Cause("decision", decision.id, decision.application_id, Template(decision.outcome))


def notice_of(decision: Decision, applicant: Applicant | None, *, answer_by: date | None) -> Notice:
    """What the applicant is told of the decision; `answer_by` where more information is needed."""
    needed = decision.outcome is DecisionOutcome.MORE_INFORMATION_NEEDED
    return Notice(
        template=Template(decision.outcome),
        application_id=decision.application_id,
        name=applicant.name if applicant else "",
        reasons=tuple(decision.reasons),
        conditions=tuple(decision.conditions),
        answer_by=answer_by if needed else None,
    )


def _answer_by(context: Context) -> date | None:
    days = context.settings.mail.answer_days
    return None if days is None else (datetime.now(UTC) + timedelta(days=days)).date()
