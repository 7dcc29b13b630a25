"""Underwriting decisions: recorded once, checked to be possible, applied by their own flow run."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Select, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from app import applications, audit, runs
from app.changes import application_changed
from app.errors import DecisionConflict, DecisionNotPossible, IdempotencyKeyReused, NotFound
from app.models import Application, ApplicationStatus, Decision, DecisionOutcome, RunCause
from app.routing import Routes

STATUS_AFTER = {
    DecisionOutcome.APPROVED: ApplicationStatus.APPROVED,
    DecisionOutcome.DENIED: ApplicationStatus.DENIED,
    DecisionOutcome.MORE_INFORMATION_NEEDED: ApplicationStatus.AWAITING_DOCUMENT,
}


@dataclass(frozen=True)
class NewDecision:
    """A decision as its sender states it; `source` and `idempotency_key` say which statement it is."""

    application_id: str
    source: str
    idempotency_key: str
    outcome: DecisionOutcome
    reasons: tuple[str, ...]
    conditions: tuple[str, ...]
    decided_by: str
    decided_at: datetime

    def says_the_same_as(self, other: Decision) -> bool:
        return (
            self.application_id == other.application_id
            and self.outcome == other.outcome
            and list(self.reasons) == other.reasons
            and list(self.conditions) == other.conditions
        )


async def record(session: AsyncSession, routes: Routes, new: NewDecision) -> tuple[Decision, bool]:
    """Record the decision and enqueue its run; returns it and whether it is new.

    Saying the same thing twice returns the first decision. Raises NotFound for an unknown application,
    DecisionNotPossible when it is not in review, DecisionConflict when another decision came first,
    IdempotencyKeyReused when the same key said something else before.
    """
    application = await applications.lock(session, new.application_id)
    if earlier := await _earlier(session, new):
        return earlier, False
    if application.status is not ApplicationStatus.IN_REVIEW:
        raise DecisionNotPossible(
            f"Application {application.id} is {application.status}. A decision is possible once it is "
            f"in_review: wait for that with GET /v1/applications/{application.id}, then send it again."
        )
    decision = Decision(
        application_id=new.application_id,
        source=new.source,
        idempotency_key=new.idempotency_key,
        outcome=new.outcome,
        reasons=list(new.reasons),
        conditions=list(new.conditions),
        decided_by=new.decided_by,
        decided_at=new.decided_at,
    )
    session.add(decision)
    await session.flush()
    await _enqueue(session, routes, decision)
    audit.record(
        session,
        actor=new.source,
        action="decision.received",
        subject=f"application:{application.id}",
        decision=str(decision.id),
        outcome=new.outcome,
    )
    await application_changed(session, application.id)
    await session.refresh(decision)
    return decision, True


async def _earlier(session: AsyncSession, new: NewDecision) -> Decision | None:
    """The decision this one repeats, or None. Raises when it contradicts one."""
    same_key = await session.scalar(
        select(Decision).where(Decision.source == new.source, Decision.idempotency_key == new.idempotency_key)
    )
    if same_key is not None:
        if new.says_the_same_as(same_key):
            return same_key
        raise IdempotencyKeyReused(
            f"The idempotency key was used for decision {same_key.id}, which says something else. "
            "Send a new decision with a new key."
        )
    standing = await session.scalar(standing_decision(new.application_id))
    if standing is None or new.says_the_same_as(standing):
        return standing
    raise DecisionConflict(
        f"Decision {standing.id} ({standing.outcome}, received {standing.received_at.isoformat()}) stands "
        f"for application {new.application_id}. The first decision counts; nothing was changed.",
        first_decision=str(standing.id),
    )


def standing_decision(application_id: str) -> Select[Decision]:
    """The decision that binds the application: a final one, or one whose run has not applied it yet.

    A request for more information no longer stands once it was applied: the next round is open.
    """
    return (
        select(Decision)
        .where(
            Decision.application_id == application_id,
            or_(Decision.applied_at.is_(None), Decision.outcome != DecisionOutcome.MORE_INFORMATION_NEEDED),
        )
        .order_by(Decision.received_at)
        .limit(1)
    )


async def _enqueue(session: AsyncSession, routes: Routes, decision: Decision) -> None:
    ids = {"decision_id": str(decision.id), "application_id": decision.application_id}
    for match in routes.for_decision():
        await runs.enqueue(
            session,
            runs.NewRun.on_route(
                match.route,
                cause_kind=RunCause.DECISION,
                cause_id=str(decision.id),
                application_id=decision.application_id,
                values=ids,
            ),
        )


@dataclass(frozen=True)
class Applied:
    """The decision and its application; `changed` is False when it had been applied before."""

    decision: Decision
    application: Application
    changed: bool


async def apply(session: AsyncSession, decision_id: uuid.UUID) -> Applied:
    """Move the application as the decision says, once. Raises NotFound."""
    application_id = await session.scalar(select(Decision.application_id).where(Decision.id == decision_id))
    if application_id is None:
        raise NotFound(f"There is no decision {decision_id}.")
    application = await applications.lock(session, application_id)
    decision = await session.get_one(Decision, decision_id, populate_existing=True)
    if decision.applied_at is not None:
        return Applied(decision, application, changed=False)
    applications.decide(application, STATUS_AFTER[decision.outcome])
    decision.applied_at = func.now()
    audit.record(
        session,
        actor="underwriting-decision",
        action=f"application.{application.status}",
        subject=f"application:{application.id}",
        decision=str(decision.id),
    )
    await application_changed(session, application.id)
    await session.refresh(decision)
    return Applied(decision, application, changed=True)
