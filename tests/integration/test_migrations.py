"""The migrations build exactly what the models describe."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from pydantic import SecretStr
from sqlalchemy import Connection, Enum, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from app import migrate
from app.db import Base, Sessions, create_engine
from app.dev.postgres import EmbeddedPostgres
from app.settings import DatabaseSettings


def _differences(connection: Connection) -> list[Any]:
    return list(compare_metadata(MigrationContext.configure(connection), Base.metadata))


async def test_the_migrated_schema_is_the_models_schema(sessions: Sessions) -> None:
    async with sessions() as session:
        connection = await session.connection()
        assert await connection.run_sync(_differences) == []


async def test_every_choice_of_the_models_can_be_stored_and_no_other(sessions: Sessions) -> None:
    """Alembic does not compare CHECK constraints."""
    checks = "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE contype = 'c'"
    async with sessions() as session:
        defined: dict[str, str] = dict((await session.execute(text(checks))).all())
    for table in Base.metadata.tables.values():
        for column in table.columns:
            if isinstance(column.type, Enum):
                definition = defined[f"ck_{table.name}_{column.type.name}"]
                assert re.findall(r"'(\w[\w-]*)'", definition) == list(column.type.enums), table.name


def test_what_an_earlier_release_rejected_is_found_in_the_quarantine(postgres: EmbeddedPostgres) -> None:
    postgres.create_database("older")
    settings = DatabaseSettings(url=SecretStr(postgres.url("older")))
    migrate.upgrade(settings, "0001")
    columns = "id, topic_arn, message_id, kind, envelope, outcome, sent_at"
    values = "gen_random_uuid(), 'topic', 'message', 'Notification', '{}', 'rejected', now()"

    async def execute(statement: str) -> Any:
        engine = create_engine(settings)
        async with engine.begin() as connection:
            result = await connection.execute(text(statement))
            rows = [tuple(row) for row in result] if result.returns_rows else None
        await engine.dispose()
        return rows

    asyncio.run(execute(f"INSERT INTO notifications ({columns}) VALUES ({values})"))  # noqa: S608
    migrate.upgrade(settings)

    assert asyncio.run(execute("SELECT message_id, reason, listed FROM quarantine")) == [
        ("message", "malformed", True)
    ]
    assert asyncio.run(execute("SELECT count(*) FROM notifications")) == [(0,)]


@pytest.mark.parametrize("revision", ["0005", "0007", "0010", "0011"])
async def test_a_migration_that_was_killed_while_it_built_an_index_can_be_run_again(
    postgres: EmbeddedPostgres, revision: str
) -> None:
    """An index is built outside any transaction, so what was done before it is there to stay."""
    name = f"killed_{revision}"
    postgres.create_database(name)
    settings = DatabaseSettings(url=SecretStr(postgres.url(name)))
    await asyncio.to_thread(migrate.upgrade, settings, f"{int(revision) - 1:04}")
    engine = create_engine(settings)
    async with engine.connect() as reader, engine.connect() as killer:
        # An index that is built concurrently waits for the end of every transaction that began before.
        await reader.execution_options(isolation_level="REPEATABLE READ")
        await reader.execute(text("SELECT count(*) FROM api_keys"))
        upgrading = asyncio.create_task(asyncio.to_thread(migrate.upgrade, settings, revision))
        await _kill_building(killer)
        with pytest.raises(SQLAlchemyError):
            await upgrading
    await engine.dispose()

    await asyncio.to_thread(migrate.upgrade, settings)

    engine = create_engine(settings)
    async with engine.connect() as connection:
        assert await connection.run_sync(_differences) == []
        invalid = "SELECT indexrelid::regclass FROM pg_index WHERE NOT indisvalid"
        assert (await connection.execute(text(invalid))).all() == []
    await engine.dispose()


async def _kill_building(connection: AsyncConnection) -> None:
    kill = text(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'sluice-migrate'"
        " AND datname = current_database() AND query LIKE 'CREATE INDEX CONCURRENTLY%'"
        " AND wait_event = 'virtualxid'"
    )
    async with asyncio.timeout(20):
        while not (await connection.execute(kill)).all():
            await connection.rollback()
            await asyncio.sleep(0.05)


async def test_a_migrated_database_is_at_the_newest_revision(sessions: Sessions) -> None:
    async with sessions() as session:
        assert await migrate.current(session) == migrate.head()


async def _columns(settings: DatabaseSettings) -> dict[tuple[str, str], tuple[str, bool]]:
    """By table and column: its type, and whether a row can be inserted without it."""
    columns = """
        SELECT table_name, column_name, udt_name,
            is_nullable = 'YES' OR column_default IS NOT NULL OR is_identity = 'YES'
        FROM information_schema.columns WHERE table_schema = 'public' AND table_name <> 'alembic_version'
    """
    engine = create_engine(settings)
    async with engine.connect() as connection:
        rows = (await connection.execute(text(columns))).all()
    await engine.dispose()
    return {(table, column): (kind, optional) for table, column, kind, optional in rows}


CONTRACTIONS: dict[str, set[str]] = {}
"""Columns, as `table.column`, that a revision removes because no release that still runs uses them."""


def test_every_migration_leaves_the_release_before_it_working(postgres: EmbeddedPostgres) -> None:
    """While an upgrade is under way both releases run on the newer schema (docs/operations.md)."""
    postgres.create_database("expanding")
    settings = DatabaseSettings(url=SecretStr(postgres.url("expanding")))
    revisions = [*sorted(migrate.older()), migrate.head() or ""]
    migrate.upgrade(settings, revisions[0])
    before = asyncio.run(_columns(settings))
    for revision in revisions[1:]:
        migrate.upgrade(settings, revision)
        after = asyncio.run(_columns(settings))
        gone = {f"{table}.{column}" for table, column in before.keys() - after.keys()}
        assert gone == CONTRACTIONS.get(revision, set()), f"{revision} removes or renames columns"
        for column in before.keys() & after.keys():
            assert after[column][0] == before[column][0], f"{revision} changes the type of {column}"
            assert after[column][1] or not before[column][1], f"{revision} makes {column} compulsory"
        tables = {table for table, _ in before}
        for table, name in after.keys() - before.keys():
            assert table not in tables or after[table, name][1], f"{revision} adds compulsory {name}"
        before = after
