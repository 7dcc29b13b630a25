"""The main job, step by step: an uploaded document becomes an email about a decision."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import select

from app import audit
from app.dev import specimens
from app.dev.specimens import Person
from app.dev.underwriter import Ruling
from app.models import AuditEntry, Notification, NotificationOutcome
from tests.e2e.conftest import Driver, deliveries_about, in_review, until

APPLICATION = "MAIN-1"


async def test_from_the_upload_to_the_email(driver: Driver, person: Person, picture: bytes) -> None:
    address = await driver.register(APPLICATION, person)
    key = await driver.loan_app.upload(APPLICATION, picture)

    # Announced and committed: one run of the right route, for this object.
    view = await driver.status_when(APPLICATION, lambda view: bool(view["runs"]))
    [document], [run] = view["documents"], view["runs"]
    assert document["key"] == key
    assert run["route"] == "document-verification"
    await driver.stack.sns.settled()
    assert [delivery.status for delivery in deliveries_about(driver, key)] == [200]

    # Run by Prefect, once, with ids only.
    view = await driver.status_when(APPLICATION, in_review)
    [run] = view["runs"]
    [flow_run] = await driver.flow_runs_of(run["id"])
    assert run["flow_run_id"] == flow_run["id"]
    assert flow_run["parameters"] == {"document_id": document["id"]}

    # Read: every printed field, and the checks between front and barcode.
    assert view["documents"][0]["status"] == "verified"
    extraction = (await driver.document(document["id"]))["extraction"]
    read = {name: field["value"] for name, field in extraction["fields"].items()}
    expected = specimens.truth(person)
    assert {name: read.get(name) for name in expected} == expected
    assert extraction["recommendation"] == "review"
    statuses = {check["check"]: check["status"] for check in extraction["checks"]}
    assert "fail" not in statuses.values()
    assert statuses["barcode_matches_print"] == "pass"
    assert statuses["specimen_words"] == "warn"

    # Handed to underwriting, decided by a signed POST, applied.
    async def handed_over() -> bool:
        return any(one.application_id == APPLICATION for one in driver.stack.underwriter.handovers)

    await until(handed_over)
    [handover] = [one for one in driver.stack.underwriter.handovers if one.application_id == APPLICATION]
    assert handover.kind == "document.read"
    assert handover.data["document_id"] == document["id"]
    answer = await driver.stack.underwriter.decide(APPLICATION, Ruling("approved"))
    assert answer.status_code == 202, answer.text
    view = await driver.status_when(APPLICATION, lambda view: view["status"] == "approved")
    assert view["decision"]["outcome"] == "approved"
    assert view["decision"]["applied_at"] is not None

    # Emailed, once about each.
    view = await driver.status_when(
        APPLICATION, lambda view: all(run["state"] == "COMPLETED" for run in view["runs"])
    )
    assert len(view["runs"]) == 2
    mails = [mail for mail in driver.stack.mail.mails if address in mail.recipients]
    assert [mail.subject for mail in mails] == [
        f"We have received your documents for loan application {APPLICATION}",
        f"Your loan application {APPLICATION} is approved",
    ]


async def test_the_audit_trail_tells_the_story_and_its_chain_holds(driver: Driver) -> None:
    while await audit.seal(driver.sessions):
        pass
    verification = await audit.verify(driver.sessions)
    assert verification.broken_at is None
    assert verification.sealed > 0
    async with driver.sessions() as session:
        story = await session.scalars(
            select(AuditEntry.action)
            .where(
                (AuditEntry.subject == f"application:{APPLICATION}")
                | (AuditEntry.detail["application"].astext == APPLICATION)
            )
            .order_by(AuditEntry.sequence)
        )
        assert list(story) == [
            "application.registered",
            "document.received",
            "document.verified",
            "email.sent",
            "decision.received",
            "application.approved",
            "email.sent",
        ]
        outcomes = set(await session.scalars(select(Notification.outcome)))
    assert NotificationOutcome.CONFIRMED in outcomes


async def test_prefect_and_the_logs_never_saw_the_applicant(
    driver: Driver, person: Person, tmp_path: Path
) -> None:
    dump = tmp_path / "prefect.sql"
    driver.stack.postgres.dump("prefect", dump)
    logs = sorted(driver.stack.folder.logs.glob("*.log"))
    assert len(logs) >= 4

    secrets = {
        "name": f"{person.first} {person.last}",
        "number": person.number,
        "street": person.street,
        "address": f"{APPLICATION.lower()}@example.com",
        "decision secret": driver.stack.decision_secret,
    }
    for file in (dump, *logs):
        content = file.read_text("utf-8", errors="replace").lower()
        found = [meaning for meaning, value in secrets.items() if value.lower() in content]
        assert found == [], file.name
