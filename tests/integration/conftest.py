"""A real Prefect server, and deployments made for one test. No worker: tests set the states themselves."""

from __future__ import annotations

import asyncio
import itertools
import os
import sys
import time
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.dev.postgres import EmbeddedPostgres
from app.dev.process import free_port
from app.prefect_client import PrefectClient
from app.settings import PrefectSettings

_DATABASE = "prefect"
POOL = "test-pool"
_names = itertools.count(1)


class PrefectServer:
    """One server on its own database; it may be killed and started again."""

    def __init__(self, postgres: EmbeddedPostgres, folder: Path, **env: str) -> None:
        port = free_port()
        self.api_url = f"http://127.0.0.1:{port}/api"
        self.settings = PrefectSettings(api_url=self.api_url, timeout_seconds=10)
        self._http = httpx.AsyncClient(base_url=self.api_url, timeout=30)
        self._log = folder / "prefect.log"
        command = ("-m", "app.dev.prefect_command", str(folder), "server", "start", "--port", str(port))
        self._command = [sys.executable, *command]
        self._env = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "PREFECT_HOME": str(folder),
            "PREFECT_API_URL": self.api_url,
            "PREFECT_API_DATABASE_CONNECTION_URL": postgres.url(_DATABASE),
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "PREFECT_SERVER_UI_ENABLED": "false",
            **env,
        }
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Start the server and wait until it and its database answer."""
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *self._command, env=self._env, stdout=log, stderr=log
            )
        deadline = time.monotonic() + 90
        while not await self._ready():
            if self._process.returncode is not None or time.monotonic() > deadline:
                pytest.fail(f"Prefect did not start:\n{self._log.read_text()[-3_000:]}")
            await asyncio.sleep(0.1)

    async def kill(self) -> None:
        """End the server at once, as a crash would."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()

    async def close(self) -> None:
        await self.kill()
        await self._http.aclose()

    async def _ready(self) -> bool:
        try:
            return (await self._http.get("/ready")).is_success
        except httpx.HTTPError:
            return False

    async def post(self, path: str, body: Any) -> Any:
        answer = await self._http.post(path, json=body)
        answer.raise_for_status()
        return answer.json() if answer.content else None

    async def deploy(self) -> str:
        """A new deployment that demands a `document_id`; returns `flow/deployment`."""
        deployment = f"flow-{next(_names)}/test"
        await self.redeploy(deployment)
        return deployment

    async def redeploy(self, deployment: str, **more: Any) -> None:
        """Delete the deployment, if there is one, and make it anew with `more` about it: its id is new."""
        flow, _, name = deployment.partition("/")
        if (await self._http.get(f"/work_pools/{POOL}")).status_code == httpx.codes.NOT_FOUND:
            await self.post("/work_pools/", {"name": POOL, "type": "process"})
        old = await self._http.get(f"/deployments/name/{deployment}")
        if old.is_success:
            (await self._http.delete(f"/deployments/{old.json()['id']}")).raise_for_status()
        schema = {
            "type": "object",
            "properties": {"document_id": {"type": "string", "title": "document_id"}},
            "required": ["document_id"],
        }
        await self.post(
            "/deployments/",
            {
                "name": name,
                "flow_id": (await self.post("/flows/", {"name": flow}))["id"],
                "work_pool_name": POOL,
                "parameter_openapi_schema": schema,
                "enforce_parameter_schema": True,
                **more,
            },
        )

    async def set_state(self, flow_run_id: uuid.UUID, kind: str, name: str | None = None) -> None:
        state = {"type": kind, "name": name or kind.capitalize()}
        await self.post(f"/flow_runs/{flow_run_id}/set_state", {"state": state, "force": True})

    async def flow_runs(self, deployment: str) -> list[dict[str, Any]]:
        """Everything Prefect has of one deployment, at most 200."""
        flow = deployment.partition("/")[0]
        found: list[dict[str, Any]] = await self.post(
            "/flow_runs/filter", {"flows": {"name": {"any_": [flow]}}, "limit": 200}
        )
        return found

    async def delete(self, flow_run_id: uuid.UUID) -> None:
        (await self._http.delete(f"/flow_runs/{flow_run_id}")).raise_for_status()


@pytest.fixture(scope="session")
async def prefect_server(
    postgres: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[PrefectServer]:
    """A real Prefect server for the whole test run. A test that stops it starts it again."""
    postgres.create_database(_DATABASE)
    server = PrefectServer(postgres, tmp_path_factory.mktemp("prefect"))
    try:
        await server.start()
        yield server
    finally:
        await server.close()


@pytest.fixture
async def prefect(prefect_server: PrefectServer) -> AsyncIterator[PrefectClient]:
    """The gateway's own client of that server."""
    async with PrefectClient(prefect_server.settings) as client:
        yield client


@pytest.fixture
async def deployment(prefect_server: PrefectServer) -> str:
    """A deployment of this test's own."""
    return await prefect_server.deploy()
