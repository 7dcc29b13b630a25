"""Fixtures shared by all tests: a real PostgreSQL, built by the real migrations, and stand-ins of AWS."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from functools import cache
from pathlib import Path

import hypothesis
import pytest
from moto.server import ThreadedMotoServer
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from app import migrate, models  # noqa: F401 (the models fill Base.metadata)
from app.db import Base, Sessions, create_engine, session_factory
from app.dev.postgres import EmbeddedPostgres
from app.dev.process import free_port
from app.dev.serving import serving
from app.dev.sns_signing import Signer
from app.settings import DatabaseSettings, LogSettings
from app.telemetry import configure_logging

# An unconfigured structlog draws tracebacks with all local variables, which takes seconds.
configure_logging(LogSettings(level="WARNING"))
# How long an example takes says more about the machine than about the code.
hypothesis.settings.register_profile("sluice", deadline=None)
hypothesis.settings.load_profile("sluice")


@pytest.fixture(scope="session")
def postgres() -> Iterator[EmbeddedPostgres]:
    """A real, empty PostgreSQL server for the whole test run."""
    with EmbeddedPostgres() as server:
        yield server


@pytest.fixture(scope="session")
def migrated(postgres: EmbeddedPostgres) -> DatabaseSettings:
    """Settings of a database that the real migrations built."""
    postgres.create_database("sluice")
    settings = DatabaseSettings(url=SecretStr(postgres.url("sluice")))
    migrate.upgrade(settings)
    return settings


@pytest.fixture
async def database(migrated: DatabaseSettings) -> DatabaseSettings:
    """Settings of that database, emptied. Tests commit for real: a rollback would hide the bugs we fear."""
    engine = create_engine(migrated)
    async with engine.begin() as connection:
        for table in reversed(Base.metadata.sorted_tables):
            await connection.execute(table.delete())
    await engine.dispose()
    return migrated


@pytest.fixture
async def sessions(database: DatabaseSettings) -> AsyncIterator[Sessions]:
    engine = create_engine(database)
    yield session_factory(engine)
    await engine.dispose()


@pytest.fixture(scope="session")
def moto_url() -> Iterator[str]:
    """A stand-in of AWS for the whole test run. It forgets nothing between tests."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


class SharedParts(LoadScopeScheduling):  # type: ignore[misc]  # xdist has no types
    """Keeps tests that share an expensive part in one process: the whole stack, a Prefect server, a file."""

    def _split_scope(self, nodeid: str) -> str:
        path = Path(nodeid.partition("::")[0])
        for shared in ("tests/e2e", "tests/integration/flows"):
            if path.is_relative_to(shared):
                return shared
        return "prefect" if _asks_for_prefect(path) else str(path)


@cache
def _asks_for_prefect(path: Path) -> bool:
    return "prefect_server" in path.read_text("utf-8")


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> SharedParts:
    return SharedParts(config, log)


@pytest.fixture(scope="session")
async def signer() -> AsyncIterator[Signer]:
    """Signs messages as SNS does; its certificate is served on loopback."""
    port = free_port()
    signer = Signer(f"http://127.0.0.1:{port}")

    async def certificate(_: Request) -> Response:
        return Response(signer.certificate_pem)

    async with serving(Starlette(routes=[Route(signer.certificate_path, certificate)]), port):
        yield signer
