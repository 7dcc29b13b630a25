"""Fixtures shared by all tests: a real PostgreSQL, built by the real migrations, a database per test."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from itertools import count

import pytest
from pydantic import SecretStr

from app import migrate
from app.db import Sessions, create_engine, session_factory
from app.dev.postgres import EmbeddedPostgres
from app.settings import DatabaseSettings

_TEMPLATE = "sluice_template"
_names = count(1)


@pytest.fixture(scope="session")
def postgres() -> Iterator[EmbeddedPostgres]:
    """A real, empty PostgreSQL server for the whole test run."""
    with EmbeddedPostgres() as server:
        yield server


@pytest.fixture(scope="session")
def migrated_template(postgres: EmbeddedPostgres) -> str:
    """The name of a database at the newest migration, to be copied."""
    postgres.create_database(_TEMPLATE)
    migrate.upgrade(DatabaseSettings(url=SecretStr(postgres.url(_TEMPLATE))))
    return _TEMPLATE


@pytest.fixture
def database(postgres: EmbeddedPostgres, migrated_template: str) -> DatabaseSettings:
    """Settings of a fresh, migrated database for one test."""
    name = f"test_{next(_names)}"
    postgres.create_database(name, template=migrated_template)
    return DatabaseSettings(url=SecretStr(postgres.url(name)))


@pytest.fixture
async def sessions(database: DatabaseSettings) -> AsyncIterator[Sessions]:
    """Sessions on that database. They commit for real: a rollback fixture would hide the bugs we fear."""
    engine = create_engine(database)
    yield session_factory(engine)
    await engine.dispose()
