"""Where everything is measured: one PostgreSQL, one Prefect server, and gateways as they are needed."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import httpx
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from app import api_keys, db, encryption, migrate
from app.dev import orchestrator
from app.dev.folder import Folder
from app.dev.postgres import EmbeddedPostgres
from app.dev.process import Process, free_port
from app.dev.serving import serving
from app.models import Role
from app.settings import DatabaseSettings
from bench import messages

_TEMPLATE = "template_sluice"
_FLOW = "bench"
DEPLOYMENT = "bench/bench"

# One route into a deployment that no worker serves: what runs cost after their creation is not ours.
ROUTES = f"""
[[route]]
name = "bench"
source = "s3"
event = "ObjectCreated:*"
key = "applications/{{application_id}}/{{kind}}/{{filename}}"
deployment = "{DEPLOYMENT}"

[route.parameters]
document_id = "{{document_id}}"
"""


@dataclass(frozen=True)
class Served:
    """A server that is measured."""

    port: int
    process: Process


class Grounds:
    """Databases, servers and their settings. Made by `prepared`."""

    def __init__(self, folder: Folder, postgres: EmbeddedPostgres, pool: ProcessPoolExecutor) -> None:
        self.folder = folder
        self.postgres = postgres
        self.pool = pool
        self.http = httpx.AsyncClient(trust_env=False, timeout=30)
        self.prefect_url = f"http://127.0.0.1:{free_port()}"
        self._routes = folder.path / "routes.toml"
        self._routes.write_text(ROUTES, encoding="utf-8")
        self._encryption_key = encryption.new_key("bench")

    async def create_database(self, name: str) -> None:
        """An empty database of this release's schema."""
        await asyncio.to_thread(self.postgres.create_database, name, _TEMPLATE)

    async def migrate_template(self) -> None:
        await asyncio.to_thread(self.postgres.create_database, _TEMPLATE)
        await asyncio.to_thread(
            migrate.upgrade, DatabaseSettings(url=SecretStr(self.postgres.url(_TEMPLATE)))
        )

    @asynccontextmanager
    async def connected(self, database: str) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
        """A connection to look at and fill a database with, and to listen on."""
        url = self.postgres.url(database).replace("+asyncpg", "")
        connection = await asyncpg.connect(url)
        try:
            yield connection
        finally:
            await connection.close()

    async def api_key(self, database: str) -> str:
        engine = db.create_engine(DatabaseSettings(url=SecretStr(self.postgres.url(database))))
        try:
            async with db.session_factory(engine).begin() as session:
                return await api_keys.create(session, role=Role.LOAN_APP, label="bench")
        finally:
            await engine.dispose()

    @asynccontextmanager
    async def gateway(
        self, database: str, settings: Mapping[str, str] | None = None, *, workers: int = 1
    ) -> AsyncIterator[Served]:
        """The gateway on that database, without its Prefect loops unless `settings` (`SLUICE_…`) say so."""
        port = free_port()
        command = (sys.executable, "-m", "bench.gateway", *([str(workers)] if workers > 1 else []))
        env = self._settings(database) | {"SLUICE_HTTP_PORT": str(port)} | dict(settings or {})
        async with self._served(f"gateway-{database}", command, port, "/livez", env) as served:
            yield served

    @asynccontextmanager
    async def naive(self, database: str) -> AsyncIterator[Served]:
        """The gateway that anybody would write first."""
        port = free_port()
        command = (sys.executable, "-m", "bench.naive", str(port))
        async with self._served("naive", command, port, "/livez", self._settings(database)) as served:
            yield served

    @asynccontextmanager
    async def dispatcher(self, database: str, settings: Mapping[str, str]) -> AsyncIterator[None]:
        """`sluice dispatch` on that database."""
        env = self._settings(database) | dict(settings)
        sluice = Path(sys.executable).with_name("sluice")
        process = self._process(f"dispatcher-{database}", (sluice, "dispatch"), env)
        process.start()
        try:
            yield
        finally:
            await asyncio.to_thread(process.stop)

    @asynccontextmanager
    async def prefect(self) -> AsyncIterator[None]:
        """A fresh Prefect server, with the flow and the deployment that the routes name."""
        await asyncio.to_thread(orchestrator.create_database, self.postgres)
        port = int(self.prefect_url.rpartition(":")[2])
        address = ("--host", "127.0.0.1", "--port", str(port))
        env = {
            "PREFECT_API_DATABASE_CONNECTION_URL": self.postgres.url(orchestrator.DATABASE),
            # No worker takes the runs, and marking them late would cost the server time that we measure.
            "PREFECT_SERVER_SERVICES_LATE_RUNS_ENABLED": "false",
        }
        command = (sys.executable, "-m", "prefect", "server", "start", *address)
        try:
            async with self._served("prefect", command, port, "/api/ready", env):
                await self._deploy()
                yield
        finally:
            async with self.connected("postgres") as connection:
                await connection.execute(f"DROP DATABASE {orchestrator.DATABASE} WITH (FORCE)")

    async def _deploy(self) -> None:
        flow = await self._create("/flows/", {"name": _FLOW})
        await self._create("/deployments/", {"name": DEPLOYMENT.partition("/")[2], "flow_id": flow})

    async def _create(self, path: str, body: dict[str, str]) -> str:
        answer = await self.http.post(f"{self.prefect_url}/api{path}", json=body)
        answer.raise_for_status()
        created: str = answer.json()["id"]
        return created

    @asynccontextmanager
    async def _served(
        self, name: str, command: Sequence[str | Path], port: int, path: str, env: dict[str, str]
    ) -> AsyncIterator[Served]:
        process = self._process(name, command, env)
        process.start()
        try:
            await self._until_answered(process, f"http://127.0.0.1:{port}{path}")
            yield Served(port, process)
        finally:
            await asyncio.to_thread(process.stop)

    async def _until_answered(self, process: Process, url: str, within: float = 60.0) -> None:
        deadline = time.monotonic() + within
        while True:
            with contextlib.suppress(httpx.HTTPError):
                if (await self.http.get(url)).is_success:
                    return
            process.check_alive()
            if time.monotonic() > deadline:
                raise process.failure(f"did not answer within {within:.0f} s")
            await asyncio.sleep(0.05)

    def _process(self, name: str, command: Sequence[str | Path], env: dict[str, str]) -> Process:
        foreign = ("AWS_", "PREFECT_", "SLUICE_")
        own = {key: value for key, value in os.environ.items() if not key.startswith(foreign)}
        prefect = orchestrator.environment(self.folder.prefect_home, f"{self.prefect_url}/api")
        return Process(
            name,
            command,
            log=self.folder.log(name),
            env={**own, "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1", **prefect, **env},
            cwd=orchestrator.PROJECT,
        )

    def _settings(self, database: str) -> dict[str, str]:
        return {
            "SLUICE_DATABASE_URL": self.postgres.url(database),
            "SLUICE_SNS_TOPICS": messages.TOPIC,
            "SLUICE_SNS_EXTRA_CERTIFICATE_ORIGINS": messages.certificate_origin(),
            "SLUICE_S3_BUCKET": messages.BUCKET,
            "SLUICE_ROUTES_FILE": str(self._routes),
            "SLUICE_PREFECT_API_URL": f"{self.prefect_url}/api",
            "SLUICE_ENCRYPTION_KEYS": self._encryption_key,
            "SLUICE_DISPATCHER_ENABLED": "false",
            "SLUICE_PROJECTION_ENABLED": "false",
            # The load comes from one address and one key.
            "SLUICE_LIMIT_KEY_PER_SECOND": "0",
            "SLUICE_LIMIT_ADDRESS_PER_SECOND": "0",
            "SLUICE_LOG_LEVEL": "WARNING",
        }


@asynccontextmanager
async def prepared(pool: ProcessPoolExecutor) -> AsyncIterator[Grounds]:
    """PostgreSQL with the schema, and the server of the signing certificate."""

    async def certificate(_: Request) -> Response:
        return Response(messages.SIGNER.certificate_pem)

    async with AsyncExitStack() as stack:
        folder = Folder(Path(".sluice/bench"))
        stack.enter_context(folder.claimed())
        postgres = EmbeddedPostgres(log=folder.log("postgresql"))
        await asyncio.to_thread(postgres.start)
        stack.push_async_callback(asyncio.to_thread, postgres.stop)
        routes = [Route(messages.SIGNER.certificate_path, certificate)]
        await stack.enter_async_context(serving(Starlette(routes=routes), messages.CERTIFICATE_PORT))
        grounds = Grounds(folder, postgres, pool)
        stack.push_async_callback(grounds.http.aclose)
        await grounds.migrate_template()
        yield grounds
