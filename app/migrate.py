"""Bring the database's schema up to this release, and tell whether it is there."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.settings import DatabaseSettings

_SCRIPTS = Path(__file__).resolve().parent.parent / "migrations"
"""Beside this package, in a checkout as in an installed wheel. `alembic.ini` is for developers only."""


def upgrade(settings: DatabaseSettings, revision: str = "head") -> None:
    """Run every migration that is missing up to `revision`. Blocks; must not run inside an event loop."""
    config = _config()
    config.attributes["database"] = settings
    command.upgrade(config, revision)


@cache
def head() -> str | None:
    """The newest revision this release knows."""
    return ScriptDirectory.from_config(_config()).get_current_head()


@cache
def older() -> frozenset[str]:
    """The revisions before `head`: a database at one of them lacks what this release uses."""
    revisions = {script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()}
    return frozenset(revisions - {head()})


async def current(session: AsyncSession) -> str | None:
    """The revision the database is at."""
    revision: str | None = await session.scalar(text("SELECT version_num FROM alembic_version"))
    return revision


def _config() -> Config:
    config = Config()
    # The parser takes "%" for the start of a reference.
    config.set_main_option("script_location", str(_SCRIPTS).replace("%", "%%"))
    return config
