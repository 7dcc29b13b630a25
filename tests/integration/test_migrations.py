"""The migrations build exactly what the models describe."""

from __future__ import annotations

from typing import Any

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection

from app import migrate
from app.db import Base, Sessions


def _differences(connection: Connection) -> list[Any]:
    return list(compare_metadata(MigrationContext.configure(connection), Base.metadata))


async def test_the_migrated_schema_is_the_models_schema(sessions: Sessions) -> None:
    async with sessions() as session:
        connection = await session.connection()
        assert await connection.run_sync(_differences) == []


async def test_a_migrated_database_is_at_the_newest_revision(sessions: Sessions) -> None:
    async with sessions() as session:
        assert await migrate.current(session) == migrate.head()
