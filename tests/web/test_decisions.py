"""`POST /v1/applications/{id}/decisions`."""

from __future__ import annotations

import json
import uuid
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from pydantic import SecretStr
from sqlalchemy import select

from app import applications, decisions, standard_webhooks
from app.db import Sessions
from app.encryption import Keyring
from app.models import ApplicationStatus, Document, Run, RunCause
from app.settings import Settings
from tests.web.conftest import Headers, Notify, s3_event

APPROVE: dict[str, Any] = {"outcome": "approved", "decided_by": "underwriter-17"}
DENY: dict[str, Any] = {"outcome": "denied", "reasons": ["Expired document"], "decided_by": "underwriter-17"}
URL = "/v1/applications/A-1/decisions"

Decide = Callable[..., Awaitable[httpx.Response]]


@pytest.fixture
def decide(client: httpx.AsyncClient, webhook_secret: SecretStr) -> Decide:
    """Send a decision signed by Standard Webhooks."""

    async def send(
        body: dict[str, Any],
        *,
        webhook_id: str | None = None,
        secret: SecretStr = webhook_secret,
        at: datetime | None = None,
        url: str = URL,
    ) -> httpx.Response:
        content = json.dumps(body).encode()
        headers = standard_webhooks.sign(
            secret, webhook_id or f"msg_{uuid.uuid4()}", at or datetime.now(UTC), content
        )
        return await client.post(
            url, content=content, headers={**headers, "Content-Type": "application/json"}
        )

    return send


@pytest.fixture
async def in_review(notify: Notify, sessions: Sessions, settings: Settings) -> None:
    """Application A-1 with one document that was read."""
    await notify(s3_event("applications/A-1/license-front/front.jpg"))
    async with sessions.begin() as session:
        document_id = await session.scalar(select(Document.id))
        assert document_id is not None
        await applications.record_extraction(
            session,
            Keyring(settings.encryption.keys),
            document_id,
            fields={"FIRST_NAME": {"value": "ADA"}},
            checks=[],
            recommendation="review",
            engine={},
        )


async def _decision_runs(sessions: Sessions) -> list[Run]:
    async with sessions() as session:
        return list(await session.scalars(select(Run).where(Run.cause_kind == RunCause.DECISION)))


@pytest.mark.usefixtures("in_review")
async def test_a_signed_decision_starts_one_run_whose_parameters_are_ids(
    decide: Decide, sessions: Sessions
) -> None:
    answer = await decide(APPROVE)

    assert answer.status_code == 202
    [run] = await _decision_runs(sessions)
    assert run.deployment == "underwriting-decision/default"
    assert run.parameters == {"decision_id": answer.json()["id"]}


@pytest.mark.usefixtures("in_review")
async def test_repeating_a_decision_changes_nothing(decide: Decide, sessions: Sessions) -> None:
    first = await decide(APPROVE, webhook_id="msg_1")
    same_key = await decide(APPROVE, webhook_id="msg_1")
    other_key = await decide(APPROVE, webhook_id="msg_2")

    assert (first.status_code, same_key.status_code, other_key.status_code) == (202, 200, 200)
    assert first.json()["id"] == same_key.json()["id"] == other_key.json()["id"]
    assert len(await _decision_runs(sessions)) == 1


@pytest.mark.usefixtures("in_review")
async def test_a_different_second_decision_is_a_conflict_that_names_the_first(
    decide: Decide, sessions: Sessions
) -> None:
    first = await decide(APPROVE)
    second = await decide(DENY)

    assert second.status_code == 409
    assert second.json()["type"] == "urn:sluice:problem:decision-conflict"
    assert first.json()["id"] in second.json()["detail"]

    async with sessions.begin() as session:
        applied = await decisions.apply(session, uuid.UUID(first.json()["id"]))
    assert applied.application.status is ApplicationStatus.APPROVED
    assert (await decide(DENY)).json()["type"] == "urn:sluice:problem:decision-conflict"
    assert len(await _decision_runs(sessions)) == 1


