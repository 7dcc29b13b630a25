"""The document-verification flow on a real Prefect server, with a real bucket, database and reader."""

from __future__ import annotations

import asyncio
import io
import os
import re
import signal
import uuid
from asyncio.subprocess import Process
from datetime import UTC, datetime
from pathlib import Path

import pytest
from moto.server import ThreadedMotoServer
from PIL import Image

from app import applications, erasure
from app.db import Sessions
from app.dev import specimens
from app.dev.mail import MailSink
from app.dev.process import free_port
from app.encryption import Keyring
from app.models import ApplicationStatus, DocumentStatus, Extraction
from tests.integration.flows.conftest import RunFlow, UnderwritingTool, Upload, stored

PERSON = specimens.person(7, datetime.now(UTC).date())
SPECIMEN = specimens.to_jpeg(specimens.both(PERSON))


FLOW = "document-verification"


async def test_a_licence_is_read_and_its_application_goes_to_review(
    run_flow: RunFlow, upload: Upload, sessions: Sessions, keyring: Keyring
) -> None:
    document = await upload(SPECIMEN)
    state = await run_flow(FLOW, document.id)

    assert state.type == "COMPLETED", state
    assert state.message is not None
    assert "recommendation: review" in state.message
    read, application = await stored(sessions, document.id)
    assert read.status is DocumentStatus.VERIFIED
    assert application.status is ApplicationStatus.IN_REVIEW
    async with sessions() as session:
        extraction = await session.get_one(Extraction, document.id)
    values = {
        name: field["value"] for name, field in applications.extracted_fields(keyring, extraction).items()
    }
    expected = specimens.truth(PERSON)
    assert {name: values.get(name) for name in expected} == expected
    assert extraction.engine["name"] == "rapidocr"
    assert extraction.engine["seconds"]["total"] > 0


def bomb() -> bytes:
    """A PNG of a few kilobytes that unpacks to 60 megapixels."""
    file = io.BytesIO()
    Image.new("L", (10_000, 6_000)).save(file, "PNG")
    return file.getvalue()


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (bomb(), "rejected: .* megapixels"),
        (b"", "rejected: .* empty"),
        (b"<html></html>", "rejected: .* web page"),
        (SPECIMEN[:20_000], "unreadable: .* damaged"),
        (specimens.to_jpeg(Image.new("RGB", (800, 500), "white")), "unreadable: .* photo"),
        (bytes(16 * 1024 * 1024), "rejected: .* larger than 15 MB"),
    ],
    ids=["bomb", "empty", "web page", "truncated", "blank", "too large"],
)
async def test_what_cannot_be_read_gets_a_reason_and_still_reaches_a_person(
    run_flow: RunFlow, upload: Upload, sessions: Sessions, data: bytes, reason: str
) -> None:
    document = await upload(data)
    state = await run_flow(FLOW, document.id)

    read, application = await stored(sessions, document.id)
    assert re.match(reason, f"{read.status}: {read.reason}")
    assert state == ("COMPLETED", read.status.capitalize(), read.reason)
    assert application.status is ApplicationStatus.IN_REVIEW


async def test_an_object_that_is_gone_is_looked_for_again_and_then_given_up(
    run_flow: RunFlow, upload: Upload, sessions: Sessions
) -> None:
    document = await upload(SPECIMEN, stored=False)
    state = await run_flow(FLOW, document.id)

    read, application = await stored(sessions, document.id)
    assert (state.type, state.name) == ("COMPLETED", "Rejected")
    assert read.reason == "The file is no longer where it was uploaded; upload it again."
    assert application.status is ApplicationStatus.IN_REVIEW


@pytest.mark.parametrize("announced", [{"etag": "d41d8cd98f00b204e9800998ecf8427e"}, {"size": 7}])
async def test_another_object_than_the_announced_is_not_read(
    run_flow: RunFlow, upload: Upload, sessions: Sessions, announced: dict[str, object]
) -> None:
    document = await upload(SPECIMEN, **announced)
    await run_flow(FLOW, document.id)
    read, _ = await stored(sessions, document.id)
    assert read.status is DocumentStatus.REJECTED
    assert read.reason is not None
    assert "the newer one counts" in read.reason


