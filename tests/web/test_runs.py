"""`/v1/runs` and `/v1/documents`."""

from __future__ import annotations

import uuid
from typing import Any

import httpx
import pytest
from sqlalchemy import func, select, update

from app import applications, outcomes
from app.db import Sessions
from app.encryption import Keyring
from app.models import Document, Run, RunState
from app.settings import Settings
from tests.web.conftest import Headers, Notify, s3_event

KEY = "applications/A-1/license-front/front.jpg"


async def _run_id(client: httpx.AsyncClient, headers: Headers) -> str:
    status = (await client.get("/v1/applications/A-1", headers=headers)).json()
    run_id: str = status["runs"][0]["id"]
    return run_id


async def test_a_run_is_visible_from_the_moment_its_cause_is_committed(
    client: httpx.AsyncClient, notify: Notify, loan_app: Headers
) -> None:
    await notify(s3_event(KEY))
    answer = await client.get(f"/v1/runs/{await _run_id(client, loan_app)}", headers=loan_app)

    assert answer.status_code == 200
    assert answer.json()["state"] == "ACCEPTED"
    assert answer.json()["flow_run_id"] is None
    unchanged = await client.get(
        answer.request.url.path, headers={**loan_app, "If-None-Match": answer.headers["etag"]}
    )
    assert unchanged.status_code == 304


async def test_an_unknown_run_is_404_and_a_bad_id_422(client: httpx.AsyncClient, loan_app: Headers) -> None:
    assert (await client.get(f"/v1/runs/{uuid.uuid4()}", headers=loan_app)).status_code == 404
    assert (await client.get("/v1/runs/7", headers=loan_app)).status_code == 422


async def test_a_run_that_ended_badly_is_replayed_under_a_new_key(
    client: httpx.AsyncClient, notify: Notify, sessions: Sessions, operator: Headers, loan_app: Headers
) -> None:
    await notify(s3_event(KEY))
    run_id = await _run_id(client, operator)
    refused = await client.post(f"/v1/runs/{run_id}/replay", headers=operator)
    assert refused.status_code == 409
    assert "ACCEPTED" in refused.json()["detail"]

    flow_run_id = uuid.uuid4()
    async with sessions.begin() as session:
        await session.execute(update(Run).values(state=RunState.CRASHED, flow_run_id=flow_run_id))
        run = await session.scalar(select(Run))
        assert run is not None
        await outcomes.run_changed_state(session, run)
    status = (await client.get("/v1/applications/A-1", headers=loan_app)).json()
    assert status["status"] == "in_review"
    assert status["documents"][0]["status"] == "unreadable"

    assert (await client.post(f"/v1/runs/{run_id}/replay", headers=loan_app)).status_code == 403
    replayed = await client.post(f"/v1/runs/{run_id}/replay", headers=operator)
    assert replayed.status_code == 202
    assert replayed.json()["state"] == "ACCEPTED"
    assert replayed.json()["previous_flow_runs"] == [str(flow_run_id)]
    status = (await client.get("/v1/applications/A-1", headers=loan_app)).json()
    assert status["documents"][0]["status"] == "received"
    async with sessions() as session:
        again = await session.get_one(Run, uuid.UUID(run_id))
    assert again.idempotency_key == f"{run_id}:1"
    assert again.attempts == 0


async def test_runs_that_ended_badly_are_replayed_by_filter(
    client: httpx.AsyncClient, notify: Notify, sessions: Sessions, operator: Headers, loan_app: Headers
) -> None:
    await notify(s3_event(KEY))
    run_id = await _run_id(client, operator)
    async with sessions.begin() as session:
        await session.execute(update(Run).values(state=RunState.DEAD))

    async def asked(**body: Any) -> httpx.Response:
        return await client.post("/v1/runs/replay", json=body, headers=operator)

    assert (await client.post("/v1/runs/replay", json={}, headers=loan_app)).status_code == 403
    assert (await asked(states=["RUNNING"])).status_code == 409
    assert (await asked(states=["LOST"])).status_code == 422
    assert (await asked(routes="document-verification")).status_code == 422
    assert (await asked(route="other")).json() == {"matching": 0, "replayed": [], "dry_run": False}
    rehearsed = await asked(route="document-verification", dry_run=True)
    assert rehearsed.json() == {"matching": 1, "replayed": [run_id], "dry_run": True}
    assert (await client.get(f"/v1/runs/{run_id}", headers=operator)).json()["state"] == "DEAD"
    replayed = await asked(since="2026-01-01T00:00:00Z")
    assert replayed.json() == {"matching": 1, "replayed": [run_id], "dry_run": False}
    assert (await client.get(f"/v1/runs/{run_id}", headers=operator)).json()["state"] == "ACCEPTED"


