"""The hand-over to the underwriting tool, and the report that a run leaves in Prefect's UI."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import httpx
import pytest

from app import handovers
from app.db import Sessions
from app.dev import specimens
from app.models import ApplicationStatus
from tests.integration.flows.conftest import RunFlow, ServesPrefect, UnderwritingTool, Upload, actions, stored

PERSON = specimens.person(7, datetime.now(UTC).date())
SPECIMEN = specimens.to_jpeg(specimens.both(PERSON))
FLOW = "document-verification"


async def test_the_underwriting_tool_is_told_what_was_read(
    run_flow: RunFlow, upload: Upload, sessions: Sessions, tool: UnderwritingTool
) -> None:
    tool.answers = [503, 429]
    document = await upload(SPECIMEN)
    state = await run_flow(FLOW, document.id)

    assert state.type == "COMPLETED", state
    assert len(tool.received) == 3
    assert {webhook_id for webhook_id, _ in tool.received} == {f"document-{document.id}"}
    message = tool.received[-1][1]
    assert message["type"] == "document.read"
    assert message["data"]["application_id"] == "A-17"
    assert message["data"]["fields"]["LAST_NAME"]["value"] == specimens.truth(PERSON)["LAST_NAME"]
    assert message["data"]["recommendation"] == "review"
    assert await actions(sessions, f"document:{document.id}") == [
        "document.received",
        "document.verified",
        "underwriting.told",
    ]


@pytest.mark.parametrize(
    ("stored_as", "shown_as", "disposition"),
    [("image/jpeg", "image/jpeg", "inline"), ("text/html", "application/octet-stream", "attachment")],
)
async def test_a_link_shows_the_picture_for_a_while_and_never_runs_what_it_is(
    run_flow: RunFlow, upload: Upload, tool: UnderwritingTool, stored_as: str, shown_as: str, disposition: str
) -> None:
    document = await upload(SPECIMEN, content_type=stored_as)
    await run_flow(FLOW, document.id)

    picture = tool.received[-1][1]["data"]["picture"]
    async with httpx.AsyncClient() as client:
        answer = await client.get(picture["url"])
    assert answer.content == SPECIMEN
    assert answer.headers["content-type"] == shown_as
    assert answer.headers["content-disposition"] == disposition
    left = datetime.fromisoformat(picture["expires_at"]) - datetime.now(UTC)
    assert timedelta(minutes=10) < left <= timedelta(minutes=15)


async def test_without_the_object_there_is_no_link(
    run_flow: RunFlow, upload: Upload, tool: UnderwritingTool
) -> None:
    document = await upload(SPECIMEN, stored=False)
    await run_flow(FLOW, document.id)
    [(_, message)] = tool.received
    assert message["type"] == "document.unreadable"
    assert message["data"]["picture"] is None


async def test_a_refusal_leaves_the_application_in_review_and_shows_until_the_tool_takes_it(
    run_flow: RunFlow, upload: Upload, sessions: Sessions, tool: UnderwritingTool
) -> None:
    tool.answers = [422]
    document = await upload(SPECIMEN)
    state = await run_flow(FLOW, document.id)

    assert (state.type, state.name) == ("FAILED", "NotHandedOver")
    assert len(tool.received) == 1
    refused, application = await stored(sessions, document.id)
    assert application.status is ApplicationStatus.IN_REVIEW
    assert refused.handover_refusal == "The underwriting tool answered 422."
    assert (await actions(sessions, f"document:{document.id}"))[-1] == "underwriting.refused"
    async with sessions() as session:
        assert await handovers.refused(session) == 1

    state = await run_flow(FLOW, document.id)
    assert state.type == "COMPLETED", state
    taken, later = await stored(sessions, document.id)
    assert taken.handover_refusal is None
    assert later.version > application.version
    async with sessions() as session:
        assert await handovers.refused(session) == 0


async def test_the_underwriting_tool_is_told_of_an_unreadable_document_too(
    run_flow: RunFlow, upload: Upload, tool: UnderwritingTool
) -> None:
    document = await upload(b"<html></html>")
    await run_flow(FLOW, document.id)
    [(_, message)] = tool.received
    assert message["type"] == "document.unreadable"
    assert message["data"]["status"] == "rejected"
    assert "web page" in message["data"]["reason"]


async def test_a_run_leaves_a_report_in_prefect(
    run_flow: RunFlow, upload: Upload, prefect_server: ServesPrefect
) -> None:
    document = await upload(SPECIMEN)
    await run_flow(FLOW, document.id)
    by_run = {"flow_runs": {"name": {"any_": [f"document {document.id}"]}}}
    async with httpx.AsyncClient(base_url=prefect_server.api_url) as client:
        [report] = (await client.post("/artifacts/filter", json=by_run)).json()
    assert report["key"] == FLOW
    assert report["description"].startswith("Read ")
    assert "| expired | pass | reject | yes |  |" in report["data"]
    assert "| rapidocr |" in report["data"]