async def test_a_superseded_document_is_not_read(
    run_flow: RunFlow, upload: Upload, sessions: Sessions
) -> None:
    older = await upload(SPECIMEN)
    newer = await upload(SPECIMEN + b"\0", sequencer="0B")
    state = await run_flow(FLOW, older.id)

    assert (state.type, state.name) == ("COMPLETED", "Superseded")
    assert (await stored(sessions, older.id))[0].status is DocumentStatus.SUPERSEDED
    assert (await stored(sessions, newer.id))[1].status is ApplicationStatus.VERIFYING


async def test_reading_a_document_again_replaces_what_was_read(
    run_flow: RunFlow, upload: Upload, sessions: Sessions
) -> None:
    document = await upload(SPECIMEN)
    first, second = await run_flow(FLOW, document.id), await run_flow(FLOW, document.id)
    assert first.type == second.type == "COMPLETED"
    assert (await stored(sessions, document.id))[1].status is ApplicationStatus.IN_REVIEW


async def test_an_unknown_document_fails_the_run_and_says_so(run_flow: RunFlow) -> None:
    unknown = uuid.uuid4()
    state = await run_flow(FLOW, unknown)
    assert state.type == "FAILED"
    assert f"There is no document {unknown}." in str(state.message)


async def test_trouble_with_the_store_that_passes_is_waited_out(
    run_flow: RunFlow, upload: Upload, sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = await upload(SPECIMEN)
    port = free_port()
    monkeypatch.setenv("SLUICE_S3_ENDPOINT_URL", f"http://127.0.0.1:{port}")
    store = ThreadedMotoServer(ip_address="127.0.0.1", port=port)
    later = asyncio.get_running_loop().call_later(2, store.start)
    try:
        state = await run_flow(FLOW, document.id)
    finally:
        later.cancel()
        store.stop()
    assert state.type == "COMPLETED", state
    assert (await stored(sessions, document.id))[0].status is DocumentStatus.VERIFIED


async def test_a_reading_that_is_killed_fails_the_run_and_still_reaches_a_person(
    run_flow: RunFlow, upload: Upload, sessions: Sessions, flow_process: Process, tool: UnderwritingTool
) -> None:
    document = await upload(SPECIMEN)
    running = asyncio.create_task(run_flow(FLOW, document.id))
    os.kill(await child_of(flow_process.pid), signal.SIGKILL)
    state = await running

    assert state.type == "FAILED"
    assert state.message == "The reading process ended with code -9. The application is in review."
    read, application = await stored(sessions, document.id)
    assert read.reason == "The document could not be read automatically; a person will look at it."
    [(_, message)] = tool.received
    assert message["type"] == "document.unreadable"
    assert message["data"]["reason"] == read.reason
    assert message["data"]["assessment"]["complete"] is True
    assert application.status is ApplicationStatus.IN_REVIEW


async def test_a_document_whose_picture_was_purged_is_not_read_again(
    run_flow: RunFlow, upload: Upload, sessions: Sessions, mailbox: MailSink
) -> None:
    document = await upload(SPECIMEN)
    await run_flow(FLOW, document.id)
    mailbox.mails.clear()
    async with sessions.begin() as session:
        await erasure.erase_documents(session, ["A-17"], actor="retention")
    state = await run_flow(FLOW, document.id)

    assert (state.type, state.name) == ("COMPLETED", "Purged")
    assert "removed for good" in str(state.message)
    assert (await stored(sessions, document.id))[0].status is DocumentStatus.VERIFIED
    async with sessions() as session:
        assert await session.get(Extraction, document.id) is None
    assert mailbox.mails == []


async def test_a_file_that_crashes_the_reading_is_unreadable(
    run_flow: RunFlow, upload: Upload, sessions: Sessions, flow_process: Process
) -> None:
    document = await upload(SPECIMEN)
    running = asyncio.create_task(run_flow(FLOW, document.id))
    os.kill(await child_of(flow_process.pid), signal.SIGSEGV)
    state = await running

    assert (state.type, state.name) == ("COMPLETED", "Unreadable")
    read, application = await stored(sessions, document.id)
    assert read.reason is not None
    assert "could not be opened safely" in read.reason
    assert application.status is ApplicationStatus.IN_REVIEW


async def child_of(pid: int) -> int:
    """The process that any thread of this one has started, now or in a moment."""
    for _ in range(1_000):
        for file in Path(f"/proc/{pid}/task").glob("*/children"):  # noqa: ASYNC240 (no disk: the kernel answers)
            if children := file.read_text().split():
                return int(children[0])
        await asyncio.sleep(0.02)
    pytest.fail("The flow started no reading process.")
