"""Engines as the flow uses them, on a real Prefect server: retries, the next engine, and nothing lost."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest

from app.db import Sessions
from app.dev import specimens
from app.dev.postgres import EmbeddedPostgres
from app.models import Application, ApplicationStatus, Document, DocumentStatus, Extraction
from tests.integration.flows.cloud_stand_ins import VISION_KEY, VisionStandIn, served, vision_error
from tests.integration.flows.conftest import RunFlow, ServesPrefect, Upload, dump

FLOW = "document-verification"
SPECIMEN = specimens.to_jpeg(specimens.back(specimens.person(7, datetime.now(UTC).date())))


@pytest.fixture
async def vision(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[VisionStandIn]:
    """Google Vision, first among two engines. It finds no text; the barcode is enough."""
    stand_in = VisionStandIn()
    async with served(stand_in) as url:
        monkeypatch.setenv("SLUICE_READER_ENGINES", "google-vision,rapidocr")
        monkeypatch.setenv("SLUICE_READER_VISION_URL", f"{url}/v1/images:annotate")
        monkeypatch.setenv("SLUICE_READER_VISION_API_KEY", VISION_KEY)
        yield stand_in


async def read_by(sessions: Sessions, document_id: uuid.UUID) -> str:
    async with sessions() as session:
        document = await session.get_one(Document, document_id)
        assert document.status is DocumentStatus.VERIFIED
        name: str = (await session.get_one(Extraction, document_id)).engine["name"]
        return name


async def attempts(prefect: ServesPrefect, document_id: uuid.UUID) -> dict[str, tuple[str, int]]:
    """The reading steps of the document's flow run: their last state, and how often each was run."""
    asked = {"flow_runs": {"name": {"any_": [f"document {document_id}"]}}}
    found: list[dict[str, Any]] = await prefect.post("/task_runs/filter", asked)
    return {
        run["name"]: (run["state_type"], run["run_count"])
        for run in found
        if run["name"].startswith("read by")
    }


async def test_a_throttled_engine_is_asked_again(
    run_flow: RunFlow,
    upload: Upload,
    sessions: Sessions,
    vision: VisionStandIn,
    prefect_server: ServesPrefect,
    postgres: EmbeddedPostgres,
) -> None:
    vision.first = [vision_error(429, "RESOURCE_EXHAUSTED"), vision_error(503, "UNAVAILABLE")]
    document = await upload(SPECIMEN)
    state = await run_flow(FLOW, document.id)

    assert state.type == "COMPLETED", state
    assert await read_by(sessions, document.id) == "google-vision"
    assert len(vision.requests) == 3
    assert await attempts(prefect_server, document.id) == {"read by google-vision": ("COMPLETED", 3)}
    assert VISION_KEY not in await dump(postgres.url("prefect"))


async def test_after_a_refusal_the_next_engine_reads(
    run_flow: RunFlow,
    upload: Upload,
    sessions: Sessions,
    vision: VisionStandIn,
    prefect_server: ServesPrefect,
) -> None:
    vision.always = vision_error(403, "PERMISSION_DENIED")
    document = await upload(SPECIMEN)
    state = await run_flow(FLOW, document.id)

    assert state.type == "COMPLETED", state
    assert await read_by(sessions, document.id) == "rapidocr"
    assert len(vision.requests) == 1
    assert await attempts(prefect_server, document.id) == {
        "read by google-vision": ("FAILED", 1),
        "read by rapidocr": ("COMPLETED", 1),
    }


async def test_without_another_engine_a_person_looks(
    run_flow: RunFlow,
    upload: Upload,
    sessions: Sessions,
    vision: VisionStandIn,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SLUICE_READER_ENGINES", "google-vision")
    vision.always = vision_error(401, "UNAUTHENTICATED")
    document = await upload(SPECIMEN)
    state = await run_flow(FLOW, document.id)

    assert state.type == "FAILED"
    assert state.message == "Google Vision answered HTTP 401. The application is in review."
    async with sessions() as session:
        read = await session.get_one(Document, document.id)
        application = await session.get_one(Application, read.application_id)
    assert read.reason == "The document could not be read automatically; a person will look at it."
    assert application.status is ApplicationStatus.IN_REVIEW


async def test_an_engine_without_its_key_is_said_before_anything_is_fetched(
    run_flow: RunFlow, upload: Upload, vision: VisionStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLUICE_READER_VISION_API_KEY", "")
    document = await upload(SPECIMEN)
    state = await run_flow(FLOW, document.id)
    assert state.type == "FAILED"
    assert "set SLUICE_READER_VISION_API_KEY too" in str(state.message)
    assert vision.requests == []
