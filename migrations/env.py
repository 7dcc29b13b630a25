"""Run migrations: one at a time across all processes, and never waiting long for a lock.

A migration that waits for a lock makes everything behind it wait too, so it gives up after a few
seconds and can be run again. Forward only: each is compatible with the release that is running.
"""

from __future__ import annotations

import asyncio
import time

from alembic import context
from sqlalchemy import Connection, text

from app import models  # noqa: F401 (the models fill Base.metadata)
from app.db import Base, create_engine
from app.settings import DatabaseSettings

_MIGRATION_LOCK = 0x51C3


def _run(connection: Connection) -> None:
    connection.execute(text("SET lock_timeout = '5s'"))
    connection.execute(text("SET statement_timeout = '60s'"))
    _take_turn(connection)
    context.configure(connection=connection, target_metadata=Base.metadata, transaction_per_migration=True)
    with context.begin_transaction():
        context.run_migrations()


def _take_turn(connection: Connection) -> None:
    """Wait for the other processes that migrate, between transactions.

    Inside one it would hold a snapshot, for whose end an index that is built concurrently waits.
    """
    while not connection.scalar(text("SELECT pg_try_advisory_lock(:lock)"), {"lock": _MIGRATION_LOCK}):
        connection.commit()
        time.sleep(0.5)
    connection.commit()


async def _main() -> None:
    settings = context.config.attributes.get("database") or DatabaseSettings()
    # A migration sets its own time limits: an index may take longer to build than any request may wait.
    unlimited = settings.model_copy(update={"statement_timeout_seconds": 0})
    engine = create_engine(unlimited, application_name="sluice-migrate")
    try:
        async with engine.connect() as connection:
            await connection.run_sync(_run)
    finally:
        await engine.dispose()


asyncio.run(_main())
