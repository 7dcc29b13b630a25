"""What commands share: the settings, checked, and the database for one piece of work."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from typing import TypeVar

from pydantic import ValidationError

from app import db
from app.db import Sessions
from app.settings import Settings
from app.telemetry import configure_logging

Result = TypeVar("Result")


def load_settings() -> Settings:
    """The settings of the environment, with logging set up by them; exits naming what is not valid."""
    try:
        settings = Settings()
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors())
        sys.exit(f"sluice: {error.title} is not valid: {problems}")
    configure_logging(settings.log)
    return settings


def with_database(work: Callable[[Sessions], Awaitable[Result]]) -> Result:
    """Do one piece of work on the database of the settings."""

    async def run() -> Result:
        engine = db.create_engine(load_settings().database, application_name="sluice-cli")
        try:
            return await work(db.session_factory(engine))
        finally:
            await engine.dispose()

    return asyncio.run(run())
