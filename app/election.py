"""One worker among any number of copies, chosen by a lock that PostgreSQL frees when its holder dies."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg
import structlog

from app.db import dedicated
from app.settings import DatabaseSettings

log = structlog.get_logger()

_CHECK_SECONDS = 1.0
"""How often a candidate asks for the lock, and its holder whether it still has the session."""


async def while_elected(settings: DatabaseSettings, lock: int, work: Callable[[], Awaitable[None]]) -> None:
    """Wait until no other copy holds `lock`, then do `work` for as long as we hold it.

    Returns when the work does. When the session is lost the work is cancelled and the loss raised:
    another copy may have begun by then, so the work must bear that two do it for a moment.
    """
    async with dedicated(settings, "sluice-election") as connection:
        await _win(connection, lock)
        log.info("elected", lock=lock)
        async with asyncio.TaskGroup() as tasks:
            watch = tasks.create_task(_watch(connection))
            await work()
            watch.cancel()


async def _win(connection: asyncpg.Connection[Any], lock: int) -> None:
    # Asking again and again, since a statement that waited for days would keep vacuum from its work.
    while True:
        if await connection.fetchval("SELECT pg_try_advisory_lock($1)", lock, timeout=5):
            return
        await asyncio.sleep(_CHECK_SECONDS)


async def _watch(connection: asyncpg.Connection[Any]) -> None:
    """Raises as soon as the session does not answer."""
    while True:
        await asyncio.sleep(_CHECK_SECONDS)
        await connection.execute("SELECT 1", timeout=3)
