"""The main job's twins: repeated, denied, unreadable, killed in the middle, and with Prefect down."""

from __future__ import annotations

import asyncio
import io
import zlib
from datetime import UTC, datetime

import pytest
from PIL import Image
from sqlalchemy import func, select

from app.db import Sessions
from app.dev import specimens
from app.dev.mail import Mail
from app.dev.underwriter import Ruling
from app.models import Decision, Email, EmailStatus, Notification, Run
from tests.e2e.conftest import Driver, all_runs_ended, deliveries_about, in_review, until


async def _runs(sessions: Sessions, application_id: str) -> int:
    async with sessions() as session:
        query = select(func.count()).select_from(Run).where(Run.application_id == application_id)
        return await session.scalar(query) or 0


async def test_the_same_upload_notified_twice_gives_one_run(driver: Driver, picture: bytes) -> None:
    await driver.register("TWICE-1")
    key = await driver.loan_app.upload("TWICE-1", picture)
    await driver.status_when("TWICE-1", lambda view: bool(view["runs"]))

    announced = deliveries_about(driver, key)[0]
    message_id, message = announced.message_id, announced.message
    driver.stack.sns.redeliver(message_id)
    other_id = driver.stack.sns.publish(message)
    await driver.stack.sns.settled()

    delivered = {
        delivery.status
        for delivery in driver.stack.sns.deliveries
        if delivery.message_id in {message_id, other_id}
    }
    assert delivered == {200}
    assert await _runs(driver.sessions, "TWICE-1") == 1
    view = await driver.status_when("TWICE-1", in_review)
    assert len(view["documents"]) == 1
    assert len(await driver.flow_runs_of(view["runs"][0]["id"])) == 1


async def test_a_denial_is_explained_to_the_applicant_once(driver: Driver, picture: bytes) -> None:
    driver.rulings["DENIED-1"] = Ruling("denied", reasons=["Income could not be verified"])
    address = await driver.register("DENIED-1")
    await driver.loan_app.upload("DENIED-1", picture)
    view = await driver.status_when(
        "DENIED-1", lambda view: view["status"] == "denied" and all_runs_ended(view)
    )
    assert [run["state"] for run in view["runs"]] == ["COMPLETED", "COMPLETED"]

    [mail] = decision_mails(driver, address)
    body = mail.message.get_body(("plain",))
    assert body is not None
    assert "Income could not be verified" in body.get_content()

    # The same flow run once more, as an operator might start it by hand: nothing changes.
    deployment = await driver.operator.get(
        f"{driver.stack.prefect_url}/api/deployments/name/underwriting-decision/default"
    )
    again = await driver.operator.post(
        f"{driver.stack.prefect_url}/api/deployments/{deployment.json()['id']}/create_flow_run",
        json={"parameters": {"decision_id": view["decision"]["id"]}},
    )
    url = f"{driver.stack.prefect_url}/api/flow_runs/{again.json()['id']}"

    async def completed() -> bool:
        return bool((await driver.operator.get(url)).json()["state_type"] == "COMPLETED")

    await until(completed)
    assert len(decision_mails(driver, address)) == 1
    after = await driver.status_when("DENIED-1", lambda _: True)
    assert after["version"] == view["version"]
    async with driver.sessions() as session:
        emails = await session.scalars(
            select(Email.status).join(Decision).where(Decision.application_id == "DENIED-1")
        )
        assert list(emails) == [EmailStatus.SENT]


def decision_mails(driver: Driver, address: str) -> list[Mail]:
    mails = driver.stack.mail.mails
    return [mail for mail in mails if address in mail.recipients and mail.tells_decision]


def _bomb() -> bytes:
    """A PNG of 60 megapixels in a few kilobytes."""
    file = io.BytesIO()
    Image.new("1", (10_000, 6_000)).save(file, "PNG", optimize=True)
    return file.getvalue()


def _truncated() -> bytes:
    somebody = specimens.person(43, datetime.now(UTC).date())
    return specimens.to_jpeg(specimens.front(somebody))[:9_000]


