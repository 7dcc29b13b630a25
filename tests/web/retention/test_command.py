"""`sluice purge`: a period, a time or one application, and what it says of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import insert
from typer.testing import CliRunner, Result

from app.cli import cli
from app.db import Sessions
from app.errors import NotFound
from app.models import Application, Document, LeavingObject, Notification, new_id
from app.settings import S3Settings, Settings
from tests.web.conftest import BUCKET
from tests.web.retention.conftest import NOW, Apply, count, versions

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


@pytest.fixture
def sluice(
    settings: Settings, s3_settings: S3Settings, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Any]:
    """The command, on this test's database and bucket."""
    monkeypatch.setenv("SLUICE_DATABASE_URL", settings.database.url.get_secret_value())
    monkeypatch.setenv("SLUICE_LOG_LEVEL", "WARNING")
    monkeypatch.setenv("SLUICE_S3_BUCKET", BUCKET)
    monkeypatch.setenv("SLUICE_S3_ENDPOINT_URL", s3_settings.endpoint_url or "")

    async def run(*arguments: str) -> Result:
        return await asyncio.to_thread(CliRunner().invoke, cli, ["purge", *arguments])

    return run


async def test_the_command_removes_nothing_unless_a_period_is_set(
    apply: Apply, sluice: Callable[..., Any], sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    await apply("A-1")
    unset = await sluice()
    assert unset.exit_code == 0
    assert "No retention period is set" in unset.stderr
    assert await count(sessions, Document) == 1

    monkeypatch.setenv("SLUICE_RETENTION_APPLICATIONS_DAYS", "30")
    rehearsed = await sluice("--dry-run")
    assert "1  applications" in rehearsed.stdout
    assert await count(sessions, Document) == 1
    done = await sluice()
    assert "1  objects" in done.stdout
    assert "No retention period" not in done.stderr
    assert await count(sessions, Document) == 0


async def test_the_command_takes_a_time_instead(
    apply: Apply, sluice: Callable[..., Any], sessions: Sessions
) -> None:
    await apply("A-1")
    await apply("A-2", at=NOW - timedelta(days=3))
    assert "1  applications" in (await sluice("--before", "30d", "--dry-run")).stdout
    assert (await sluice("--before", "30d")).exit_code == 0
    assert await count(sessions, Application, Application.purged_at.is_not(None)) == 1


async def test_the_command_removes_one_application(
    apply: Apply, sluice: Callable[..., Any], sessions: Sessions, s3: S3Client
) -> None:
    await apply("A-1", at=NOW)
    assert "1  documents" in (await sluice("--application", "A-1", "--dry-run")).stdout
    assert (
        await count(sessions, Document)
        == await count(sessions, Notification, Notification.envelope.is_not(None))
        == 1
    )
    assert (await sluice("--application", "A-1")).exit_code == 0
    assert versions(s3) == []
    assert isinstance((await sluice("--application", "A-2")).exception, NotFound)


async def test_the_command_fails_when_a_picture_stays(sluice: Callable[..., Any], sessions: Sessions) -> None:
    async with sessions.begin() as session:
        leaving = {"document_id": new_id(), "bucket": "no-such-bucket", "key": "a"}
        await session.execute(insert(LeavingObject).values(leaving))
    failed = await sluice()
    assert failed.exit_code == 1
    assert "S3 refused to delete 1 pictures" in failed.stderr


@pytest.mark.parametrize("arguments", [("--force",), ("--application", "A-1", "--before", "1d")])
async def test_a_command_that_contradicts_itself_is_refused(
    sluice: Callable[..., Any], arguments: tuple[str, ...]
) -> None:
    assert (await sluice(*arguments)).exit_code == 2