@pytest.mark.usefixtures("in_review")
async def test_a_reused_key_with_other_content_is_refused(decide: Decide) -> None:
    await decide(APPROVE, webhook_id="msg_1")
    answer = await decide(DENY, webhook_id="msg_1")

    assert answer.status_code == 409
    assert answer.json()["type"] == "urn:sluice:problem:idempotency-key-reused"


@pytest.mark.usefixtures("in_review")
async def test_applying_a_decision_twice_changes_nothing(decide: Decide, sessions: Sessions) -> None:
    decision_id = uuid.UUID((await decide(DENY)).json()["id"])
    async with sessions.begin() as session:
        first = await decisions.apply(session, decision_id)
    async with sessions.begin() as session:
        second = await decisions.apply(session, decision_id)

    assert (first.changed, second.changed) == (True, False)
    assert second.application.status is ApplicationStatus.DENIED
    assert first.application.version == second.application.version


@pytest.mark.usefixtures("in_review")
async def test_after_more_information_the_application_can_be_decided_again(
    decide: Decide, sessions: Sessions, notify: Notify
) -> None:
    more = await decide({"outcome": "more_information_needed", "decided_by": "underwriter-17"})
    async with sessions.begin() as session:
        applied = await decisions.apply(session, uuid.UUID(more.json()["id"]))
    assert applied.application.status is ApplicationStatus.AWAITING_DOCUMENT
    assert (await decide(APPROVE)).status_code == 409

    await notify(s3_event("applications/A-1/license-front/better.jpg"))
    async with sessions.begin() as session:
        newest = select(Document.id).order_by(Document.id.desc()).limit(1)
        document_id = await session.scalar(newest)
        assert document_id is not None
        await applications.verification_failed(session, document_id, "Too dark.")
    assert (await decide(APPROVE)).status_code == 202


async def test_an_unknown_application_is_404_and_says_what_to_do(decide: Decide) -> None:
    answer = await decide(APPROVE)

    assert answer.status_code == 404
    assert "PUT /v1/applications/A-1" in answer.json()["detail"]


async def test_an_application_that_is_not_in_review_is_409_and_says_what_to_do(
    decide: Decide, notify: Notify
) -> None:
    await notify(s3_event("applications/A-1/license-front/front.jpg"))
    answer = await decide(APPROVE)

    assert answer.status_code == 409
    assert "in_review" in answer.json()["detail"]


@pytest.mark.usefixtures("in_review")
async def test_forged_late_or_unsigned_decisions_are_refused(
    client: httpx.AsyncClient, decide: Decide, sessions: Sessions
) -> None:
    forged = await decide(APPROVE, secret=SecretStr(standard_webhooks.new_secret()))
    late = await decide(APPROVE, at=datetime.now(UTC) - timedelta(hours=1))
    unsigned = await client.post(URL, json=APPROVE)

    assert (forged.status_code, late.status_code, unsigned.status_code) == (403, 403, 401)
    assert await _decision_runs(sessions) == []


@pytest.mark.usefixtures("in_review")
async def test_an_underwriters_api_key_needs_an_idempotency_key(
    client: httpx.AsyncClient, underwriter: Headers, loan_app: Headers
) -> None:
    assert (await client.post(URL, json=APPROVE, headers=underwriter)).status_code == 400
    assert (await client.post(URL, json=APPROVE, headers=loan_app)).status_code == 403
    headers = {**underwriter, "Idempotency-Key": "decision-1"}
    assert (await client.post(URL, json=APPROVE, headers=headers)).status_code == 202


@pytest.mark.usefixtures("in_review")
async def test_a_denial_without_a_reason_is_refused(decide: Decide) -> None:
    answer = await decide({"outcome": "denied", "decided_by": "underwriter-17"})

    assert answer.status_code == 422
    assert "reason" in answer.json()["detail"]
