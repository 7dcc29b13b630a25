"""The reading process: what it answers, and what happens when it does not."""

from __future__ import annotations

import asyncio
import io
import os
import sys
from asyncio.subprocess import Process
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image
from pydantic import SecretStr

from app.dev import specimens
from app.models import DocumentStatus
from flows import reader
from flows.engines.cloud import EngineUnavailable
from flows.engines.vision import GoogleVision
from flows.extraction.intake.photo import printed_part
from flows.reader import Reader, Reading, ReadingCrashedError, Refusal
from tests.integration.flows.cloud_stand_ins import VISION_KEY, VisionStandIn, served, vision_error

PERSON = specimens.person(11, datetime.now(UTC).date())
SPECIMEN = specimens.to_jpeg(specimens.back(PERSON))


async def test_it_answers_with_what_was_read() -> None:
    async with reader.started() as process:
        answer = await process.read(SPECIMEN)
    assert isinstance(answer, Reading)
    assert answer.fields["LAST_NAME"]["value"] == specimens.truth(PERSON)["LAST_NAME"]
    assert answer.fields["LAST_NAME"]["source"] == "barcode"
    assert {check["status"] for check in answer.checks} <= {"pass", "fail", "warn", "not_run"}
    assert "rapidocr" in answer.engine["versions"]


async def test_it_is_killed_at_its_time_limit_and_a_person_looks() -> None:
    async with reader.started(time_limit=0.05) as process:
        pid = process_of(process).pid
        answer = await process.read(SPECIMEN)
    assert isinstance(answer, Refusal)
    assert answer.status is DocumentStatus.UNREADABLE
    assert "too long" in answer.reason
    assert not alive(pid)


async def test_it_does_not_outlive_its_run() -> None:
    async with reader.started() as process:
        pid = process_of(process).pid
        assert alive(pid)
    assert not alive(pid)


async def test_its_death_is_told_without_a_word_about_the_document() -> None:
    async with reader.started() as process:
        process_of(process).kill()
        with pytest.raises(ReadingCrashedError, match=r"^The reading process ended with code -9\.$"):
            await process.read(SPECIMEN)


async def test_it_knows_no_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLUICE_ENCRYPTION_KEYS", "k:secret-1")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret-2")
    monkeypatch.setenv("PREFECT_API_KEY", "secret-3")
    async with reader.started() as process:
        await process.read(b"")
    async with reader.started() as process:
        environment = await environment_of(process_of(process).pid)
        assert "PATH=" in environment
        assert "secret-" not in environment


async def test_a_cloud_engine_is_asked_on_its_behalf() -> None:
    vision = VisionStandIn()
    async with served(vision) as url, reader.started("google-vision") as process:
        answer = await process.read(SPECIMEN, "google-vision", engine_at(url))
    assert isinstance(answer, Reading)
    assert answer.engine["name"] == "google-vision"
    assert answer.engine["versions"]["google-vision"] == "v1"
    assert answer.fields["LAST_NAME"]["value"] == specimens.truth(PERSON)["LAST_NAME"]


async def test_what_a_cloud_engine_gets_is_pixels_and_no_file() -> None:
    vision = VisionStandIn()
    uploaded = Image.open(io.BytesIO(specimens.to_jpeg(specimens.front(PERSON))))
    uploaded.getexif()[ExifTags.Base.Make] = "A phone"
    file = io.BytesIO()
    uploaded.save(file, "JPEG", exif=uploaded.getexif())
    grey = np.asarray(uploaded.convert("L"))
    height, width = grey[printed_part(grey)].shape
    async with served(vision) as url, reader.started("google-vision") as process:
        await process.read(file.getvalue(), "google-vision", engine_at(url))
    [sent] = vision.pictures
    picture = Image.open(io.BytesIO(sent))
    assert (picture.format, picture.size) == ("JPEG", (width, height))
    assert dict(picture.getexif()) == {}


async def test_each_attempt_has_a_process_of_its_own() -> None:
    vision = VisionStandIn()
    vision.first = [vision_error(429, "RESOURCE_EXHAUSTED")]
    async with served(vision) as url, reader.started("google-vision") as process:
        with pytest.raises(EngineUnavailable, match="HTTP 429"):
            await process.read(SPECIMEN, "google-vision", engine_at(url))
        assert isinstance(await process.read(SPECIMEN, "google-vision", engine_at(url)), Reading)
        assert isinstance(await process.read(b""), Refusal)


SAY = """
import json, os, struct, sys, threading

threading.Thread(target=sys.stdin.buffer.read).start()

def say(kind, content, length=None):
    sys.stdout.buffer.write(struct.pack(">cI", kind, len(content) if length is None else length) + content)
    sys.stdout.buffer.flush()

def answer(**members):
    say(b"A", json.dumps(members).encode())

picture = struct.pack(">HH", 600, 400) + bytes.fromhex("ffd8ff")
"""


@pytest.mark.parametrize(
    ("says", "asked", "error"),
    [
        ("for _ in range(9): say(b'P', picture)", 2, "said what it may not say"),
        ("say(b'P', picture, 2**31)", 0, "said what it may not say"),
        ("say(b'P', b'<html>')", 0, "said what it may not say"),
        ("say(b'P', b'')", 0, "said what it may not say"),
        ("say(b'T', b'{}')", 0, "said what it may not say"),
        ("say(b'A', b'{}', 2**31)", 0, "said what it may not say"),
        ("say(b'A', b'not JSON')", 0, "another form than agreed"),
        ("answer(status='verified')", 0, "another form than agreed"),
        ("answer(status='crashed', reason='JANE SAMPLE')", 0, "another form than agreed"),
        ("os._exit(3)", 0, "ended with code 3"),
    ],
)
async def test_one_that_was_broken_into_gets_nowhere(
    monkeypatch: pytest.MonkeyPatch, says: str, asked: int, error: str
) -> None:
    monkeypatch.setattr(reader, "_COMMAND", (sys.executable, "-c", SAY + says))
    vision = VisionStandIn()
    async with served(vision) as url, reader.started("google-vision") as process:
        with pytest.raises(ReadingCrashedError, match=error):
            await process.read(SPECIMEN, "google-vision", engine_at(url))
    assert len(vision.requests) == asked


async def test_one_with_a_local_engine_may_not_ask_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "_COMMAND", (sys.executable, "-c", SAY + "say(b'P', picture)"))
    async with reader.started() as process:
        with pytest.raises(ReadingCrashedError, match="said what it may not say"):
            await process.read(SPECIMEN)


def engine_at(url: str) -> GoogleVision:
    return GoogleVision(f"{url}/v1/images:annotate", SecretStr(VISION_KEY), timeout_seconds=5)


def process_of(started: Reader) -> Process:
    assert started._process is not None
    return started._process


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def environment_of(pid: int) -> str:
    """What the process was given; the kernel shows nothing while the process is being started."""
    async with asyncio.timeout(5):
        while not (environment := Path(f"/proc/{pid}/environ").read_text()):  # noqa: ASYNC110, ASYNC240
            await asyncio.sleep(0.01)
    return environment
