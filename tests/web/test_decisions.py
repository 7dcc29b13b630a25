"""`POST /v1/applications/{id}/decisions`."""

from __future__ import annotations

import asyncio
import json
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import hypothesis
import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st
from pydantic import SecretStr
from sqlalchemy import select

from app import applications, decisions, standard_webhooks
from app.db import Sessions
from app.models import Application, ApplicationStatus, Decision, Document, Run, RunCause
from app.regulation_b import PrincipalReason
from tests.web.conftest import DECISIONS_URL, Decide, Headers, Notify, s3_event

APPROVE: dict[str, Any] = {"outcome": "approved", "decided_by": "underwriter-17"}
DENY: dict[str, Any] = {"outcome": "denied", "reasons": ["Expired document"], "decided_by": "underwriter-17"}
MORE: dict[str, Any] = {
    "outcome": "more_information_needed",
    "reasons": ["A picture of the back of your licence"],
    "decided_by": "underwriter-17",
}


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
    assert answer.json()["run"] == {"id": str(run.id), "url": f"/v1/runs/{run.id}"}
    assert answer.headers["location"] == f"/v1/runs/{run.id}"
    assert run.deployment == "underwriting-decision/default"
    assert run.parameters == {"decision_id": answer.json()["id"]}


@pytest.mark.usefixtures("in_review")
async def test_repeating_a_decision_changes_nothing(decide: Decide, sessions: Sessions) -> None:
    first = await decide(APPROVE, webhook_id="msg_1")
    same_key = await decide(APPROVE, webhook_id="msg_1")
    other_key = await decide(APPROVE, webhook_id="msg_2")

    assert (first.status_code, same_key.status_code, other_key.status_code) == (202, 200, 200)
    assert first.json() == same_key.json() == other_key.json()
    assert first.headers["location"] == same_key.headers["location"] == other_key.headers["location"]
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


STATED: dict[str, Any] = {
    "outcome": "approved",
    "conditions": ["Proof of income"],
    "decided_by": "underwriter-17",
    "decided_at": "2025-11-20T10:00:00+01:00",
    "note": "Spoke to Ada Specimen.",
}


@pytest.mark.usefixtures("in_review")
@pytest.mark.parametrize(
    "changed",
    [
        {"outcome": "denied", "reasons": ["bankruptcy"]},
        {"reasons": ["Good income"]},
        {"conditions": []},
        {"decided_by": "underwriter-18"},
        {"decided_at": "2025-11-20T10:00:01+01:00"},
        {"note": "Spoke to somebody else."},
        {"note": None},
    ],
    ids="-".join,
)
async def test_a_reused_key_with_anything_else_said_is_refused(
    decide: Decide, changed: dict[str, Any]
) -> None:
    await decide(STATED, webhook_id="msg_1")
    answer = await decide({**STATED, **changed}, webhook_id="msg_1")

    assert answer.status_code == 422
    assert answer.json()["type"] == "urn:sluice:problem:idempotency-key-reused"


@pytest.mark.usefixtures("in_review")
async def test_a_retry_may_write_the_same_otherwise(decide: Decide) -> None:
    first = await decide(STATED, webhook_id="msg_1")
    same_time = {**STATED, "reasons": [], "decided_at": "2025-11-20T09:00:00Z"}

    assert (await decide(same_time, webhook_id="msg_1")).json() == first.json()


@pytest.mark.usefixtures("in_review")
@pytest.mark.parametrize(
    "decided_at",
    ["2000-01-01T00:00:00Z", (datetime.now(UTC) + timedelta(hours=14)).isoformat()],
    ids=["long ago", "a clock that is ahead"],
)
async def test_a_time_is_answered_and_repeated_as_it_was_sent(decide: Decide, decided_at: str) -> None:
    first, again = [await decide({**APPROVE, "decided_at": decided_at}, webhook_id="msg_1") for _ in range(2)]

    assert (first.status_code, again.status_code) == (202, 200)
    assert first.json() == again.json()
    assert datetime.fromisoformat(again.json()["decided_at"]) == datetime.fromisoformat(decided_at)


