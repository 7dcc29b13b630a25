"""The underwriting-decision flow on a real Prefect server, database and mail server."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select, text

from app import applications, decisions, routing
from app.applications import Applicant
from app.db import Sessions
from app.dev.mail import MailSink
from app.encryption import Keyring
from app.models import (
    Application,
    ApplicationStatus,
    AuditEntry,
    Decision,
    DecisionOutcome,
    Email,
    EmailStatus,
    new_id,
)
from tests.integration.flows.conftest import APPLICANT, RunFlow

FLOW = "underwriting-decision"

Decide = Callable[..., Awaitable[Decision]]


@pytest.fixture
def decide(sessions: Sessions, keyring: Keyring) -> Decide:
    """Record a decision on an application in review."""

    async def decide(outcome: DecisionOutcome, *, applicant: Applicant | None = APPLICANT) -> Decision:
        async with sessions.begin() as session:
            session.add(Application(id="A-17", status=ApplicationStatus.IN_REVIEW))
            await session.flush()
            if applicant is not None:
                await applications.register(session, keyring, "A-17", applicant)
            new = decisions.NewDecision(
                application_id="A-17",
                source="test",
                idempotency_key=str(new_id()),
                outcome=outcome,
                reasons=("Income insufficient",),
                conditions=(),
                decided_by="somebody",
                decided_at=datetime.now(UTC),
            )
            recorded = await decisions.record(session, routing.shipped(), keyring, new)
        return recorded.decision

    return decide


async def status(sessions: Sessions) -> ApplicationStatus:
    async with sessions() as session:
        return (await session.get_one(Application, "A-17")).status


async def emails(sessions: Sessions) -> list[EmailStatus]:
    async with sessions() as session:
        return list(await session.scalars(select(Email.status)))


async def actions(sessions: Sessions) -> list[str]:
    own = select(AuditEntry.action).where(AuditEntry.actor == FLOW).order_by(AuditEntry.sequence)
    async with sessions() as session:
        return list(await session.scalars(own))


@pytest.mark.parametrize(
    ("outcome", "status_after", "subject"),
    [
        (DecisionOutcome.APPROVED, ApplicationStatus.APPROVED, "Your loan application A-17 is approved"),
        (DecisionOutcome.DENIED, ApplicationStatus.DENIED, "Our decision on your loan application A-17"),
        (
            DecisionOutcome.MORE_INFORMATION_NEEDED,
            ApplicationStatus.AWAITING_DOCUMENT,
            "We need more information for your loan application A-17",
        ),
    ],
)
async def test_a_decision_moves_the_application_and_tells_the_applicant_once(
    run_flow: RunFlow,
    decide: Decide,
    sessions: Sessions,
    mailbox: MailSink,
    *,
    outcome: DecisionOutcome,
    status_after: ApplicationStatus,
    subject: str,
) -> None:
    decision = await decide(outcome)
    first, second = await run_flow(FLOW, decision.id), await run_flow(FLOW, decision.id)

    assert first == ("COMPLETED", "Completed", "The decision is applied. The applicant was told.")
    assert second.type == "COMPLETED"
    assert second.message == "The decision is applied. The applicant was told by an earlier run."
    assert await status(sessions) is status_after
    [mail] = mailbox.mails
    assert mail.recipients == (APPLICANT.email,)
    assert mail.subject == subject
    assert [part.get_content_type() for part in mail.message.iter_parts()] == ["text/plain", "text/html"]
    assert await emails(sessions) == [EmailStatus.SENT]
    assert await actions(sessions) == [f"application.{status_after}", "email.sent"]


async def test_an_email_another_run_never_confirmed_is_not_sent_again(
    run_flow: RunFlow, decide: Decide, sessions: Sessions, mailbox: MailSink
) -> None:
    decision = await decide(DecisionOutcome.APPROVED)
    async with sessions.begin() as session:
        session.add(Email(decision_id=decision.id, template="approved", status=EmailStatus.SENDING))
    state = await run_flow(FLOW, decision.id)

    assert (state.type, state.name) == ("FAILED", "EmailUnconfirmed")
    assert "Nobody knows whether the email was sent" in str(state.message)
    assert await status(sessions) is ApplicationStatus.APPROVED
    assert mailbox.mails == []


async def test_an_email_that_was_refused_may_be_sent_by_a_replay(
    run_flow: RunFlow, decide: Decide, sessions: Sessions, keyring: Keyring, mailbox: MailSink
) -> None:
    decision = await decide(DecisionOutcome.APPROVED, applicant=Applicant(name="Jane", email="nowhere"))
    state = await run_flow(FLOW, decision.id)
    assert (state.type, state.name) == ("FAILED", "EmailNotSent")
    assert "nowhere" not in str(state.message)
    assert await status(sessions) is ApplicationStatus.APPROVED
    assert await emails(sessions) == [EmailStatus.DUE]

    async with sessions.begin() as session:
        await applications.register(session, keyring, "A-17", APPLICANT)
    assert (await run_flow(FLOW, decision.id)).type == "COMPLETED"
    assert len(mailbox.mails) == 1
    assert await actions(sessions) == ["application.approved", "email.not_sent", "email.sent"]


async def test_a_setting_that_cannot_work_costs_no_email(
    run_flow: RunFlow, decide: Decide, sessions: Sessions, mailbox: MailSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    decision = await decide(DecisionOutcome.DENIED)
    with monkeypatch.context() as wrong:
        wrong.setenv("SLUICE_MAIL_SENDER", "Loan Desk, Springfield <loans@example.com>")
        state = await run_flow(FLOW, decision.id)
    assert state.type == "FAILED"
    assert "MailSettings is not valid: sender" in str(state.message)
    assert await status(sessions) is ApplicationStatus.IN_REVIEW

    with monkeypatch.context() as wrong:
        wrong.setenv("SLUICE_MAIL_TRANSPORT", "ses")
        wrong.setenv("AWS_PROFILE", "missing")
        state = await run_flow(FLOW, decision.id)
    assert (state.type, state.name) == ("FAILED", "EmailNotSent")
    assert await emails(sessions) == [EmailStatus.DUE]

    assert (await run_flow(FLOW, decision.id)).type == "COMPLETED"
    assert len(mailbox.mails) == 1


async def test_a_mail_server_that_is_away_for_a_moment_is_waited_for(
    run_flow: RunFlow, decide: Decide, mailbox: MailSink
) -> None:
    decision = await decide(DecisionOutcome.APPROVED)
    await mailbox.stop()
    running = asyncio.create_task(run_flow(FLOW, decision.id))
    await asyncio.sleep(2)
    await mailbox.start()
    assert (await running).type == "COMPLETED"
    assert len(mailbox.mails) == 1


async def test_an_applicant_who_is_registered_late_is_told_by_a_replay(
    run_flow: RunFlow, decide: Decide, sessions: Sessions, keyring: Keyring, mailbox: MailSink
) -> None:
    decision = await decide(DecisionOutcome.DENIED, applicant=None)
    for _ in range(2):
        state = await run_flow(FLOW, decision.id)
        assert (state.type, state.name) == ("FAILED", "NoEmail")
    assert "Replay this run once it has" in str(state.message)
    assert await status(sessions) is ApplicationStatus.DENIED
    assert mailbox.mails == []
    assert await actions(sessions) == ["application.denied", "email.no_applicant"]

    async with sessions.begin() as session:
        await applications.register(session, keyring, "A-17", APPLICANT)
    assert (await run_flow(FLOW, decision.id)).type == "COMPLETED"
    assert len(mailbox.mails) == 1


async def test_a_row_of_the_release_before_this_one_is_known(
    run_flow: RunFlow, decide: Decide, sessions: Sessions, mailbox: MailSink
) -> None:
    """It claims by inserting, and names nothing but the decision."""
    decision = await decide(DecisionOutcome.APPROVED)
    values = f"gen_random_uuid(), '{decision.id}', 'approved', 'sent'"
    async with sessions.begin() as session:
        await session.execute(
            text(f"INSERT INTO emails (id, decision_id, template, status) VALUES ({values})")  # noqa: S608
        )
    state = await run_flow(FLOW, decision.id)
    assert state.type == "COMPLETED"
    assert mailbox.mails == []


async def test_a_day_is_named_until_which_more_information_may_come(
    run_flow: RunFlow, decide: Decide, mailbox: MailSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLUICE_MAIL_ANSWER_DAYS", "30")
    decision = await decide(DecisionOutcome.MORE_INFORMATION_NEEDED)
    await run_flow(FLOW, decision.id)
    [mail] = mailbox.mails
    body = mail.message.get_body(("plain",))
    assert body is not None
    last_day = datetime.now(UTC) + timedelta(days=30)
    assert f"We need to receive it by {last_day:%B} {last_day.day}, {last_day.year}." in body.get_content()


async def test_a_template_that_cannot_work_fails_the_run_before_anything_is_done(
    run_flow: RunFlow, decide: Decide, sessions: Sessions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decision = await decide(DecisionOutcome.APPROVED)
    own = tmp_path / "own"
    own.mkdir()
    (own / "approved.txt").write_text("{{ nmae }}")
    monkeypatch.setenv("SLUICE_MAIL_TEMPLATES_DIR", str(own))
    state = await run_flow(FLOW, decision.id)
    assert state.type == "FAILED"
    assert "approved.txt, line 1: 'nmae' is undefined" in str(state.message)
    assert await status(sessions) is ApplicationStatus.IN_REVIEW


async def test_an_unknown_decision_fails_the_run_and_says_so(run_flow: RunFlow) -> None:
    unknown = uuid.uuid4()
    state = await run_flow(FLOW, unknown)
    assert state.type == "FAILED"
    assert f"There is no decision {unknown}." in str(state.message)
