"""A database with as many rows as years bring, and how PostgreSQL finds some of them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

from pydantic import SecretStr
from sqlalchemy import ClauseElement, text
from sqlalchemy.ext.asyncio import AsyncSession

from app import migrate
from app.db import Sessions, create_engine, session_factory
from app.dev.postgres import EmbeddedPostgres
from app.settings import DatabaseSettings


@asynccontextmanager
async def filled(
    postgres: EmbeddedPostgres, name: str, *, revision: str, statements: str, **values: Any
) -> AsyncIterator[Sessions]:
    """A database of an earlier release, filled by these statements, and then migrated as a real one would be.

    Each of the `values` goes to the statements that name it.
    """
    postgres.create_database(name)
    settings = DatabaseSettings(url=SecretStr(postgres.url(name)), statement_timeout_seconds=0)
    await asyncio.to_thread(migrate.upgrade, settings, revision)
    engine = create_engine(settings)
    async with engine.begin() as connection:
        for statement in filter(str.strip, statements.split(";")):
            bound = {key: value for key, value in values.items() if f":{key}" in statement}
            await connection.execute(text(statement), bound)
    await asyncio.to_thread(migrate.upgrade, settings)
    async with engine.begin() as connection:
        await connection.execute(text("ANALYZE"))
    yield session_factory(engine)
    await engine.dispose()


async def explained(session: AsyncSession, statement: ClauseElement) -> list[dict[str, Any]]:
    """The plan that PostgreSQL follows, node by node, with what it really read."""
    dialect = (await session.connection()).dialect
    sql = str(statement.compile(dialect=dialect, compile_kwargs={"literal_binds": True}))
    plan = await session.scalar(text(f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}".replace(":", r"\:")))
    return list(_nodes((json.loads(plan) if isinstance(plan, str) else plan)[0]["Plan"]))


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", []):
        yield from _nodes(child)
