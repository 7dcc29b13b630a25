"""`make test-upgrade FROM=<older release>`: both releases side by side on one database, under traffic.

The older release's code is run from its own files, in the environment of this one.
"""

from __future__ import annotations

import asyncio
import io
import itertools
import os
import signal
import subprocess
import sys
import tarfile
import uuid
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr
from sqlalchemy import func, select, text

from app import encryption, migrate
from app.db import create_engine, session_factory
from app.dev.postgres import EmbeddedPostgres
from app.dev.process import Process, free_port
from app.dev.sns_signing import Signer
from app.models import Notification, Run, RunState
from app.settings import DatabaseSettings
from tests.integration.conftest import PrefectServer
from tests.web.conftest import TOPIC, notification, s3_event

ROOT = Path(__file__).resolve().parents[2]
DEPLOYMENT = "document-verification/default"
SECONDS = 4.0
"""How long each stage has traffic."""


@pytest.fixture
def older(tmp_path: Path) -> Path:
    """The files of the older release."""
    release = os.environ.get("FROM")
    if not release:
        pytest.fail("Name the older release: make test-upgrade FROM=v0.1.0")
    folder = tmp_path / "older"
    folder.mkdir()
    files = subprocess.run(  # noqa: S603 (named by whoever runs this test)
        ["git", "archive", release],  # noqa: S607
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    with tarfile.open(fileobj=io.BytesIO(files.stdout)) as archive:
        archive.extractall(folder, filter="data")
    return folder


@pytest.fixture
async def prefect(postgres: EmbeddedPostgres, tmp_path: Path) -> AsyncIterator[PrefectServer]:
    postgres.create_database("prefect")
    server = PrefectServer(postgres, tmp_path)
    try:
        await server.start()
        await server.redeploy(DEPLOYMENT)
        yield server
    finally:
        await server.close()


@pytest.fixture
def database(postgres: EmbeddedPostgres) -> DatabaseSettings:
    postgres.create_database("upgrading")
    return DatabaseSettings(url=SecretStr(postgres.url("upgrading")))


class Gateways:
    """Those that have traffic, as behind a load balancer that tries the next one."""

    def __init__(self, signer: Signer, environment: dict[str, str], logs: Path) -> None:
        self._signer = signer
        self._environment = environment
        self._logs = logs
        self._numbers = itertools.count()
        self._http = httpx.AsyncClient(limits=httpx.Limits(max_keepalive_connections=0))
        self.urls: list[str] = []
        self.sent = 0
        self.answers: Counter[str] = Counter()

    def process(self, name: str, folder: Path, command: str, **environment: str) -> Process:
        """A `sluice` command of the release in that folder."""
        return Process(
            name,
            [sys.executable, "-c", "from app.cli import main; main()", command],
            log=self._logs / f"{name}-{command}.log",
            env={**os.environ, **self._environment, **environment},
            cwd=folder,
        )

    async def up(self, name: str, folder: Path) -> tuple[Process, str]:
        """Start a gateway and wait until it is ready; it has no traffic yet."""
        port = free_port()
        process, url = (
            self.process(name, folder, "serve", SLUICE_HTTP_PORT=str(port)),
            f"http://127.0.0.1:{port}",
        )

        async def ready() -> bool:
            try:
                return (await self._http.get(f"{url}/readyz")).is_success
            except httpx.TransportError:
                return False

        process.ready = ready
        await process.up()
        return process, url

    async def readiness(self, url: str) -> dict[str, Any]:
        answer: dict[str, Any] = (await self._http.get(f"{url}/readyz")).json()
        return answer

    async def traffic(self, stop: asyncio.Event) -> None:
        """One new upload after the other, each until it is accepted."""
        while not stop.is_set():
            key = f"applications/A-{next(self._numbers)}/license-front/front.jpg"
            body = self._signer.envelope(notification(s3_event(key, etag=uuid.uuid4().hex)))
            async with asyncio.timeout(30):
                while not await self._accepted(body):  # noqa: ASYNC110 (a sender that tries again)
                    await asyncio.sleep(0.05)
            self.sent += 1

    async def _accepted(self, body: bytes) -> bool:
        url = self.urls[self.sent % len(self.urls)]
        try:
            answer = await self._http.post(f"{url}/v1/sns", content=body)
        except httpx.TransportError as error:
            self.answers[type(error).__name__] += 1
            return False
        slug = "" if answer.is_success else answer.json()["type"].removeprefix("urn:sluice:problem:")
        self.answers[f"{answer.status_code} {slug}".strip()] += 1
        return answer.status_code == httpx.codes.OK

    async def close(self) -> None:
        await self._http.aclose()


async def test_two_releases_side_by_side_lose_and_double_nothing(
    older: Path, signer: Signer, prefect: PrefectServer, database: DatabaseSettings, tmp_path: Path
) -> None:
    environment = {
        "SLUICE_DATABASE_URL": database.url.get_secret_value(),
        "SLUICE_PREFECT_API_URL": prefect.api_url,
        "SLUICE_SNS_TOPICS": TOPIC,
        "SLUICE_SNS_EXTRA_CERTIFICATE_ORIGINS": signer.certificate_url.removesuffix(signer.certificate_path),
        "SLUICE_ENCRYPTION_KEYS": encryption.new_key("test"),
        "SLUICE_HTTP_DRAIN_SECONDS": "1",
        "SLUICE_DISPATCHER_MAX_IN_PREFECT": "5000",
        "SLUICE_DISPATCHER_MAX_IN_PREFECT_PER_ROUTE": "5000",
    }
    gateways = Gateways(signer, environment, tmp_path)
    step = gateways.process("older", older, "migrate")
    step.start()
    await step.finish()
    engine = create_engine(database)
    sessions = session_factory(engine)
    async with sessions() as session:
        before = await migrate.current(session)
    assert before != migrate.head(), "there is no migration between the releases"

    old, old_url = await gateways.up("older", older)
    gateways.urls = [old_url]
    stop = asyncio.Event()
    traffic = asyncio.create_task(gateways.traffic(stop))
    await asyncio.sleep(SECONDS)
    step = gateways.process("newer", ROOT, "migrate")
    step.start()
    await step.finish()
    alone_on_newer = gateways.sent
    await asyncio.sleep(SECONDS)
    assert gateways.sent > alone_on_newer
    says = await gateways.readiness(old_url)
    new, new_url = await gateways.up("newer", ROOT)
    gateways.urls = [old_url, new_url]
    await asyncio.sleep(SECONDS)
    gateways.urls = [new_url]
    os.kill(old.pid, signal.SIGTERM)
    await asyncio.sleep(SECONDS)
    stop.set()
    await traffic

    async with sessions() as session, asyncio.timeout(120):
        while await session.scalar(select(func.count()).where(Run.state == RunState.ACCEPTED)):
            await asyncio.sleep(0.5)
            await session.rollback()
        kept = await session.scalar(select(func.count()).select_from(Notification))
        keys = [str(run_id) for run_id in await session.scalars(select(Run.id))]
        created = await session.scalars(text("SELECT DISTINCT flow_run_id FROM runs"))
        flow_runs = {flow_run_id for flow_run_id in created if flow_run_id is not None}
    found = await prefect.post("/flow_runs/count", {})
    new.stop()
    old.stop()
    await gateways.close()
    await engine.dispose()
    sys.stdout.write(
        f"\n{before} to {migrate.head()}: {gateways.sent} messages, answers {dict(gateways.answers)}; "
        f"the older release on the newer schema: {says}\n"
    )
    assert kept == gateways.sent == len(keys) == len(flow_runs) == found
    # What a sender must try again there may be, while a process ends. Nothing is refused, nothing breaks.
    assert set(gateways.answers) <= {"200", "503 shutting-down", "503 database-unavailable", "ConnectError"}
