"""The whole embedded stack, started once, and a driver that speaks to it as its users do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.db import Sessions, create_engine, session_factory
from app.dev import specimens
from app.dev.loan_app import LoanApp, View
from app.dev.orchestrator import PROJECT
from app.dev.sns import TOPIC_ARN, Delivery
from app.dev.specimens import Person
from app.dev.stack import Stack
from app.dev.underwriter import Handover, Ruling
from app.models import Role
from app.settings import DatabaseSettings

EXAMPLE_ROUTES = PROJECT / "examples/routes.toml"
"""The loan routes as they are shipped, and more."""

REPORTS_TOPIC_ARN = "arn:aws:sns:us-east-1:123456789012:reports"
"""The topic that one of them names."""

PATIENCE_SECONDS = 90
"""Far beyond what any step takes: a test waits for what it asserts, and never asserts how long it took."""


@dataclass
class Driver:
    """Registers, uploads, decides and reads, each through the door that its caller would use."""

    stack: Stack
    loan_app: LoanApp
    sessions: Sessions
    operator: httpx.AsyncClient
    rulings: dict[str, Ruling] = field(default_factory=dict)
    """What the scripted underwriting tool decides, by application; the others stay in review."""

    async def register(self, application_id: str, person: Person | None = None) -> str:
        """Register an applicant and return their address."""
        name = f"{person.first} {person.last}" if person else "Pat Specimen"
        address = f"{application_id.lower()}@example.com"
        await self.loan_app.register(application_id, name=name, email=address)
        return address

    async def status_when(self, application_id: str, reached: Callable[[View], bool]) -> View:
        """The application's status once `reached` holds for it."""
        last: View = {}
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                async for view in self.loan_app.follow(application_id):
                    last = view
                    if reached(view):
                        return view
        except TimeoutError:
            pytest.fail(f"{application_id} did not get there; it stayed at {last}")
        raise AssertionError("the status ended")

    async def document(self, document_id: str) -> Any:
        answer = await self.operator.get(f"/v1/documents/{document_id}")
        answer.raise_for_status()
        return answer.json()

    async def flow_runs_of(self, run_id: str) -> list[Any]:
        """What Prefect itself knows under the run's idempotency key."""
        answer = await self.operator.post(
            f"{self.stack.prefect_url}/api/flow_runs/filter",
            json={"flow_runs": {"idempotency_key": {"any_": [run_id]}}},
        )
        answer.raise_for_status()
        found: list[Any] = answer.json()
        return found


@pytest.fixture(scope="session")
async def driver(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Driver]:
    rulings: dict[str, Ruling] = {}

    def rule(handover: Handover) -> Ruling | None:
        return rulings.get(handover.application_id)

    folder: Path = tmp_path_factory.mktemp("stack") / ".sluice"
    routes = {
        "SLUICE_ROUTES_FILE": str(EXAMPLE_ROUTES),
        "SLUICE_SNS_TOPICS": f"{TOPIC_ARN},{REPORTS_TOPIC_ARN}",
    }
    async with Stack(folder, rule=rule, settings=routes) as stack:
        # As patient as SNS by default, which tries for a minute, but quicker to notice.
        stack.sns.retries, stack.sns.retry_seconds = 60, 1
        key = await stack.create_key(Role.LOAN_APP, "end-to-end tests")
        operator_key = await stack.create_key(Role.OPERATOR, "end-to-end tests")
        engine = create_engine(DatabaseSettings(url=stack.settings["SLUICE_DATABASE_URL"]))
        async with (
            LoanApp(stack.gateway_url, key) as loan_app,
            httpx.AsyncClient(
                base_url=stack.gateway_url, headers={"Authorization": f"Bearer {operator_key}"}, timeout=30
            ) as operator,
        ):
            yield Driver(stack, loan_app, session_factory(engine), operator, rulings)
        await engine.dispose()


@pytest.fixture(scope="session")
def person() -> Person:
    return specimens.person(41, datetime.now(UTC).date())


@pytest.fixture(scope="session")
def picture(person: Person) -> bytes:
    """Front and back of a licence in one picture."""
    return specimens.to_jpeg(specimens.both(person))


def in_review(view: View) -> bool:
    return bool(view["status"] == "in_review")


def all_runs_ended(view: View) -> bool:
    return all(run["ended_at"] for run in view["runs"])


def deliveries_about(driver: Driver, key: str) -> list[Delivery]:
    """SNS's attempts to tell the gateway about this object, in order."""
    return [
        delivery for delivery in driver.stack.sns.deliveries if key in delivery.message.replace("%2F", "/")
    ]


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    """Wait for what nobody announces."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not await holds():  # noqa: ASYNC110 (there is nothing to wait on)
            await asyncio.sleep(0.2)
