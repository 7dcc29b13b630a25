"""The migrations build exactly what the models describe."""

from __future__ import annotations

import asyncio
import re
from typing import Any

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from pydantic import SecretStr
from sqlalchemy import Connection, Enum, text

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
