"""One document's whole way through a stack that is already up, told station by station."""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import httpx
from rich.console import Console

from app import api_keys, db
from app.dev import specimens
from app.dev.loan_app import LoanApp, Refused, View
from app.dev.timeline import Step, decided_at, follow, read_at, run_time, say, show, tell_decision
from app.models import Role
from app.settings import DatabaseSettings, Settings

GATEWAY = os.environ.get("GATEWAY_URL", "http://127.0.0.1:8080")
EMAIL = "applicant@example.com"
SEED = 7

STEPS = [
    Step("committed", None, run_time("accepted_at"), say("to PostgreSQL, before SNS was answered")),
    Step("dispatched", None, run_time("dispatched_at"), say("to Prefect")),
    Step("running", None, run_time("started_at"), say("where its work pool runs it")),
    Step("read", None, read_at, say("and handed to the underwriting tool")),
    Step("decided", None, decided_at, tell_decision),
    Step("emailed", None, run_time("ended_at", "underwriting-decision"), say(f"to {EMAIL}")),
]


async def run(settings: Settings) -> None:
    """Apply, upload a specimen, wait for the email. Raises Refused or StepFailed."""
    application_id = f"J-{secrets.token_hex(4)}"
    console = Console(highlight=False, soft_wrap=True)
    somebody = specimens.person(SEED, datetime.now(UTC).date())
    picture = await asyncio.to_thread(lambda: specimens.to_jpeg(specimens.both(somebody)))
    async with LoanApp(GATEWAY, await _key(settings.database)) as loan_app:
        name = f"{somebody.first} {somebody.last}".title()
        await loan_app.register(application_id, name=name, email=EMAIL)
        await loan_app.upload(application_id, picture)
        uploaded_at = datetime.now(UTC)
        show(console, "uploaded", 0, [f"a specimen licence for {application_id}, by the presigned form"])
        await follow(console, _patiently(loan_app, application_id), STEPS, since=uploaded_at)


async def _patiently(loan_app: LoanApp, application_id: str) -> AsyncIterator[View]:
    """The application after each change, whatever becomes of the gateway in between."""
    while True:
        try:
            async for view in loan_app.follow(application_id):
                yield view
        except (httpx.TransportError, Refused):
            await asyncio.sleep(1)


async def _key(settings: DatabaseSettings) -> str:
    engine = db.create_engine(settings)
    try:
        async with db.session_factory(engine).begin() as session:
            return await api_keys.create(session, role=Role.LOAN_APP, label="a journey")
    finally:
        await engine.dispose()