@pytest.mark.parametrize(
    ("application_id", "content"),
    [
        ("BROKEN-1", _truncated()),
        ("HTML-1", b"<html>" + zlib.compress(b"x" * 100)),
        ("BOMB-1", _bomb()),
        ("BLANK-1", specimens.to_jpeg(Image.new("RGB", (1200, 800), "white"))),
    ],
    ids=["truncated", "not a picture", "60 megapixels", "blank"],
)
async def test_what_cannot_be_read_still_reaches_a_person(
    driver: Driver, application_id: str, content: bytes
) -> None:
    address = await driver.register(application_id)
    await driver.loan_app.upload(application_id, content)
    view = await driver.status_when(application_id, lambda view: in_review(view) and all_runs_ended(view))

    [document] = view["documents"]
    assert document["status"] in {"unreadable", "rejected"}
    assert document["reason"].endswith(".")
    assert len(document["reason"].split()) >= 5
    assert view["runs"][0]["state"] == "COMPLETED"
    [mail] = [mail for mail in driver.stack.mail.mails if address in mail.recipients]
    assert mail.subject == f"Please upload a document again for your loan application {application_id}"


async def test_an_object_that_is_gone_still_reaches_a_person(driver: Driver, picture: bytes) -> None:
    await driver.register("GONE-1")
    driver.stack.worker.stop()
    try:
        key = await driver.loan_app.upload("GONE-1", picture)
        await driver.status_when("GONE-1", lambda view: bool(view["runs"]))
        removed = await driver.operator.delete(f"{driver.stack.aws_url}/sluice-documents/{key}")
        assert removed.status_code == 204
    finally:
        await driver.stack.worker.up()
    view = await driver.status_when("GONE-1", in_review)

    assert view["documents"][0]["status"] == "rejected"
    assert "upload it again" in view["documents"][0]["reason"]


async def test_a_gateway_killed_between_commit_and_dispatch_loses_nothing(
    driver: Driver, picture: bytes
) -> None:
    gateway = driver.stack.gateway
    gateway.stop()
    gateway.env["SLUICE_DISPATCHER_ENABLED"] = "false"
    await gateway.up()
    await driver.register("KILLED-1")
    await driver.loan_app.upload("KILLED-1", picture)
    view = await driver.status_when("KILLED-1", lambda view: bool(view["runs"]))
    assert view["runs"][0]["state"] == "ACCEPTED"
    gateway.kill()

    gateway.env["SLUICE_DISPATCHER_ENABLED"] = "true"
    await gateway.up()
    view = await driver.status_when("KILLED-1", in_review)
    assert len(view["runs"]) == 1
    assert len(await driver.flow_runs_of(view["runs"][0]["id"])) == 1


async def test_a_notification_while_prefect_is_down_waits_and_runs(driver: Driver, picture: bytes) -> None:
    await driver.register("DOWN-1")
    driver.stack.prefect.stop()
    try:
        key = await driver.loan_app.upload("DOWN-1", picture)
        view = await driver.status_when("DOWN-1", lambda view: bool(view["runs"]))
        await driver.stack.sns.settled()
        assert [delivery.status for delivery in deliveries_about(driver, key)] == [200]
        await asyncio.sleep(3)
        view = await driver.status_when("DOWN-1", lambda _: True)
        [run] = view["runs"]
        assert run["state"] == "ACCEPTED"
        assert run["attempts"] == 0
    finally:
        await driver.stack.prefect.up()

    view = await driver.status_when("DOWN-1", in_review)
    assert view["runs"][0]["state"] in {"RUNNING", "COMPLETED"}
    assert len(await driver.flow_runs_of(view["runs"][0]["id"])) == 1


async def test_a_gateway_that_is_down_gets_the_notification_again(driver: Driver, picture: bytes) -> None:
    await driver.register("RETRY-1")
    form = await driver.loan_app.open_upload("RETRY-1")
    driver.stack.gateway.kill()
    await driver.loan_app.send(form, picture)

    async def was_tried() -> bool:
        return bool(deliveries_about(driver, form["key"]))

    await until(was_tried)
    await driver.stack.gateway.up()
    view = await driver.status_when("RETRY-1", in_review)

    assert len(view["runs"]) == 1
    await driver.stack.sns.settled()
    deliveries = deliveries_about(driver, form["key"])
    assert deliveries[0].status is None
    assert deliveries[-1].status == 200
    [message_id] = {delivery.message_id for delivery in deliveries}
    async with driver.sessions() as session:
        received = select(func.count()).select_from(Notification).where(Notification.message_id == message_id)
        assert await session.scalar(received) == 1
