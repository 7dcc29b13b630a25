"""What flows work with, for real: Prefect, a bucket, a mail server, an underwriting tool, all on loopback."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import uuid
from asyncio.subprocess import PIPE, STDOUT, Process
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import asyncpg
import boto3
import pytest
from pydantic import SecretStr
from sqlalchemy import select
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from app import applications, encryption, standard_webhooks, uploads
from app.applications import Applicant
from app.db import Sessions
from app.dev.mail import MailSink
from app.dev.orchestrator import PROJECT
from app.dev.process import free_port
from app.dev.serving import serving
from app.encryption import Keyring
from app.models import Application, AuditEntry, Document, new_id
from app.s3_events import ObjectEvent
from app.settings import DatabaseSettings, Settings

BUCKET = "documents"
APPLICANT = Applicant(name="Jane Quimby Sample", email="jane.quimby@example.net")


class ServesPrefect(Protocol):
    api_url: str

    async def redeploy(self, deployment: str, **more: Any) -> None: ...

    async def post(self, path: str, body: Any) -> Any: ...


@pytest.fixture
async def mailbox(tmp_path: Path) -> AsyncIterator[MailSink]:
    sink = MailSink(free_port(), tmp_path)
    await sink.start()
    yield sink
    await sink.stop()


@pytest.fixture
def settings(
    database: DatabaseSettings, moto_url: str, mailbox: MailSink, monkeypatch: pytest.MonkeyPatch
) -> Settings:
    """The settings a flow run finds in its environment."""
    environment = {
        "SLUICE_DATABASE_URL": database.url.get_secret_value(),
        "SLUICE_S3_ENDPOINT_URL": moto_url,
        "SLUICE_ENCRYPTION_KEYS": encryption.new_key("test"),
        "SLUICE_MAIL_SMTP_PORT": str(mailbox.port),
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return Settings()


@pytest.fixture
def keyring(settings: Settings) -> Keyring:
    return Keyring(settings.encryption.keys)


@pytest.fixture(scope="session")
def prefect_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where Prefect would keep results on the worker's disk, and where the worker's log is."""
    return tmp_path_factory.mktemp("prefect-home")


@pytest.fixture(scope="session")
async def flow_process(prefect_server: ServesPrefect, prefect_home: Path) -> AsyncIterator[Process]:
    """See flow_process.py. It knows Prefect and nothing else; each run brings its own settings."""
    with (prefect_home / "worker.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, str(Path(__file__).with_name("flow_process.py"))),
            stdin=PIPE,
            stdout=PIPE,
            stderr=log,
            env={
                "PATH": os.environ["PATH"],
                "PREFECT_HOME": str(prefect_home),
                "PREFECT_API_URL": prefect_server.api_url,
            },
        )
    yield process
    process.kill()
    await process.communicate()


class FinalState(NamedTuple):
    """How Prefect's flow run ended."""

    type: str
    name: str
    message: str | None


class RunFlow(Protocol):
    async def __call__(self, flow: str, *arguments: object, **named: object) -> FinalState: ...


@pytest.fixture
def run_flow(flow_process: Process, settings: Settings) -> RunFlow:
    """Run a flow to its end, with the test's settings in its environment."""

    async def run(flow: str, *arguments: object, **named: object) -> FinalState:
        environment = {
            name: value for name, value in os.environ.items() if name.startswith(("SLUICE_", "AWS_"))
        }
        request = {
            "flow": flow,
            "arguments": [str(argument) for argument in arguments],
            "named": {name: str(argument) for name, argument in named.items()},
            "environment": environment,
        }
        assert flow_process.stdin is not None
        assert flow_process.stdout is not None
        flow_process.stdin.write(json.dumps(request).encode() + b"\n")
        return FinalState(*json.loads(await flow_process.stdout.readline()))

    return run