@pytest.mark.usefixtures("in_review")
async def test_another_underwriter_saying_the_same_under_another_key_is_told_of_the_first(
    decide: Decide, client: httpx.AsyncClient, underwriter: Headers
) -> None:
    first = await decide(STATED)
    agreeing = {"outcome": "approved", "conditions": ["Proof of income"], "decided_by": "underwriter-18"}
    headers = {**underwriter, "Idempotency-Key": "decision-1"}
    second = await client.post(DECISIONS_URL, json=agreeing, headers=headers)

    assert second.status_code == 200
    assert second.json() == first.json()


async def test_a_key_used_for_two_applications_at_once_counts_for_one_of_them(
    client: httpx.AsyncClient, sessions: Sessions, underwriter: Headers
) -> None:
    async with sessions.begin() as session:
        session.add_all(
            Application(id=name, status=ApplicationStatus.IN_REVIEW) for name in ("A-1", "A-2", "A-3")
        )
    headers = {**underwriter, "Idempotency-Key": "decision-1"}
    answers = await asyncio.gather(
        *(
            client.post(f"/v1/applications/{name}/decisions", json=APPROVE, headers=headers)
            for name in ("A-1", "A-2", "A-3")
        )
    )

    assert sorted(answer.status_code for answer in answers) == [202, 422, 422]
    assert len(await _decision_runs(sessions)) == 1


@pytest.mark.usefixtures("in_review")
async def test_the_note_is_for_underwriters_and_is_stored_encrypted(
    decide: Decide,
    client: httpx.AsyncClient,
    sessions: Sessions,
    *,
    loan_app: Headers,
    underwriter: Headers,
    operator: Headers,
) -> None:
    answer = await decide(STATED)
    seen = {
        role["Authorization"]: (await client.get("/v1/applications/A-1", headers=role)).json()["decision"]
        for role in (loan_app, underwriter, operator)
    }

    assert [decision["note"] for decision in seen.values()] == [None, STATED["note"], STATED["note"]]
    assert "Ada" not in answer.text
    async with sessions() as session:
        stored = await session.scalar(select(Decision.note))
    assert stored is not None
    assert b"Ada" not in stored


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
    more = await decide(MORE)
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
    unsigned = await client.post(DECISIONS_URL, json=APPROVE)

    assert (forged.status_code, late.status_code, unsigned.status_code) == (403, 403, 401)
    assert await _decision_runs(sessions) == []


@pytest.mark.usefixtures("in_review")
@pytest.mark.parametrize(
    "named", [{"application_id": "A-2"}, {"application_id": None}, {}], ids=["another", "null", "left out"]
)
async def test_what_was_signed_for_one_application_decides_no_other(
    client: httpx.AsyncClient,
    notify: Notify,
    webhook_secret: SecretStr,
    sessions: Sessions,
    named: dict[str, str | None],
) -> None:
    await notify(s3_event("applications/A-2/license-front/front.jpg"))
    body = json.dumps({**APPROVE, **named}).encode()
    signed = standard_webhooks.sign(webhook_secret, "msg_1", datetime.now(UTC), body)
    headers = {**signed, "Content-Type": "application/json"}
    too_early = await client.post("/v1/applications/A-2/decisions", content=body, headers=headers)
    elsewhere = await client.post(DECISIONS_URL, content=body, headers=headers)

    assert too_early.status_code in {409, 422}
    assert elsewhere.status_code == 422
    assert elsewhere.json()["type"] == "urn:sluice:problem:unprocessable"
    assert '`application_id` must be "A-1"' in elsewhere.json()["detail"]
    assert await _decision_runs(sessions) == []


@pytest.mark.usefixtures("in_review")
async def test_with_an_api_key_the_body_may_leave_the_application_out_and_must_not_name_another(
    client: httpx.AsyncClient, underwriter: Headers
) -> None:
    headers = {**underwriter, "Idempotency-Key": "decision-1"}
    bodies = [{**APPROVE, "application_id": "A-2"}, APPROVE, {**APPROVE, "application_id": "A-1"}]
    answers = [await client.post(DECISIONS_URL, json=body, headers=headers) for body in bodies]

    assert [answer.status_code for answer in answers] == [422, 202, 200]


