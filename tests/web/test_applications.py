"""The loan app's endpoints."""

from __future__ import annotations

import asyncio
import base64
import json

import httpx
import pytest
from sqlalchemy import select

from app.db import Sessions
from app.models import Application
from tests.web.conftest import Headers, Notify, s3_event

APPLICANT = {"name": "Ada Specimen", "email": "ada@example.com", "date_of_birth": "1990-02-03"}


async def _register(client: httpx.AsyncClient, headers: Headers, name: str = "A-1") -> httpx.Response:
    return await client.put(f"/v1/applications/{name}", json={"applicant": APPLICANT}, headers=headers)


async def test_registering_twice_is_created_once(client: httpx.AsyncClient, loan_app: Headers) -> None:
    first, second = await _register(client, loan_app), await _register(client, loan_app)

    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json() == second.json() == {"id": "A-1", "status": "awaiting_document", "version": 2}


async def test_the_applicant_is_not_stored_in_clear(
    client: httpx.AsyncClient, loan_app: Headers, sessions: Sessions
) -> None:
    await _register(client, loan_app)

    async with sessions() as session:
        stored = await session.scalar(select(Application.applicant))
    assert stored is not None
    assert b"Ada" not in stored
    assert b"example.com" not in stored


async def test_an_upload_before_the_registration_is_kept(
    client: httpx.AsyncClient, loan_app: Headers, notify: Notify
) -> None:
    await notify(s3_event("applications/A-1/license-front/front.jpg"))
    answer = await _register(client, loan_app)

    assert answer.status_code == 200
    assert answer.json()["status"] == "verifying"


async def test_the_upload_form_is_limited_in_size_and_type(
    client: httpx.AsyncClient, loan_app: Headers
) -> None:
    await _register(client, loan_app)
    answer = await client.post(
        "/v1/applications/A-1/uploads",
        json={"kind": "license-front", "content_type": "image/jpeg"},
        headers=loan_app,
    )

    assert answer.status_code == 201
    form = answer.json()
    assert form["key"].startswith("applications/A-1/license-front/")
    conditions = json.loads(base64.b64decode(form["fields"]["policy"]))["conditions"]
    assert ["content-length-range", 1, form["max_bytes"]] in conditions
    assert {"Content-Type": "image/jpeg"} in conditions
    assert {"key": form["key"]} in conditions


async def test_a_content_type_that_is_not_accepted_is_refused(
    client: httpx.AsyncClient, loan_app: Headers
) -> None:
    await _register(client, loan_app)
    answer = await client.post(
        "/v1/applications/A-1/uploads",
        json={"kind": "license-front", "content_type": "text/html"},
        headers=loan_app,
    )

    assert answer.status_code == 422
    assert "image/jpeg" in answer.json()["detail"]


async def test_an_upload_for_an_unknown_application_says_what_to_do(
    client: httpx.AsyncClient, loan_app: Headers
) -> None:
    answer = await client.post(
        "/v1/applications/nobody/uploads",
        json={"kind": "license-front", "content_type": "image/jpeg"},
        headers=loan_app,
    )

    assert answer.status_code == 404
    assert "PUT /v1/applications/nobody" in answer.json()["detail"]


async def test_the_status_shows_documents_and_runs_but_not_the_applicant(
    client: httpx.AsyncClient, loan_app: Headers, notify: Notify
) -> None:
    await _register(client, loan_app)
    await notify(s3_event("applications/A-1/license-front/front.jpg"))
    answer = await client.get("/v1/applications/A-1", headers=loan_app)

    status = answer.json()
    assert status["status"] == "verifying"
    assert [document["status"] for document in status["documents"]] == ["received"]
    assert [run["state"] for run in status["runs"]] == ["ACCEPTED"]
    assert status["decision"] is None
    assert "Ada" not in answer.text


async def test_an_unchanged_status_is_304(client: httpx.AsyncClient, loan_app: Headers) -> None:
    await _register(client, loan_app)
    first = await client.get("/v1/applications/A-1", headers=loan_app)
    headers = {**loan_app, "If-None-Match": first.headers["etag"]}

    assert (await client.get("/v1/applications/A-1", headers=headers)).status_code == 304


async def test_a_waiting_read_returns_when_the_status_changes(
    client: httpx.AsyncClient, loan_app: Headers, notify: Notify
) -> None:
    await _register(client, loan_app)
    first = await client.get("/v1/applications/A-1", headers=loan_app)
    headers = {**loan_app, "If-None-Match": first.headers["etag"], "Prefer": "wait=30"}
    waiting = asyncio.create_task(client.get("/v1/applications/A-1", headers=headers))
    await asyncio.sleep(0.3)
    assert not waiting.done()

    await notify(s3_event("applications/A-1/license-front/front.jpg"))
    answer = await asyncio.wait_for(waiting, 10)
    assert answer.status_code == 200
    assert answer.json()["status"] == "verifying"


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ({"applicant": {"name": "", "email": "a@b"}}, "/body/applicant/name"),
        ({"applicant": {"name": "Ada", "email": "secret-address"}}, "/body/applicant/email"),
        ({"applicant": {"name": "A\u0000", "email": "a@b"}}, "/body/applicant/name"),
        ({}, "/body/applicant"),
    ],
)
async def test_bad_input_names_the_place_and_never_the_value(
    client: httpx.AsyncClient, loan_app: Headers, body: object, place: str
) -> None:
    answer = await client.put("/v1/applications/A-1", json=body, headers=loan_app)

    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json()["errors"]] == [place]
    assert "secret-address" not in answer.text


async def test_who_may_do_what(
    client: httpx.AsyncClient, loan_app: Headers, underwriter: Headers, operator: Headers
) -> None:
    for headers, status in ((loan_app, 201), (underwriter, 403), (operator, 403), ({}, 401)):
        answer = await _register(client, headers)
        assert answer.status_code == status
    wrong = {"Authorization": "Bearer sluice_wrong"}
    assert (await client.get("/v1/applications/A-1", headers=wrong)).status_code == 401
    for headers in (loan_app, underwriter, operator):
        assert (await client.get("/v1/applications/A-1", headers=headers)).status_code == 200
