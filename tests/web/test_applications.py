"""The loan app's endpoints."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import select

from app import applications, assessments, routing
from app.db import Sessions
from app.encryption import Keyring
from app.models import Application, Document
from app.routing import Routes
from app.settings import Settings
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


@pytest.mark.parametrize(
    ("content_type", "extension"),
    [
        ("image/png", "png"),
        ("image/heic", "heic"),
        ("image/heif", "heic"),
        ("image/webp", "webp"),
        ("image/avif", "avif"),
        ("image/tiff", "tiff"),
        ("application/pdf", "pdf"),
    ],
)
async def test_there_is_a_form_for_every_kind_of_file_that_is_read(
    client: httpx.AsyncClient, loan_app: Headers, content_type: str, extension: str
) -> None:
    await _register(client, loan_app)
    answer = await client.post(
        "/v1/applications/A-1/uploads",
        json={"kind": "license-front", "content_type": content_type},
        headers=loan_app,
    )
    assert answer.status_code == 201
    assert answer.json()["fields"]["Content-Type"] == content_type
    assert answer.json()["key"].endswith(f".{extension}")


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


async def test_the_status_says_which_kinds_are_missing(
    app: FastAPI, client: httpx.AsyncClient, loan_app: Headers, notify: Notify, sessions: Sessions
) -> None:
    [uploads, *others] = routing.shipped().all
    strict = uploads.model_copy(update={"requires": ("license-front", "license-back")})
    app.state.gateway.routes = Routes((strict, *others))
    await notify(s3_event("applications/A-1/license-front/front.jpg"))
    answer = await client.get("/v1/applications/A-1", headers=loan_app)
    status = answer.json()
    assert (status["status"], status["missing_kinds"]) == ("verifying", ["license-back"])

    # Its run ends without a result; what is still missing is told all the same.
    async with sessions.begin() as session:
        document_id = await session.scalar(select(Document.id))
        assert document_id is not None
        await applications.verification_failed(session, document_id, "A person will look at it.")
    news = {**loan_app, "If-None-Match": answer.headers["ETag"], "Prefer": "wait=10"}
    waiting = (await client.get("/v1/applications/A-1", headers=news)).json()
    assert (waiting["status"], waiting["missing_kinds"]) == ("awaiting_document", ["license-back"])

    await notify(s3_event("applications/A-1/license-back/back.jpg", sequencer="0B"))
    whole = (await client.get("/v1/applications/A-1", headers=loan_app)).json()
    assert (whole["status"], whole["missing_kinds"]) == ("verifying", [])


Assess = Callable[[], Awaitable[None]]


@pytest.fixture
def assess(sessions: Sessions, settings: Settings) -> Assess:
    """Read the application's one document, and assess it."""
    keyring = Keyring(settings.encryption.keys)

    async def assess() -> None:
        async with sessions.begin() as session:
            document_id = await session.scalar(select(Document.id))
            assert document_id is not None
            await applications.record_extraction(
                session, keyring, document_id, fields={}, checks=[], recommendation="review", engine={}
            )
            await assessments.store(
                session,
                keyring,
                "A-1",
                fields={"FIRST_NAME": {"value": "ADA"}},
                checks=[{"check": "expired", "status": "pass"}],
                recommendation="review",
                missing=["license-back"],
                documents=[document_id],
            )

    return assess


@pytest.fixture
async def assessed(in_review: None, assess: Assess) -> None:
    """The application in review has an assessment."""
    await assess()


async def _assessment(client: httpx.AsyncClient, reader: Headers) -> dict[str, Any]:
    found: dict[str, Any] = (await client.get("/v1/applications/A-1", headers=reader)).json()["assessment"]
    return found


async def test_the_assessment_is_shown_to_underwriters_and_operators_only(
    client: httpx.AsyncClient, assessed: None, loan_app: Headers, underwriter: Headers, operator: Headers
) -> None:
    for reader in (underwriter, operator):
        status = (await client.get("/v1/applications/A-1", headers=reader)).json()
        assert status["assessment"]["fields"] == {"FIRST_NAME": {"value": "ADA"}}
        assert status["assessment"]["checks"] == [{"check": "expired", "status": "pass"}]
        assert status["assessment"]["recommendation"] == "review"
        assert status["assessment"]["missing"] == ["license-back"]
        assert status["assessment"]["documents"] == [document["id"] for document in status["documents"]]
        assert status["assessment"]["outdated"] is False
    seen_by_loan_app = await client.get("/v1/applications/A-1", headers=loan_app)
    assert seen_by_loan_app.json()["assessment"] is None
    assert "ADA" not in seen_by_loan_app.text


async def test_an_assessment_of_what_was_replaced_since_says_so(
    client: httpx.AsyncClient, assessed: None, notify: Notify, underwriter: Headers
) -> None:
    await notify(s3_event("applications/A-1/license-front/front.jpg", etag="0" * 32, sequencer="0B"))
    status = (await client.get("/v1/applications/A-1", headers=underwriter)).json()
    assert [document["status"] for document in status["documents"]] == ["superseded", "received"]
    assert status["assessment"]["outdated"] is True


@pytest.mark.parametrize(
    ("changed", "outdated"),
    [
        ({}, False),
        ({"email": "ada@example.net"}, False),
        ({"name": "Bob Other"}, True),
        ({"date_of_birth": "1990-02-04"}, True),
        ({"date_of_birth": None}, True),
    ],
    ids=["nothing", "email", "name", "birth date", "no birth date"],
)
async def test_an_assessment_of_another_applicant_says_so(
    client: httpx.AsyncClient,
    notify: Notify,
    assess: Assess,
    loan_app: Headers,
    underwriter: Headers,
    *,
    changed: dict[str, str | None],
    outdated: bool,
) -> None:
    await _register(client, loan_app)
    await notify(s3_event("applications/A-1/license-front/front.jpg"))
    await assess()
    body = {"applicant": {**APPLICANT, **changed}}
    await client.put("/v1/applications/A-1", json=body, headers=loan_app)
    answer = await client.get("/v1/applications/A-1", headers=underwriter)
    assert answer.json()["assessment"]["outdated"] is outdated

    # The next document that is read brings an assessment of whom is registered now.
    await assess()
    news = {**underwriter, "If-None-Match": answer.headers["ETag"], "Prefer": "wait=10"}
    assert (await _assessment(client, news))["outdated"] is False


async def test_an_assessment_from_before_the_registration_says_so(
    client: httpx.AsyncClient, assessed: None, loan_app: Headers, underwriter: Headers
) -> None:
    before = await _assessment(client, underwriter)
    await _register(client, loan_app)
    after = await _assessment(client, underwriter)
    assert (before["outdated"], after["outdated"]) == (False, True)


async def test_an_unchanged_status_is_304(client: httpx.AsyncClient, loan_app: Headers) -> None:
    await _register(client, loan_app)
    first = await client.get("/v1/applications/A-1", headers=loan_app)
    headers = {**loan_app, "If-None-Match": first.headers["etag"]}

    assert (await client.get("/v1/applications/A-1", headers=headers)).status_code == 304


@pytest.mark.parametrize("etag", ['"12345678"', f'"{"1" * 5_000}"', '"x"', "*", '"1", "2"', "1"])
async def test_an_etag_that_is_not_the_present_one_is_answered_in_full(
    client: httpx.AsyncClient, loan_app: Headers, etag: str
) -> None:
    await _register(client, loan_app)
    answer = await client.get("/v1/applications/A-1", headers={**loan_app, "If-None-Match": etag})

    assert answer.status_code == 200
    assert answer.json()["id"] == "A-1"


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
