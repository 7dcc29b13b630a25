"""Underwriting decisions: recorded once, checked to be possible, applied by their own flow run."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Select, func, or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app import applications, audit, regulation_b, runs
from app.changes import application_changed
from app.encryption import Keyring
from app.errors import (
    DecisionConflict,
    DecisionNotPossible,
    IdempotencyKeyReused,
    NotFound,
    Unprocessable,
)
from app.models import Application, ApplicationStatus, Decision, DecisionOutcome, Run, RunCause, new_id
from app.routing import Routes


@dataclass(frozen=True)
class NewDecision:
    """A decision as its sender states it; `source` and `idempotency_key` say which statement it is.

    A reason is a code of `regulation_b.PrincipalReason` or own text; the applicant is told all of them.
    `decided_at` is None when the sender leaves it to us: it is then the time of recording.
    """

    application_id: str
    source: str
    idempotency_key: str
    outcome: DecisionOutcome
    reasons: tuple[str, ...]
    conditions: tuple[str, ...]
    decided_by: str
    decided_at: datetime | None = None
    note: str | None = None
    """For the underwriters; the applicant never sees it."""

    def agrees_with(self, other: Decision) -> bool:
        """Whether both mean the same for the applicant, whoever states it."""
        return (
            self.application_id == other.application_id
            and self.outcome == other.outcome
            and list(self.reasons) == other.reasons
            and list(self.conditions) == other.conditions
        )

    def repeats(self, other: Decision, keyring: Keyring) -> bool:
        """Whether both say the same in every word."""
        return (
            self.agrees_with(other)
            and self.decided_by == other.decided_by
            and self.decided_at in {None, other.decided_at}
            and self.note == note_of(keyring, other)
        )


@dataclass(frozen=True)
class Recorded:
    """The decision that counts, whether it is new, and its run (None when no route starts one)."""

    decision: Decision
    created: bool
    run_id: uuid.UUID | None


async def record(session: AsyncSession, routes: Routes, keyring: Keyring, new: NewDecision) -> Recorded:
    """Record the decision and enqueue its run, or find the one it repeats.

    A statement under a known key must repeat it in every word; one under another key is the same decision
    if outcome, reasons and conditions agree. Raises NotFound for an unknown application,
    DecisionNotPossible when it is not in review, DecisionConflict when another decision came first,
    IdempotencyKeyReused when the same key said something else before, and Unprocessable when the
    reasons do not suffice to tell the applicant.
    """
    check_reasons(new.outcome, new.reasons)
    application = await applications.lock(session, new.application_id)
    decision = await _earlier(session, keyring, new)
    if created := decision is None:
        decision = await _insert(session, keyring, application, new)
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
    return Recorded(decision, created, await _run_of(session, decision))


def check_reasons(outcome: DecisionOutcome, reasons: Sequence[str]) -> None:
    """Raises Unprocessable unless the reasons suffice to tell the applicant of this outcome.

    A denial states its principal reasons, four at most (12 CFR 1002.9(a)(2)(i) and its interpretation); a
    request for more information says what is needed, for nobody can send what they were not told.
    """
    if outcome is DecisionOutcome.DENIED and not 1 <= len(reasons) <= regulation_b.MOST_REASONS:
        raise Unprocessable(
            f"A denial needs one to {regulation_b.MOST_REASONS} principal reasons, not {len(reasons)}: the "
            "applicant has to be told them (12 CFR 1002.9)."
        )
    if outcome is DecisionOutcome.MORE_INFORMATION_NEEDED and not reasons:
        raise Unprocessable("Say in `reasons` which information is needed: the applicant has to be told.")
    if wrong := [number for number, reason in enumerate(reasons) if not regulation_b.is_reason(reason)]:
        raise Unprocessable(
            f"reasons[{wrong[0]}] is no code of the sample form; write own text as a sentence. "
            f"The codes are {', '.join(regulation_b.PrincipalReason)}."
        )


def note_of(keyring: Keyring, decision: Decision) -> str | None:
    """The decision's note in clear. Raises DecryptionFailed."""
    if decision.note is None:
        return None
    return keyring.decrypt(decision.note, context=_note_context(decision.id)).decode()


async def _earlier(session: AsyncSession, keyring: Keyring, new: NewDecision) -> Decision | None:
    """The decision this one repeats, or None. Raises when it contradicts one."""
    same_key = await session.scalar(
        select(Decision).where(Decision.source == new.source, Decision.idempotency_key == new.idempotency_key)
    )
    if same_key is not None:
        if new.repeats(same_key, keyring):
            return same_key
        raise _key_reused(f"was used for decision {same_key.id}, which says something else")
    standing = await session.scalar(standing_decision(new.application_id))
    if standing is None or new.agrees_with(standing):
        return standing
    raise DecisionConflict(
        f"Decision {standing.id} ({standing.outcome}, received {standing.received_at.isoformat()}) stands "
        f"for application {new.application_id}. The first decision counts; nothing was changed.",
        first_decision=str(standing.id),
    )


async def _insert(
    session: AsyncSession, keyring: Keyring, application: Application, new: NewDecision
) -> Decision:
    if application.status is not ApplicationStatus.IN_REVIEW:
        raise DecisionNotPossible(
            f"Application {application.id} is {application.status}. A decision is possible once it is "
            f"in_review: wait for that with GET /v1/applications/{application.id}, then send it again."
        )
    decision_id = new_id()
    note = None if new.note is None else keyring.encrypt(new.note.encode(), _note_context(decision_id))
    values = {
        "id": decision_id,
        "application_id": new.application_id,
        "source": new.source,
        "idempotency_key": new.idempotency_key,
        "outcome": new.outcome,
        "reasons": list(new.reasons),
        "conditions": list(new.conditions),
        "note": note,
        "decided_by": new.decided_by,
        "decided_at": new.decided_at or func.now(),
    }
    new_row = insert(Decision).values(values).on_conflict_do_nothing().returning(Decision)
    decision: Decision | None = await session.scalar(new_row)
    if decision is None:
        # The application is locked, so this key was used at the same moment for another one.
        raise _key_reused("was used for another application")
    return decision


def _key_reused(how: str) -> IdempotencyKeyReused:
    return IdempotencyKeyReused(f"The idempotency key {how}. Send a new decision with a new key.")


def _note_context(decision_id: uuid.UUID) -> str:
    return f"decision.note:{decision_id}"


async def _run_of(session: AsyncSession, decision: Decision) -> uuid.UUID | None:
    """The decision's run; with several routes, always the same one of them."""
    caused = select(Run.id).where(Run.cause_kind == RunCause.DECISION, Run.cause_id == str(decision.id))
    run_id: uuid.UUID | None = await session.scalar(caused.order_by(Run.id).limit(1))
    return run_id


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
    await applications.decide(session, application, decision.outcome)
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