@dataclass
class UnderwritingTool:
    """Takes what is posted to it if the signature verifies; `answers` come first, 204 afterwards."""

    secret: SecretStr = field(default_factory=lambda: SecretStr(standard_webhooks.new_secret()))
    answers: list[int] = field(default_factory=list)
    received: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    async def __call__(self, request: Request) -> Response:
        body = await request.body()
        webhook_id = standard_webhooks.verify([self.secret], request.headers, body, datetime.now(UTC), 60)
        self.received.append((webhook_id, json.loads(body)))
        return Response(status_code=self.answers.pop(0) if self.answers else 204)


@pytest.fixture
async def tool(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[UnderwritingTool]:
    tool, port = UnderwritingTool(), free_port()
    monkeypatch.setenv("SLUICE_UNDERWRITING_URL", f"http://127.0.0.1:{port}/documents")
    monkeypatch.setenv("SLUICE_UNDERWRITING_WEBHOOK_SECRET", tool.secret.get_secret_value())
    async with serving(Starlette(routes=[Route("/documents", tool.__call__, methods=["POST"])]), port):
        yield tool


Upload = Callable[..., Awaitable[Document]]


@pytest.fixture
def upload(sessions: Sessions, settings: Settings, keyring: Keyring) -> Upload:
    """Store an object and announce it, as S3 does; what is announced may be changed."""
    s3 = boto3.client("s3", endpoint_url=settings.s3.endpoint_url, region_name="us-east-1")
    s3.create_bucket(Bucket=BUCKET)

    async def upload(
        data: bytes,
        *,
        kind: str = "license-front",
        stored: bool = True,
        content_type: str = "image/jpeg",
        **announced: Any,
    ) -> Document:
        key = f"applications/A-17/{kind}/card.jpg"
        put = s3.put_object(Bucket=BUCKET, Key=key, Body=data, ContentType=content_type)
        etag = put["ETag"].strip('"')
        if not stored:
            s3.delete_object(Bucket=BUCKET, Key=key)
        event = {
            "event_name": "ObjectCreated:Put",
            "bucket": BUCKET,
            "key": key,
            "size": len(data),
            "etag": etag,
            "sequencer": "0A",
            "event_time": datetime.now(UTC),
            "region": "us-east-1",
        }
        async with sessions.begin() as session:
            await applications.register(session, keyring, "A-17", APPLICANT)
            new = uploads.Upload(new_id(), "A-17", kind, ObjectEvent(**{**event, **announced}))
            assert await uploads.receive(session, [new]) == {new.document_id}
            return await session.get_one(Document, new.document_id)

    return upload


async def execute(flow_run_id: object, prefect: ServesPrefect, home: Path) -> None:
    """Run a flow run as a worker does, in a process of its own."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "prefect.engine", str(flow_run_id)),
        cwd=PROJECT,
        env={**os.environ, "PREFECT_HOME": str(home), "PREFECT_API_URL": prefect.api_url},
        stdout=PIPE,
        stderr=STDOUT,
    )
    output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()


async def dump(url: str) -> str:
    """Every row of every table, as text."""
    connection = await asyncpg.connect(url.replace("postgresql+asyncpg://", "postgresql://"))
    try:
        tables = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        rows = [
            await connection.fetchval(f'SELECT string_agg(t::text, chr(10)) FROM "{table}" t')  # noqa: S608
            for (table,) in tables
        ]
    finally:
        await connection.close()
    return "\n".join(filter(None, rows))


def on_disk(folder: Path) -> str:
    return "".join(file.read_text(errors="replace") for file in folder.rglob("*") if file.is_file())


async def stored(sessions: Sessions, document_id: uuid.UUID) -> tuple[Document, Application]:
    async with sessions() as session:
        document = await session.get_one(Document, document_id)
        return document, await session.get_one(Application, document.application_id)


async def actions(sessions: Sessions, subject: str) -> list[str]:
    entries = select(AuditEntry.action).where(AuditEntry.subject == subject).order_by(AuditEntry.sequence)
    async with sessions() as session:
        return list(await session.scalars(entries))