@pytest.mark.usefixtures("in_review")
async def test_an_underwriters_api_key_needs_an_idempotency_key(
    client: httpx.AsyncClient, underwriter: Headers, loan_app: Headers
) -> None:
    assert (await client.post(DECISIONS_URL, json=APPROVE, headers=underwriter)).status_code == 400
    assert (await client.post(DECISIONS_URL, json=APPROVE, headers=loan_app)).status_code == 403
    headers = {**underwriter, "Idempotency-Key": "decision-1"}
    assert (await client.post(DECISIONS_URL, json=APPROVE, headers=headers)).status_code == 202


@pytest.mark.usefixtures("in_review")
@pytest.mark.parametrize(
    ("changed", "about"),
    [
        ({"reasons": []}, "one to 4 principal reasons"),
        ({"reasons": ["bankruptcy"] * 5}, "one to 4 principal reasons"),
        ({"reasons": ["bankruptcy", "bankrupcy"]}, "reasons[1]"),
        ({"reasons": [""]}, "/body/reasons/0"),
        ({"reasons": ["NUL \x00"]}, "/body/reasons/0"),
        ({"reasons": ["half a pair \ud800"]}, "/body/reasons/0"),
        ({"reasons": ["x " * 101]}, "/body/reasons/0"),
        ({"outcome": "more_information_needed", "reasons": []}, "which information is needed"),
        ({"outcome": "perhaps"}, "/body/outcome"),
        ({"decided_by": ""}, "/body/decided_by"),
        ({"decided_at": "2026-11-20T10:00:00"}, "/body/decided_at"),
        ({"decided_at": "0001-01-01T00:00:00Z"}, "`decided_at` must lie between"),
        ({"decided_at": "1970-01-01T00:00:00Z"}, "`decided_at` must lie between"),
        ({"decided_at": "9999-12-31T23:59:59Z"}, "`decided_at` must lie between"),
        ({"decided_at": "0001-01-01T00:00:00+14:00"}, "/body/decided_at"),
        ({"decided_at": "9999-12-31T23:59:59-14:00"}, "/body/decided_at"),
        ({"note": "NUL \x00"}, "/body/note"),
        ({"note": "long" * 1_001}, "/body/note"),
        ({"unknown": 1}, "/body/unknown"),
    ],
)
async def test_a_decision_that_could_not_be_told_or_stored_is_refused(
    decide: Decide, changed: dict[str, Any], about: str, sessions: Sessions
) -> None:
    answer = await decide({**DENY, **changed})

    assert answer.status_code == 422
    assert about in answer.json()["detail"]
    assert await _decision_runs(sessions) == []


@pytest.mark.usefixtures("in_review")
async def test_codes_and_own_text_are_answered_as_they_were_sent(decide: Decide) -> None:
    reasons = [*list(PrincipalReason)[:3], "The document has expired"]

    assert (await decide({**DENY, "reasons": reasons})).json()["reasons"] == reasons


HEADER_NAMES = st.sampled_from(["webhook-id", "webhook-timestamp", "webhook-signature"])
HEADER_VALUES = st.one_of(
    st.binary(max_size=40),
    st.binary(max_size=40).map(lambda value: b"v1," + value),
    st.text(max_size=10).map(str.encode),
    st.sampled_from([b"v1,", b"v1, v1,", b"1e9", b"-1", b"\xff\xfe", "²³".encode(), b"9" * 12]),
)


@given(st.lists(st.tuples(HEADER_NAMES, HEADER_VALUES), min_size=1, max_size=4))
@hypothesis.settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_whatever_bytes_stand_in_its_headers_a_forgery_is_401_or_403(
    client: httpx.AsyncClient, changed: list[tuple[str, bytes]]
) -> None:
    body = json.dumps(APPROVE).encode()
    signed = standard_webhooks.sign(
        SecretStr(standard_webhooks.new_secret()), "msg_1", datetime.now(UTC), body
    )
    kept = [(name.encode(), value.encode()) for name, value in signed.items() if name not in dict(changed)]
    garbage = [(name.encode(), value) for name, value in changed]
    headers = [(b"content-type", b"application/json"), *kept, *garbage]
    answer = await client.post(DECISIONS_URL, content=body, headers=headers)

    assert answer.status_code in {401, 403}
    assert answer.json()["type"] in {
        "urn:sluice:problem:unauthenticated",
        "urn:sluice:problem:signature-invalid",
    }
