"""The reading process: what it answers, and what happens when it does not."""

from __future__ import annotations

import asyncio
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from app.dev import specimens
from app.models import DocumentStatus
from flows import reader
from flows.reader import Reading, ReadingCrashedError, Refusal

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
        answer = await process.read(SPECIMEN)
        pid = process._process.pid
    assert isinstance(answer, Refusal)
    assert answer.status is DocumentStatus.UNREADABLE
    assert "in time" in answer.reason
    assert not alive(pid)


async def test_it_does_not_outlive_its_run() -> None:
    async with reader.started() as process:
        pid = process._process.pid
        assert alive(pid)
    assert not alive(pid)


async def test_its_death_is_told_without_a_word_about_the_document() -> None:
    async with reader.started() as process:
        process._process.kill()
        with pytest.raises(ReadingCrashedError, match=r"^The reading process ended with code -9\.$"):
            await process.read(SPECIMEN)


async def test_it_knows_no_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLUICE_ENCRYPTION_KEYS", "k:secret-1")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret-2")
    monkeypatch.setenv("PREFECT_API_KEY", "secret-3")
    async with reader.started() as process:
        await process.read(b"")
    async with reader.started() as process:
        environment = await environment_of(process._process.pid)
        assert "PATH=" in environment
        assert "secret-" not in environment


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
