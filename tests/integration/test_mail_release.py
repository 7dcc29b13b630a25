"""`sluice mail release`: an email of which nobody knows whether it was sent, let go by an operator."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select
from typer.testing import CliRunner, Result

from app.cli import cli
from app.db import Sessions
from app.errors import NotFound
from app.models import Application, AuditEntry, Decision, DecisionOutcome, Document, Email, EmailStatus
from app.settings import DatabaseSettings

HOUR = timedelta(hours=1)
SENDING, DUE = EmailStatus.SENDING, EmailStatus.DUE

Release = Callable[..., Awaitable[Result]]


@pytest.fixture
def release(database: DatabaseSettings, monkeypatch: pytest.MonkeyPatch) -> Release:
    """The command, on this test's database."""
    monkeypatch.setenv("SLUICE_DATABASE_URL", database.url.get_secret_value())
    monkeypatch.setenv("SLUICE_LOG_LEVEL", "WARNING")

    async def release(*arguments: str, answer: str = "") -> Result:
        return await asyncio.to_thread(CliRunner().invoke, cli, ["mail", "release", *arguments], input=answer)

    return release


async def unconfirmed(sessions: Sessions, status: EmailStatus = SENDING, age: timedelta = HOUR) -> str:
    """A denial's email that a run has claimed; its Message-ID up to the @."""
    now = datetime.now(UTC)
    async with sessions.begin() as session:
        session.add(Application(id="A-17"))
        await session.flush()
        decision = Decision(
            application_id="A-17",
            source="test",
            idempotency_key="1",
            outcome=DecisionOutcome.DENIED,
            reasons=["Income insufficient"],
            conditions=[],
            decided_by="somebody",
            decided_at=now,
        )
        session.add(decision)
        await session.flush()
        session.add(Email(decision_id=decision.id, template="denied", status=status, claimed_at=now - age))
    return f"decision-{decision.id}"


async def statuses(sessions: Sessions) -> dict[str, EmailStatus]:
    async with sessions() as session:
        return {email.template: email.status for email in await session.scalars(select(Email))}


async def released(sessions: Sessions) -> list[str]:
    chosen = select(AuditEntry.subject).where(
        AuditEntry.action == "email.released", AuditEntry.actor == "cli"
    )
    async with sessions() as session:
        return list(await session.scalars(chosen))


async def test_an_email_that_never_left_is_due_again(sessions: Sessions, release: Release) -> None:
    reference = await unconfirmed(sessions)
    result = await release(f"<{reference}@example.com>", answer="y\n")
    assert result.exit_code == 0, result.output
    assert "never took this email" in result.output
    assert "Replay the run" in result.output
    assert await statuses(sessions) == {"denied": DUE}
    assert await released(sessions) == ["application:A-17"]


async def test_nothing_is_released_unless_the_operator_is_sure(sessions: Sessions, release: Release) -> None:
    reference = await unconfirmed(sessions)
    assert (await release(reference, answer="n\n")).exit_code == 1
    assert await statuses(sessions) == {"denied": SENDING}


@pytest.mark.parametrize(
    ("status", "age"),
    [(SENDING, timedelta(minutes=10)), (EmailStatus.SENT, HOUR), (DUE, HOUR)],
    ids=["perhaps being sent right now", "sent", "due"],
)
async def test_an_email_whose_end_is_known_or_near_is_left_alone(
    sessions: Sessions, release: Release, status: EmailStatus, age: timedelta
) -> None:
    reference = await unconfirmed(sessions, status, age)
    result = await release(reference, "--yes")
    assert isinstance(result.exception, NotFound)
    assert await statuses(sessions) == {"denied": status}
    assert await released(sessions) == []


async def test_of_a_document_only_the_email_that_is_named_is_released(
    sessions: Sessions, release: Release
) -> None:
    templates = ("documents_received", "document_unreadable")
    async with sessions.begin() as session:
        session.add(Application(id="A-17"))
        await session.flush()
        document = Document(application_id="A-17", bucket="b", key="k", object_version="1", kind="passport")
        session.add(document)
        await session.flush()
        for template in templates:
            claimed_at = datetime.now(UTC) - HOUR
            session.add(
                Email(document_id=document.id, template=template, status=SENDING, claimed_at=claimed_at)
            )
    result = await release(f"document_unreadable-{document.id}", "--yes")
    assert result.exit_code == 0, result.output
    assert await statuses(sessions) == {"documents_received": SENDING, "document_unreadable": DUE}


async def test_what_is_no_message_id_is_refused(release: Release) -> None:
    result = await release("A-17", "--yes")
    assert result.exit_code == 2
    assert "Give the email" in result.output