async def test_only_what_prefect_has_can_be_cancelled_and_only_through_it(
    client: httpx.AsyncClient, notify: Notify, sessions: Sessions, operator: Headers, loan_app: Headers
) -> None:
    await notify(s3_event(KEY))
    path = f"/v1/runs/{await _run_id(client, operator)}/cancel"
    assert (await client.post(path, headers=loan_app)).status_code == 403
    waiting = await client.post(path, headers=operator)
    assert waiting.status_code == 409
    assert "ACCEPTED" in waiting.json()["detail"]
    async with sessions.begin() as session:
        await session.execute(update(Run).values(state=RunState.RUNNING, flow_run_id=uuid.uuid4()))
    unreachable = await client.post(path, headers=operator)
    assert unreachable.status_code == 503
    assert unreachable.json()["type"] == "urn:sluice:problem:prefect-unavailable"


async def test_a_stuck_run_is_shown_as_such(
    client: httpx.AsyncClient, notify: Notify, sessions: Sessions, operator: Headers
) -> None:
    await notify(s3_event(KEY))
    run_id = await _run_id(client, operator)
    async with sessions.begin() as session:
        await session.execute(update(Run).values(state=RunState.PENDING, stuck_at=func.now()))
    run = (await client.get(f"/v1/runs/{run_id}", headers=operator)).json()
    metrics = (await client.get("/metrics")).text

    assert (run["stuck"], run["place"]) == (True, None)
    assert 'sluice_runs_stuck{route="document-verification",state="PENDING"} 1.0' in metrics
    assert 'sluice_runs_in_prefect{route="document-verification"} 1.0' in metrics


@pytest.fixture
async def document_url(notify: Notify, sessions: Sessions, settings: Settings) -> str:
    """Where a document that was read is found."""
    await notify(s3_event(KEY))
    async with sessions.begin() as session:
        document_id = await session.scalar(select(Document.id))
        assert document_id is not None
        await applications.record_extraction(
            session,
            Keyring(settings.encryption.keys),
            document_id,
            fields={"FIRST_NAME": {"value": "ADA", "confidence": 99}},
            checks=[{"check": "expiry", "status": "pass"}],
            recommendation="accept",
            engine={"ocr": "test"},
        )
    return f"/v1/documents/{document_id}"


async def test_what_was_read_is_shown_to_underwriters_and_not_to_the_loan_app(
    client: httpx.AsyncClient, document_url: str, loan_app: Headers, underwriter: Headers
) -> None:
    read = (await client.get(document_url, headers=underwriter)).json()
    assert read["status"] == "verified"
    assert read["extraction"]["fields"]["FIRST_NAME"]["value"] == "ADA"
    seen_by_loan_app = await client.get(document_url, headers=loan_app)
    assert seen_by_loan_app.json()["extraction"] is None
    assert "ADA" not in seen_by_loan_app.text


async def test_a_waiting_run_tells_its_place(
    client: httpx.AsyncClient, notify: Notify, loan_app: Headers
) -> None:
    await notify(s3_event(KEY))
    await notify(s3_event(KEY.replace("A-1", "A-2"), etag="0" * 32))
    status = (await client.get("/v1/applications/A-2", headers=loan_app)).json()
    run = (await client.get(f"/v1/runs/{status['runs'][0]['id']}", headers=loan_app)).json()

    assert (run["state"], run["place"], run["stuck"]) == ("ACCEPTED", 2, False)
