"""Bring the database's schema up to this release, and tell whether it is there."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.settings import DatabaseSettings

_INI = Path(__file__).resolve().parent.parent / "alembic.ini"


def upgrade(settings: DatabaseSettings, revision: str = "head") -> None:
    """Run every migration that is missing up to `revision`. Blocks; must not run inside an event loop."""
    config = Config(_INI)
    config.attributes["database"] = settings
    command.upgrade(config, revision)


def head() -> str | None:
    """The newest revision this release knows."""
    return ScriptDirectory.from_config(Config(_INI)).get_current_head()


async def current(session: AsyncSession) -> str | None:
    """The revision the database is at."""
    revision: str | None = await session.scalar(text("SELECT version_num FROM alembic_version"))
    return revision
